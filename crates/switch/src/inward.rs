//! Calls that a trunk brings.

use std::collections::BTreeMap;

use model::{EndCause, PhoneNumber};
use sip::{InboundInvite, Transport};
use timing::Instant;

use crate::outward::Led;
use crate::referring::By;
use crate::setup::{Caller, NewCall};
use crate::switch::Switch;
use crate::trunk::{Did, Identify, Origin, Trunk, TrunkId};

impl Switch {
    /// A trunk brings a call.
    pub(crate) fn incoming_from_trunk(&mut self, invite: InboundInvite, trunk: TrunkId, now: Instant) {
        if let Some(replaces) = invite.replaces.clone() {
            return self.replace_on_request(invite, By::Trunk(trunk), &replaces, now);
        }
        match self.accept_from_trunk(&invite, trunk, now) {
            Err(cause) => self.refuse(invite.dialog, cause, now),
            Ok(accepted) => self.begin_from(invite, accepted, None, Some(trunk), now),
        }
    }

    fn accept_from_trunk(
        &mut self,
        invite: &InboundInvite,
        trunk: TrunkId,
        now: Instant,
    ) -> Result<NewCall, EndCause> {
        let settings = self.trunks.plan.trunk(trunk).ok_or(EndCause::Forbidden)?;
        if !self.is_credible(settings, invite) {
            return Err(EndCause::Forbidden);
        }
        let caller = self.caller_of(settings, invite);
        let dialled = self.dialled_by(settings, invite);
        let did = dialled.iter().find_map(|number| {
            let Did::Internal(rings) = self.trunks.plan.dids.get(number)?;
            Some((number.clone(), self.directory.route(rings)))
        });
        let (dialled, led) = match did {
            Some((number, destination)) => {
                let destination = destination.ok_or(EndCause::UnknownNumber)?;
                (number, Led { destination, outward: None })
            }
            None => {
                // what is none of our numbers goes only where a route lets this trunk's callers
                let number = dialled.into_iter().next().ok_or(EndCause::UnknownNumber)?;
                let led = self.lead_out(&number, trunk, now)?;
                (number, led)
            }
        };
        let codecs = self.codecs_of(invite)?;
        self.has_room()?;
        if !self.trunk_has_room(trunk, now) {
            return Err(EndCause::Overloaded);
        }
        let hops = Some(invite.max_forwards);
        Ok(NewCall { caller, dialled, led, codecs, variables: BTreeMap::new(), hops })
    }

    /// Whether a call is the trunk's. By UDP anybody can write its address: there it takes the operator's word that
    /// this is enough, or that the call goes to the account that we have registered.
    pub(crate) fn is_credible(&self, trunk: &Trunk, invite: &InboundInvite) -> bool {
        let by_udp = self.ways.get(&invite.flow).is_some_and(|way| way.transport == Transport::Udp);
        let registered =
            trunk.registers.as_ref().is_some_and(|registers| registers.user == invite.request_user);
        !by_udp || registered || matches!(trunk.identify, Identify::Address { .. })
    }

    /// The numbers that a trunk may mean, in canonical form. One that registers us may call our account, and says
    /// only in `To` which number was dialled.
    fn dialled_by(&self, trunk: &Trunk, invite: &InboundInvite) -> Vec<PhoneNumber> {
        let numbering = &self.trunks.plan.numbering;
        let users = [&invite.request_user, &invite.to_user];
        users.into_iter().filter_map(|user| trunk.format.read(user, numbering)).collect()
    }

    /// Who calls: by what the trunk asserts where it is trusted (RFC 3325), else by `From` as the caller wrote it.
    /// Of an untrusted one nothing else is read, so that nothing of it goes further.
    fn caller_of(&self, trunk: &Trunk, invite: &InboundInvite) -> Caller {
        let numbering = &self.trunks.plan.numbering;
        let asserted = invite.header("P-Asserted-Identity").filter(|_| trunk.trusted);
        let hides = hides(invite);
        let user = asserted.and_then(user_in).unwrap_or(&invite.from_user);
        // an internal number is none that anybody has outside
        let number = trunk.format.read(user, numbering);
        let number = number.filter(|number| !hides && self.directory.route(number).is_none());
        let name = if hides || number.is_none() {
            String::new()
        } else {
            invite.from_name.clone().unwrap_or_default()
        };
        Caller::Outside { number, name }
    }

    fn lead_out(&mut self, number: &PhoneNumber, trunk: TrunkId, now: Instant) -> Result<Led, EndCause> {
        // a line's own number is not to be dialled from outside, where it would only mean that by chance
        if self.directory.route(number).is_some() {
            return Err(EndCause::UnknownNumber);
        }
        self.lead(number, Origin::Trunk(trunk), now)
    }
}

/// Whether the caller does not want to be seen (RFC 3323 §4.2, RFC 3325 §9.3).
pub(crate) fn hides(invite: &InboundInvite) -> bool {
    invite
        .header("Privacy")
        .is_some_and(|privacy| privacy.split(';').any(|what| matches!(what.trim(), "id" | "user" | "header")))
}

/// The user part of the first URI in an address header.
fn user_in(header: &str) -> Option<&str> {
    let first = header.split_once('<').map_or(header, |(_, rest)| rest);
    let (scheme, rest) = first.split_once(':')?;
    match scheme.trim().to_ascii_lowercase().as_str() {
        "sip" | "sips" => rest.split_once('@').map(|(user, _)| user),
        "tel" => rest.split(['>', ';']).next(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_an_asserted_identity_is_read() {
        for (header, user) in [
            ("\"Anna\" <sip:+33144500210@carrier.example;user=phone>", Some("+33144500210")),
            ("<tel:+33144500210>, <sip:x@y>", Some("+33144500210")),
            ("tel:+33144500210;x=1", Some("+33144500210")),
            ("<sip:carrier.example>", None),
            ("nonsense", None),
        ] {
            assert_eq!(user_in(header), user, "{header}");
        }
    }
}
