//! What phones ask for by REFER (RFC 3515) and by INVITE with Replaces (RFC 3891).

use model::{EndCause, PhoneNumber, UserId};
use sip::{DialogId, InboundInvite, ReferId, Replaces};
use timing::Instant;

use crate::call::{Leg, LegState};
use crate::command::Refusal;
use crate::proving::Proven;
use crate::switch::Switch;
use crate::transfer::Part;
use crate::trunk::TrunkId;

/// Who asks to take the place of another in a call.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Phone(&'a Proven),
    Trunk(TrunkId),
}

impl Switch {
    /// A phone wants the other party to call somebody, or to talk to the other party of its second call.
    ///
    /// Only users of ours may; a customer's REFER would let him call on our account.
    pub(crate) fn referred(
        &mut self,
        dialog: DialogId,
        refer: ReferId,
        target_user: &str,
        replaces: Option<&Replaces>,
        now: Instant,
    ) {
        let Some((part, user)) = self.part_of(dialog) else {
            return self.ua.refuse_refer(dialog, refer, EndCause::Declined.sip_status(), now);
        };
        match replaces {
            Some(replaces) => {
                let other = self.ua.dialog_by(replaces).and_then(|other| self.part_of(other));
                let Some((asked, _)) = other.filter(|(asked, owner)| *owner == user && *asked != part) else {
                    return self.ua.refuse_refer(dialog, refer, EndCause::Forbidden.sip_status(), now);
                };
                if let Err(refusal) = self.may_join(part, asked) {
                    return self.ua.refuse_refer(dialog, refer, status_of(refusal), now);
                }
                self.take_on(dialog, refer, now);
                self.join(part, asked, now);
            }
            None => {
                let number = target_user.parse::<PhoneNumber>().map_err(|_| Refusal::UnknownNumber);
                let number =
                    match number.and_then(|number| self.may_transfer(part, &number, now).map(|()| number)) {
                        Ok(number) => number,
                        Err(refusal) => return self.ua.refuse_refer(dialog, refer, status_of(refusal), now),
                    };
                self.take_on(dialog, refer, now);
                self.transfer_to(part, &number, now);
            }
        }
    }

    /// From here on the transfer is ours: the phone is told that it is done, and is out of the call.
    fn take_on(&mut self, dialog: DialogId, refer: ReferId, now: Instant) {
        self.ua.accept_refer(dialog, refer, now);
        self.ua.notify_refer(dialog, refer, 200, now);
    }

    /// The call of a dialog, and the user of ours whose phone speaks in it.
    fn part_of(&self, dialog: DialogId) -> Option<(Part, UserId)> {
        let leg = self.legs.get(&self.leg_of_dialog(dialog)?)?;
        let user = self.calls.get(&leg.call)?.party(leg.side).user?;
        Some((Part { call: leg.call, side: leg.side }, user))
    }

    /// An INVITE with Replaces (RFC 3891).
    pub(crate) fn replace_on_request(
        &mut self,
        invite: InboundInvite,
        by: By<'_>,
        replaces: &Replaces,
        now: Instant,
    ) {
        let dialog = invite.dialog;
        if let Err(cause) = self.replace_by(invite, by, replaces, now) {
            let status = if cause == EndCause::UnknownNumber { 481 } else { cause.sip_status() };
            self.ua.refuse(dialog, status, None, now);
        }
    }

    /// A phone wants to take the place of another in a call: one that rings, or one of its own user. An exchange
    /// wants one of its own calls to go on with another party there.
    fn replace_by(
        &mut self,
        invite: InboundInvite,
        by: By<'_>,
        replaces: &Replaces,
        now: Instant,
    ) -> Result<(), EndCause> {
        let old = self.ua.dialog_by(replaces).and_then(|dialog| self.leg_of_dialog(dialog));
        let leg = old.and_then(|old| self.legs.get(&old)).ok_or(EndCause::UnknownNumber)?;
        let (old, call, side) = (old.ok_or(EndCause::UnknownNumber)?, leg.call, leg.side);
        let (phone, trunk) = match by {
            By::Phone(proven) => {
                if leg.state == LegState::Inviting {
                    return self.pick_up(&invite, proven, call, now);
                }
                let owner = self.calls.get(&call).and_then(|call| call.party(side).account.as_deref());
                if !replaces.early_only && owner != Some(&proven.account) {
                    return Err(EndCause::Forbidden);
                }
                (self.phone_on(invite.flow, proven), None)
            }
            By::Trunk(trunk) => {
                let settings = self.trunks.plan.trunk(trunk).ok_or(EndCause::Forbidden)?;
                if leg.trunk != Some(trunk) || leg.state == LegState::Inviting {
                    return Err(EndCause::UnknownNumber);
                }
                if !self.is_credible(settings, &invite) {
                    return Err(EndCause::Forbidden);
                }
                (None, Some(trunk))
            }
        };
        if replaces.early_only {
            return Err(EndCause::Busy);
        }
        if !leg.state.is_up() {
            return Err(EndCause::Forbidden);
        }
        self.codecs_of(&invite)?;
        let leg_id = self.new_leg_id();
        self.dialogs.insert(invite.dialog, leg_id);
        if let Some(trunk) = trunk {
            self.enter_trunk(trunk, leg_id, now);
        }
        let leg = Leg { phone, trunk, replaces: Some(old), ..self.incoming_leg(call, side, &invite) };
        self.legs.insert(leg_id, leg);
        self.answer_leg(leg_id);
        Ok(())
    }
}

/// How a REFER is refused.
fn status_of(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::UnknownNumber => EndCause::UnknownNumber.sip_status(),
        Refusal::NoRoom => EndCause::Overloaded.sip_status(),
        Refusal::NoSuchCall => 481,
        _ => EndCause::Forbidden.sip_status(),
    }
}
