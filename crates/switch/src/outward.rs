//! Calls to the outside: who may, by which trunk, and by which next when one fails.

use std::collections::VecDeque;

use media::{Codec, CodecPreference};
use model::{CallClass, CallId, EndCause, LegId, PhoneNumber, UserId};
use sip::{EndedBy, FlowId, OutboundInvite};
use timing::{Deadline, Duration, Instant};

use crate::call::{Call, Leg, LegState, Party, Phase, Side};
use crate::directory::Destination;
use crate::fact::Fact;
use crate::features::Feature;
use crate::flows::Offers;
use crate::numbering::{Fare, Outside};
use crate::switch::{Switch, Timer};
use crate::trunk::{Asking, Attempt, Did, NotLet, Origin, Shown, Trunk, TrunkId, TrunkStatus};

/// A trunk that has said nothing at all to an INVITE by then is given up for the next one. Whoever works answers
/// 100 within 200 ms (RFC 3261 §17.2.1).
const SILENT_FOR: Duration = Duration::from_secs(5);
const TIME_LIMIT: &str = "the route's longest time";

/// Where a number leads.
#[derive(Debug)]
pub(crate) struct Led {
    pub destination: Destination,
    pub outward: Option<Outward>,
}

/// How a call goes to the outside.
#[derive(Clone, Debug)]
pub(crate) struct Outward {
    pub outside: Outside,
    origin: Origin,
    /// The ways that are left.
    attempts: VecDeque<Attempt>,
    /// The way that is being tried, or was taken.
    taken: Option<Attempt>,
    /// Why the ways so far did not do.
    failed: Option<EndCause>,
    /// What it counts under for its user, once it does.
    ticket: Option<u64>,
}

/// That a call, or what has become of it, counts for a user, and how long it may last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toll {
    user: UserId,
    ticket: u64,
    until: Option<Instant>,
}

impl Led {
    /// Whether nothing may stand in its way.
    pub fn is_emergency(&self) -> bool {
        self.outward.as_ref().is_some_and(|outward| outward.outside.fare == Fare::Emergency)
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
        now: Instant,
    ) -> Result<Led, EndCause> {
        let outside = self.trunks.plan.numbering.outside(dialled);
        let attempts = |outside: &Outside| self.trunks.plan.attempts(outside, origin);
        let (outside, attempts) = match outside.filter(|outside| outside.fare == Fare::Emergency) {
            Some(help) if !attempts(&help).is_empty() => (help.clone(), attempts(&help)),
            _ => match self.directory.route(dialled) {
                Some(destination) => return self.lead_inside(destination, origin),
                None => {
                    let outside = self.trunks.plan.numbering.outside(dialled);
                    let outside = outside.ok_or(EndCause::UnknownNumber)?;
                    (outside.clone(), attempts(&outside))
                }
            },
        };
        if let Err(why) = self.let_out(&outside, &attempts, origin, now) {
            if why == NotLet::NoRoute {
                return Err(EndCause::UnknownNumber);
            }
            if let Origin::User(user) = origin {
                self.facts.push_back(Fact::NotLetOut { user, why });
            }
            return Err(EndCause::Forbidden);
        }
        let destination = Destination::Outside(outside.number.clone());
        let outward =
            Outward { outside, origin, attempts: attempts.into(), taken: None, failed: None, ticket: None };
        Ok(Led { destination, outward: Some(outward) })
    }

    /// Where a number leads that somebody is sent to by another: codes are for one's own dialling alone, since they
    /// would speak of who is sent, not of who sends him.
    ///
    /// # Errors
    /// The cause that refuses the call.
    pub(crate) fn lead_on(
        &mut self,
        number: &PhoneNumber,
        origin: Origin,
        now: Instant,
    ) -> Result<Led, EndCause> {
        if Feature::dialled(number).is_some() {
            return Err(EndCause::UnknownNumber);
        }
        self.lead(number, origin, now)
    }

    fn lead_inside(&self, destination: Destination, origin: Origin) -> Result<Led, EndCause> {
        let may = match (&destination, origin) {
            // a code speaks of who dials it, and of nobody else
            (Destination::Feature(_), Origin::Trunk(_)) => false,
            (Destination::Line(_), Origin::User(user)) => {
                self.trunks.plan.rights_of(user).allow(Fare::Class(CallClass::Internal))
            }
            _ => true,
        };
        if may { Ok(Led { destination, outward: None }) } else { Err(EndCause::Forbidden) }
    }

    /// Whether a user may have calls sent to that number, as far as it can be said before one comes.
    pub(crate) fn leads_somewhere(&self, user: UserId, number: &PhoneNumber) -> bool {
        let outside = || {
            let outside = self.trunks.plan.numbering.outside(number)?;
            let may = self.trunks.plan.rights_of(user).allow(outside.fare);
            Some(may && !self.trunks.plan.attempts(&outside, Origin::User(user)).is_empty())
        };
        let inside = self.directory.route(number);
        let leads = inside.is_some_and(|destination| !matches!(destination, Destination::Feature(_)));
        leads || outside().unwrap_or(false)
    }

    /// In whose name a call goes on: of this account's user, or of the trunk that brought the caller.
    pub(crate) fn origin_of(&self, id: CallId, account: Option<&String>) -> Option<Origin> {
        if let Some(account) = account {
            return self.directory.line(account).map(|line| Origin::User(line.user));
        }
        let caller = self.calls.get(&id).and_then(|call| self.legs.get(&call.caller_leg));
        caller?.trunk.map(Origin::Trunk)
    }

    fn let_out(
        &mut self,
        outside: &Outside,
        attempts: &[Attempt],
        origin: Origin,
        now: Instant,
    ) -> Result<(), NotLet> {
        let plan = &self.trunks.plan;
        if attempts.is_empty() {
            return Err(NotLet::NoRoute);
        }
        let Origin::User(user) = origin else { return Ok(()) };
        if !plan.rights_of(user).allow(outside.fare) {
            return Err(NotLet::NoLeave);
        }
        if outside.fare == Fare::Emergency {
            return Ok(());
        }
        let meter = self.trunks.users.entry(user).or_default();
        meter.check(&plan.limits, now).map_err(NotLet::Limited)
    }

    /// Sends a call another way than before; what it counted for so far is settled.
    pub(crate) fn set_outward(&mut self, id: CallId, outward: Option<Outward>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let old = call.outward.take().and_then(|outward| outward.ticket);
        let settled: Vec<Toll> = call.tolls.extract_if(.., |toll| Some(toll.ticket) == old).collect();
        call.outward = outward;
        self.settle_tolls(&settled);
        self.take_toll(id, now);
    }

    /// A call to the outside counts for its user from its beginning.
    pub(crate) fn take_toll(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Some(Outward { origin: Origin::User(user), ticket: ticket @ None, .. }) = &mut call.outward
        else {
            return;
        };
        let toll = Toll { user: *user, ticket: self.trunks.new_ticket(), until: None };
        *ticket = Some(toll.ticket);
        call.tolls.push(toll);
        let limits = self.trunks.plan.limits;
        self.trunks.users.entry(toll.user).or_default().begin(toll.ticket, &limits, now);
    }

    /// What is over counts no more among what runs.
    pub(crate) fn settle_tolls(&mut self, tolls: &[Toll]) {
        for toll in tolls {
            if let Some(meter) = self.trunks.users.get_mut(&toll.user) {
                meter.end(toll.ticket);
            }
        }
    }

    /// One call has grown out of another: it counts for the same users, and lasts no longer.
    pub(crate) fn hand_over_tolls(&mut self, from: CallId, to: CallId, now: Instant) {
        let Some(old) = self.calls.get_mut(&from) else { return };
        // how it went out is no matter of the new one: who was called is its caller now
        old.outward = None;
        let tolls = std::mem::take(&mut old.tolls);
        if let Some(new) = self.calls.get_mut(&to) {
            new.tolls.extend(tolls);
        }
        let until = [from, to].into_iter().filter_map(|call| self.timers.deadline(&Timer::TooLong(call)));
        let until = until.map(|deadline| deadline.at).min();
        self.timers.cancel(&Timer::TooLong(from));
        if let Some(until) = until {
            self.timers.set(Timer::TooLong(to), Deadline::new(until.max(now), TIME_LIMIT));
        }
    }

    /// The same where who was called outside is still the one who is called.
    pub(crate) fn hand_over_way(&mut self, from: CallId, to: CallId, now: Instant) {
        let outward = self.calls.get_mut(&from).and_then(|call| call.outward.take());
        self.hand_over_tolls(from, to, now);
        if let Some(new) = self.calls.get_mut(&to) {
            new.outward = outward;
        }
    }

    /// From the answer on a call may last as long as its route says.
    pub(crate) fn limit_time(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(outward) = &call.outward
            && let Some(longest) = outward.taken.as_ref().and_then(|attempt| attempt.longest)
        {
            let own = call.tolls.iter_mut().filter(|toll| Some(toll.ticket) == outward.ticket);
            own.for_each(|toll| toll.until = toll.until.or(Some(now + longest)));
            if outward.ticket.is_none() {
                // a trunk's caller counts for nobody, and has no more time for that
                self.timers.set(Timer::TooLong(id), Deadline::new(now + longest, TIME_LIMIT));
            }
        }
        self.arm_time_limit(id, now);
    }

    fn arm_time_limit(&mut self, id: CallId, now: Instant) {
        let until =
            self.calls.get(&id).and_then(|call| call.tolls.iter().filter_map(|toll| toll.until).min());
        if let Some(until) = until {
            self.timers.set(Timer::TooLong(id), Deadline::new(until.max(now), TIME_LIMIT));
        }
    }

    /// A leg takes a place on a trunk.
    pub(crate) fn enter_trunk(&mut self, trunk: TrunkId, leg: LegId, now: Instant) {
        let limits = self.trunks.plan.trunk(trunk).map(|trunk| trunk.limits).unwrap_or_default();
        if let Some(standing) = self.trunks.standing.get_mut(&trunk) {
            standing.meter.begin(leg.0, &limits, now);
        }
    }

    /// A leg is over, and its place free.
    pub(crate) fn leave_trunk(&mut self, leg_id: LegId, leg: &Leg) {
        let Some(trunk) = leg.trunk else { return };
        self.timers.cancel(&Timer::TrunkSilent(leg_id));
        if let Some(standing) = self.trunks.standing.get_mut(&trunk) {
            standing.meter.end(leg_id.0);
        }
    }

    /// Whether a trunk has a place left.
    pub(crate) fn trunk_has_room(&mut self, trunk: TrunkId, now: Instant) -> bool {
        let limits = self.trunks.plan.trunk(trunk).map(|trunk| trunk.limits).unwrap_or_default();
        let standing = self.trunks.standing.get_mut(&trunk);
        standing.is_some_and(|standing| standing.meter.check(&limits, now).is_ok())
    }

    /// The caller is there: call out.
    pub(crate) fn call_out(&mut self, id: CallId, now: Instant) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.phase = Phase::Ringing;
        }
        self.wait_for_answer(id, now);
        self.try_next_trunk(id, now);
    }

    /// Sends a call by the next trunk that can take it; when there is none, the caller is told why.
    fn try_next_trunk(&mut self, id: CallId, now: Instant) {
        loop {
            let Some(call) = self.calls.get_mut(&id) else { return };
            let Some(outward) = &mut call.outward else { return };
            let emergency = outward.outside.fare == Fare::Emergency;
            let Some(attempt) = outward.attempts.pop_front() else {
                let cause = outward.failed.unwrap_or(EndCause::Overloaded);
                return self.callee_failed(id, cause, now);
            };
            let Some(flow) = self.trunks.flow(attempt.trunk) else { continue };
            let up = self.trunks.status(attempt.trunk) == TrunkStatus::Up;
            if emergency || up && self.trunk_has_room(attempt.trunk, now) {
                return self.offer_to_trunk(id, attempt, flow, now);
            }
        }
    }

    fn note_failure(&mut self, id: CallId, cause: EndCause) {
        if let Some(outward) = self.calls.get_mut(&id).and_then(|call| call.outward.as_mut()) {
            outward.failed = Some(cause);
        }
    }

    /// What to offer a trunk: what the caller has too first, since nothing is transcoded then.
    fn codecs_to(&self, trunk: TrunkId, id: CallId) -> Vec<Codec> {
        let (Some(trunk), Some(call)) = (self.trunks.plan.trunk(trunk), self.calls.get(&id)) else {
            return Vec::new();
        };
        let (mut codecs, others): (Vec<Codec>, Vec<Codec>) =
            trunk.codecs.iter().partition(|codec| call.codecs.contains(codec));
        codecs.extend(others);
        codecs
    }

    fn offer_to_trunk(&mut self, id: CallId, attempt: Attempt, flow: FlowId, now: Instant) {
        let leg = self.new_leg_id();
        let Some(trunk) = self.trunks.plan.trunk(attempt.trunk) else { return };
        let target = format!("sip:{}@{}", attempt.number, trunk.domain);
        let (trunk, codecs) = (attempt.trunk, self.codecs_to(attempt.trunk, id));
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.branches.push(leg);
        if let Some(outward) = &mut call.outward {
            outward.taken = Some(attempt);
        }
        self.enter_trunk(trunk, leg, now);
        let new = self.new_leg(id, Side::Callee, flow, LegState::Offering);
        self.legs.insert(leg, Leg { target, trunk: Some(trunk), ..new });
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
        let headers = [shown.headers, call.hops_left()].concat();
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
        let internal = call.caller.number.as_ref();
        let anonymous = outward.outside.anonymous || internal.is_none();
        self.shown_as(trunk, &call.caller, anonymous)
    }

    /// A party as a trunk is to see it.
    fn shown_as(&self, trunk: &Trunk, party: &Party, anonymous: bool) -> Shown {
        let plan = &self.trunks.plan;
        let internal = party.number.as_ref();
        let rings =
            |(_, did): &(&PhoneNumber, &Did)| matches!(did, Did::Internal(rings) if Some(rings) == internal);
        let own = plan.dids.iter().find(|did| !party.is_outside && rings(did));
        let numbers = own.map(|(number, _)| number).into_iter().chain(internal).collect();
        let asking = Asking { numbers, name: &party.name, anonymous };
        Shown::to(trunk, &asking, &plan.numbering)
    }

    /// What a trunk may be told of whom it is connected with now: nothing, unless we trust it with that and the
    /// other is one of ours who does not hide (RFC 3325 §9.1).
    pub(crate) fn connected_for_trunk(
        &self,
        trunk: TrunkId,
        call: &Call,
        other: &Party,
    ) -> Vec<(String, String)> {
        let hides = call.outward.as_ref().is_some_and(|outward| outward.outside.anonymous);
        let trunk =
            self.trunks.plan.trunk(trunk).filter(|trunk| trunk.trusted && !hides && !other.is_outside);
        trunk.map_or_else(Vec::new, |trunk| self.shown_as(trunk, other, false).headers)
    }

    /// Nothing at all has come from a trunk.
    pub(crate) fn trunk_says_nothing(&mut self, leg_id: LegId, now: Instant) {
        let dialog =
            self.legs.get(&leg_id).filter(|leg| leg.state == LegState::Inviting).and_then(|leg| leg.dialog);
        if dialog.is_some_and(|dialog| !self.ua.has_response(dialog)) {
            self.trunk_refused(leg_id, &EndedBy::Timeout, now);
        }
    }

    /// A trunk does not take a call: the next one is tried where that can help. Says whether the call goes on.
    pub(crate) fn trunk_refused(&mut self, leg_id: LegId, by: &EndedBy, now: Instant) -> bool {
        let Some(leg) = self.legs.get(&leg_id) else { return false };
        let id = leg.call;
        if let (Some(trunk), EndedBy::Refused { status: status @ (401 | 407), .. }) = (leg.trunk, by) {
            self.facts.push_back(Fact::TrunkRefusedUs { trunk, status: Some(*status) });
        }
        let outward = self.calls.get(&id).and_then(|call| call.outward.as_ref());
        let is_emergency = outward.is_some_and(|outward| outward.outside.fare == Fare::Emergency);
        let tried = leg.trunk.is_some() && leg.side == Side::Callee && !leg.state.is_up();
        let may_help = match by {
            // for help everybody is asked, unless somebody there is busy with it
            EndedBy::Refused { status, .. } if is_emergency => !matches!(status, 486 | 600),
            EndedBy::Refused { status, .. } => speaks_of_the_trunk(*status),
            EndedBy::Timeout => true,
            _ => false,
        };
        let rings =
            self.calls.get(&id).is_some_and(|call| call.phase == Phase::Ringing && call.outward.is_some());
        if !(tried && may_help && rings) {
            return false;
        }
        let cause = match by {
            EndedBy::Refused { status, .. } => EndCause::from_sip_status(*status),
            _ => EndCause::Unavailable,
        };
        self.note_failure(id, cause);
        self.drop_leg(leg_id, cause, now);
        if let Some(call) = self.calls.get_mut(&id) {
            call.branches.retain(|branch| *branch != leg_id);
        }
        self.try_next_trunk(id, now);
        true
    }
}

/// Whether a refusal says something of the trunk and not of who was called, so that another may do better.
fn speaks_of_the_trunk(status: u16) -> bool {
    matches!(status, 401 | 402 | 407 | 408 | 500..=599)
}
