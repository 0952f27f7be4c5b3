//! Calls to the outside: who may, by which trunk, and by which next when one fails.

use std::collections::VecDeque;

use media::{Codec, CodecPreference};
use model::{CallId, EndCause, LegId, PhoneNumber};
use sip::{EndedBy, OutboundInvite};
use timing::{Deadline, Duration, Instant};

use crate::call::{Call, Leg, LegState, Phase, Side};
use crate::directory::Destination;
use crate::fact::Fact;
use crate::flows::Offers;
use crate::numbering::{Fare, Outside};
use crate::switch::{Switch, Timer};
use crate::trunk::{
    Asking, Attempt, Did, MOST_REDIRECTS, NotLet, Origin, Shown, Trunk, TrunkId, TrunkStatus, numbers_of,
};

/// A trunk that has said nothing at all to an INVITE by then is given up for the next one. Whoever works answers
/// 100 within 200 ms (RFC 3261 §17.2.1).
const SILENT_FOR: Duration = Duration::from_secs(5);

/// How a call goes to the outside.
#[derive(Clone, Debug)]
pub(crate) struct Outward {
    outside: Outside,
    origin: Origin,
    /// The ways that are left.
    attempts: VecDeque<Attempt>,
    /// The way that is being tried, or was taken.
    taken: Option<Attempt>,
    redirects: u8,
    /// How many hops the caller has left it.
    hops: Option<u8>,
    /// Why the ways so far did not do.
    failed: Option<EndCause>,
}

impl Outward {
    /// Whether nothing may stand in its way.
    pub fn is_emergency(&self) -> bool {
        self.outside.fare == Fare::Emergency
    }

    /// How long it may last.
    pub fn longest(&self) -> Option<Duration> {
        self.taken.as_ref()?.longest
    }
}

impl Switch {
    /// Where a number leads for who dials it.
    ///
    /// # Errors
    /// The cause that refuses the call.
    pub(crate) fn lead(
        &mut self,
        dialled: &PhoneNumber,
        origin: Origin,
        hops: Option<u8>,
        now: Instant,
    ) -> Result<(Destination, Option<Outward>), EndCause> {
        let outside = self.trunks.plan.numbering.outside(dialled);
        let emergency = outside.as_ref().filter(|outside| outside.fare == Fare::Emergency);
        let attempts = |outside: &Outside| self.trunks.plan.attempts(outside, origin);
        let internal = || {
            let destination = self.directory.route(dialled)?;
            let class = Fare::Class(model::CallClass::Internal);
            let may = match origin {
                Origin::User(user) => self.trunks.plan.rights_of(user).allow(class),
                Origin::Trunk(_) => true,
            };
            Some(if may { Ok((destination, None)) } else { Err(EndCause::Forbidden) })
        };
        let (outside, attempts) = match emergency.map(|outside| (outside.clone(), attempts(outside))) {
            Some((outside, attempts)) if !attempts.is_empty() => (outside, attempts),
            _ => match internal() {
                Some(led) => return led,
                None => {
                    let outside = outside.ok_or(EndCause::UnknownNumber)?;
                    let attempts = attempts(&outside);
                    (outside, attempts)
                }
            },
        };
        if let Err(why) = self.let_out(&outside, &attempts, origin, now) {
            if let (Origin::User(user), true) = (origin, why != NotLet::NoRoute) {
                self.facts.push_back(Fact::NotLetOut { user, why });
            }
            return Err(if why == NotLet::NoRoute { EndCause::UnknownNumber } else { EndCause::Forbidden });
        }
        let outward = Outward {
            outside: outside.clone(),
            origin,
            attempts: attempts.into(),
            taken: None,
            redirects: 0,
            hops,
            failed: None,
        };
        Ok((Destination::Outside(outside.number), Some(outward)))
    }

    fn let_out(
        &mut self,
        outside: &Outside,
        attempts: &[Attempt],
        origin: Origin,
        now: Instant,
    ) -> Result<(), NotLet> {
        let plan = &self.trunks.plan;
        if let Origin::User(user) = origin {
            if !plan.rights_of(user).allow(outside.fare) {
                return Err(NotLet::NoLeave);
            }
            if outside.fare != Fare::Emergency && !attempts.is_empty() {
                let meter = self.trunks.users.entry(user).or_default();
                meter.check(&plan.limits, now).map_err(NotLet::Limited)?;
            }
        }
        if attempts.is_empty() { Err(NotLet::NoRoute) } else { Ok(()) }
    }

    /// A call has begun: it counts for its user.
    pub(crate) fn count_outward(&mut self, id: CallId, now: Instant) {
        let Some(outward) = self.calls.get(&id).and_then(|call| call.outward.as_ref()) else { return };
        if let Origin::User(user) = outward.origin {
            let limits = self.trunks.plan.limits;
            self.trunks.users.entry(user).or_default().begin(id, &limits, now);
        }
    }

    /// A call is over: it counts no more among those that run.
    pub(crate) fn count_end(&mut self, id: CallId, call: &Call) {
        if let Some(Outward { origin: Origin::User(user), .. }) = call.outward
            && let Some(meter) = self.trunks.users.get_mut(&user)
        {
            meter.end(id);
        }
        for standing in self.trunks.standing.values_mut() {
            standing.meter.end(id);
        }
    }

    /// A call takes a place on a trunk.
    pub(crate) fn occupy_trunk(&mut self, trunk: TrunkId, call: CallId, now: Instant) {
        let limits = self.trunks.plan.trunk(trunk).map(|trunk| trunk.limits).unwrap_or_default();
        if let Some(standing) = self.trunks.standing.get_mut(&trunk) {
            standing.meter.begin(call, &limits, now);
        }
    }

    /// Whether a trunk has a place left.
    pub(crate) fn trunk_has_room(&mut self, trunk: TrunkId, now: Instant) -> bool {
        let limits = self.trunks.plan.trunk(trunk).map(|trunk| trunk.limits).unwrap_or_default();
        let standing = self.trunks.standing.get_mut(&trunk);
        standing.is_some_and(|standing| standing.meter.check(&limits, now).is_ok())
    }

    /// Sends a call by the next trunk that can take it; when there is none, the caller is told why.
    pub(crate) fn try_next_trunk(&mut self, id: CallId, now: Instant) {
        loop {
            let Some(call) = self.calls.get_mut(&id) else { return };
            let Some(outward) = &mut call.outward else { return };
            let emergency = outward.is_emergency();
            let Some(attempt) = outward.attempts.pop_front() else {
                let cause = outward.failed.unwrap_or(EndCause::Overloaded);
                return self.end_call(id, cause, now);
            };
            let Some(codecs) = self.codecs_to(attempt.trunk, id) else {
                self.note_failure(id, EndCause::NotAcceptable);
                continue;
            };
            let Some(flow) = self.trunks.flow(attempt.trunk) else { continue };
            let up = self.trunks.status(attempt.trunk) == TrunkStatus::Up;
            if !emergency && !(up && self.trunk_has_room(attempt.trunk, now)) {
                continue;
            }
            self.occupy_trunk(attempt.trunk, id, now);
            return self.offer_to_trunk(id, attempt, flow, codecs);
        }
    }

    fn note_failure(&mut self, id: CallId, cause: EndCause) {
        if let Some(outward) = self.calls.get_mut(&id).and_then(|call| call.outward.as_mut()) {
            outward.failed = Some(cause);
        }
    }

    /// What to offer a trunk: what both it and the caller have, in the trunk's order.
    fn codecs_to(&self, trunk: TrunkId, id: CallId) -> Option<Vec<Codec>> {
        let trunk = self.trunks.plan.trunk(trunk)?;
        let call = self.calls.get(&id)?;
        let common: Vec<Codec> =
            trunk.codecs.iter().copied().filter(|codec| call.codecs.contains(codec)).collect();
        if common.is_empty() { None } else { Some(common) }
    }

    fn offer_to_trunk(&mut self, id: CallId, attempt: Attempt, flow: sip::FlowId, codecs: Vec<Codec>) {
        let leg = self.new_leg_id();
        let Some(trunk) = self.trunks.plan.trunk(attempt.trunk) else { return };
        let target = format!("sip:{}@{}", attempt.number, trunk.domain);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Ringing;
        call.branches.push(leg);
        let trunk = attempt.trunk;
        if let Some(outward) = &mut call.outward {
            outward.taken = Some(attempt);
        }
        self.legs.insert(leg, Leg::to_trunk(id, trunk, flow, target));
        let style = self.style_on(flow, Offers::Ours);
        let codecs = CodecPreference::Only(codecs);
        self.order(id, media::Order::MakeOffer { leg: media::LegId(leg.0), codecs, style });
    }

    /// Media has made the offer for a trunk.
    pub(crate) fn invite_trunk(&mut self, leg_id: LegId, trunk: TrunkId, sdp: String, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let (Some(call), Some(trunk)) = (self.calls.get(&leg.call), self.trunks.plan.trunk(trunk)) else {
            return;
        };
        let Some(outward) = &call.outward else { return };
        let shown = self.shown_to(trunk, call, outward);
        let mut headers = shown.headers;
        if let Some(hops) = outward.hops {
            headers.push(("Max-Forwards".to_owned(), hops.saturating_sub(1).to_string()));
        }
        let number = outward.taken.as_ref().map(|attempt| attempt.number.clone()).unwrap_or_default();
        let invite = OutboundInvite {
            flow: leg.flow,
            target: leg.target.clone(),
            from_user: shown.user,
            from_name: shown.name,
            from_host: shown.host,
            to_user: number,
            to_host: trunk.domain.clone(),
            sdp,
            auto_answer: false,
            headers,
            credentials: trunk.credentials.clone(),
        };
        self.timers.set(Timer::TrunkSilent(leg_id), Deadline::new(now + SILENT_FOR, "a trunk says nothing"));
        self.send_invite(leg_id, invite, now);
    }

    /// Our own number that rings the caller's line is the one to show, then the line's number.
    fn shown_to(&self, trunk: &Trunk, call: &Call, outward: &Outward) -> Shown {
        let plan = &self.trunks.plan;
        let internal = call.caller.number.as_ref();
        let own = plan.dids.iter().find(|(_, Did::Internal(rings))| Some(rings) == internal);
        let numbers = own.map(|(number, _)| number).into_iter().chain(internal).collect();
        let anonymous = outward.outside.anonymous || internal.is_none();
        let asking = Asking { numbers, name: &call.caller.name, anonymous };
        Shown::to(trunk, &asking, &plan.numbering)
    }

    /// Nothing at all has come from a trunk.
    pub(crate) fn trunk_says_nothing(&mut self, leg_id: LegId, now: Instant) {
        let dialog = self.legs.get(&leg_id).filter(|leg| leg.state == LegState::Inviting).and_then(|leg| leg.dialog);
        if dialog.is_some_and(|dialog| !self.ua.has_response(dialog)) {
            self.trunk_refused(leg_id, &EndedBy::Timeout, now);
        }
    }

    /// A trunk does not take a call: another is tried where that can help, or the number it points to instead.
    /// Says whether the call goes on.
    pub(crate) fn trunk_refused(&mut self, leg_id: LegId, by: &EndedBy, now: Instant) -> bool {
        let Some(leg) = self.legs.get(&leg_id) else { return false };
        let id = leg.call;
        let Some(trunk) = leg.trunk.filter(|_| leg.side == Side::Callee && !leg.state.is_up()) else {
            return false;
        };
        if self.calls.get(&id).is_none_or(|call| call.phase != Phase::Ringing) {
            return false;
        }
        let next = match by {
            EndedBy::Refused { status: 300..=399, contacts, .. } => {
                let contacts = contacts.clone();
                self.redirect(id, &contacts, now)
            }
            EndedBy::Refused { status, .. } => speaks_of_the_trunk(*status),
            EndedBy::Timeout => true,
            _ => false,
        };
        if !next {
            return false;
        }
        let cause = match by {
            EndedBy::Refused { status, .. } if *status >= 400 => EndCause::from_sip_status(*status),
            _ => EndCause::Unavailable,
        };
        self.note_failure(id, cause);
        self.drop_leg(leg_id, cause, now);
        if let Some(standing) = self.trunks.standing.get_mut(&trunk) {
            standing.meter.end(id);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.branches.retain(|branch| *branch != leg_id);
        }
        self.place(id, now);
        true
    }

    /// Follows a redirection as a call of the same origin to that number, which passes the same checks. Says whether
    /// it may be followed.
    fn redirect(&mut self, id: CallId, contacts: &[String], now: Instant) -> bool {
        let Some(outward) = self.calls.get(&id).and_then(|call| call.outward.clone()) else { return false };
        if outward.redirects >= MOST_REDIRECTS {
            return false;
        }
        for number in numbers_of(contacts) {
            // what the trunk calls the number need not be how it is dialled here
            let number = self.trunks.plan.numbering.canonical(number.as_str()).unwrap_or(number);
            let (destination, mut new) = match self.lead(&number, outward.origin, outward.hops, now) {
                Ok(led) => led,
                Err(_) => continue,
            };
            if let Some(new) = &mut new {
                new.redirects = outward.redirects + 1;
                new.outside.anonymous |= outward.outside.anonymous;
            }
            let channel = self.new_channel_id(now);
            let callee = self.party_at(&destination, &number, channel);
            let Some(call) = self.calls.get_mut(&id) else { return false };
            call.callee = callee;
            call.destination = destination;
            call.outward = Some(new.unwrap_or(Outward { redirects: MOST_REDIRECTS, ..outward }));
            return true;
        }
        false
    }
}

/// Whether a refusal says something of the trunk and not of who was called, so that another may do better.
fn speaks_of_the_trunk(status: u16) -> bool {
    matches!(status, 401 | 402 | 407 | 408 | 500..=599)
}

impl Leg {
    /// A leg towards a trunk, before media has made its offer.
    fn to_trunk(call: CallId, trunk: TrunkId, flow: sip::FlowId, target: String) -> Self {
        Leg {
            call,
            side: Side::Callee,
            dialog: None,
            flow,
            target,
            phone: None,
            trunk: Some(trunk),
            sip_call_id: None,
            state: LegState::Offering,
            held: false,
            lost_at: None,
            connected: false,
            offer: None,
            replaces: None,
        }
    }
}
