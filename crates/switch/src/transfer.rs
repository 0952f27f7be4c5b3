//! One party leaves and the others go on: blind and attended transfer, by CTI and by REFER (RFC 3515, RFC 3891,
//! RFC 5589).

use media::Sound;
use model::{CallId, EndCause, LegId, PhoneNumber, UserId};
use timing::{Deadline, Instant};

use crate::call::{Began, Call, Party, Phase, Side};
use crate::command::{PhoneAct, Refusal};
use crate::directory::Destination;
use crate::fact::{CallBegan, CallDirection, Fact, PhoneFactKind};
use crate::outward::Led;
use crate::switch::{Switch, Timer};

/// A party that has been taken out of a call, with its legs.
struct Lifted {
    party: Party,
    legs: Vec<LegId>,
}

/// A call and the side of it that its user is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub call: CallId,
    pub side: Side,
}

impl Switch {
    /// Sends the other party of the user's current call to a number; the user is out of it at once.
    pub(crate) fn direct_transfer(
        &mut self,
        user: UserId,
        number: &PhoneNumber,
        now: Instant,
    ) -> Result<(), Refusal> {
        let part = self.current(user)?;
        self.may_transfer(part, number, now)?;
        self.transfer_to(part, number, now);
        Ok(())
    }

    /// Keeps the other party waiting and calls another number from the user's own phone.
    pub(crate) fn consult(&mut self, user: UserId, number: PhoneNumber, now: Instant) -> Result<(), Refusal> {
        let part = self.current(user)?;
        if self.consultation_of(part.call).is_some() {
            return Err(Refusal::TooManyCalls);
        }
        let variables = self.calls.get(&part.call).map(|call| call.variables.clone()).unwrap_or_default();
        let leg = self.calls.get(&part.call).and_then(|call| call.leg_of(part.side));
        let flow = leg.and_then(|leg| self.legs.get(&leg)).map(|leg| leg.flow);
        let consultation = self.dial(user, number, variables, flow, now)?;
        if let Some(call) = self.calls.get_mut(&consultation) {
            call.consults = Some(part.call);
        }
        self.park(part.call, part.side, true);
        Ok(())
    }

    /// Joins the two other parties of the user's two calls; the user is out of both.
    pub(crate) fn complete_transfer(&mut self, user: UserId, now: Instant) -> Result<(), Refusal> {
        let (waiting, asked) = self.two_calls(user)?;
        self.may_join(waiting, asked)?;
        self.join(waiting, asked, now);
        Ok(())
    }

    /// Ends the consultation, and gives the waiting party back to the user.
    pub(crate) fn cancel_transfer(&mut self, user: UserId, now: Instant) -> Result<(), Refusal> {
        let (waiting, asked) = self.two_calls(user)?;
        self.hang_up(asked.call, asked.side, now);
        self.park(waiting.call, waiting.side, false);
        self.ask_phone_to_resume(user, waiting);
        Ok(())
    }

    /// Makes one conversation of the user's two calls.
    pub(crate) fn merge(&mut self, user: UserId) -> Result<(), Refusal> {
        let (waiting, asked) = self.two_calls(user)?;
        self.may_join(waiting, asked)?;
        if self.calls.get(&asked.call).is_none_or(|call| call.phase != Phase::Talking) {
            return Err(Refusal::NoSuchCall);
        }
        for (part, other) in [(waiting, asked), (asked, waiting)] {
            if let Some(call) = self.calls.get_mut(&part.call) {
                call.merged = Some(other.call);
            }
        }
        for part in [waiting, asked] {
            self.park(part.call, part.side, false);
            self.tell_talking(part.call, part.side);
        }
        self.mix_sound(waiting.call, asked.call);
        Ok(())
    }

    /// A call has ended that was half of a conference, or a question about another call.
    pub(crate) fn leave_behind(&mut self, ended: &Call) {
        if let Some(other) = ended.merged
            && let Some(call) = self.calls.get_mut(&other)
        {
            call.merged = None;
            self.join_sound(other);
            for side in [Side::Caller, Side::Callee] {
                let user = self.calls.get(&other).and_then(|call| call.party(side).user);
                if let Some(user) = user.filter(|user| ended.has(*user)) {
                    self.tell_talking(other, side);
                    self.ask_phone_to_resume(user, Part { call: other, side });
                }
            }
        }
        if let Some(waiting) = ended.consults
            && let Some(side) = ended.caller.user.and_then(|user| self.calls.get(&waiting)?.side_of(user))
        {
            self.park(waiting, side, false);
        }
    }

    /// All three of a conference hear each other. The user is heard by one of his two legs, lest he comes twice.
    pub(crate) fn mix_sound(&mut self, one: CallId, other: CallId) {
        let (Some(a), Some(b)) = (self.calls.get(&one), self.calls.get(&other)) else { return };
        let shared = [Side::Caller, Side::Callee].into_iter().find_map(|side| {
            let user = a.party(side).user?;
            Some((side, b.side_of(user)?))
        });
        let Some((of_a, of_b)) = shared else { return };
        let own = [a.leg_of(of_a), b.leg_of(of_b)].into_iter().flatten();
        let speaks = own.clone().find(|leg| !self.holds(*leg)).or(own.clone().next());
        let others = [a.leg_of(of_a.other()), b.leg_of(of_b.other())].into_iter().flatten();
        let legs: Vec<media::LegId> = others.chain(speaks).map(|leg| media::LegId(leg.0)).collect();
        let silent = own.filter(|leg| Some(*leg) != speaks).collect::<Vec<_>>();
        for leg in silent {
            self.order(one, media::Order::Unbridge { leg: media::LegId(leg.0) });
        }
        self.order(one, media::Order::Mix { legs });
    }

    /// Whether a party may send the other one to that number.
    pub(crate) fn may_transfer(
        &mut self,
        part: Part,
        number: &PhoneNumber,
        now: Instant,
    ) -> Result<(), Refusal> {
        let call = self.calls.get(&part.call).ok_or(Refusal::NoSuchCall)?;
        if call.phase != Phase::Talking || call.merged.is_some() || call.leg_of(part.side.other()).is_none() {
            return Err(Refusal::NoSuchCall);
        }
        let sender = call.party(part.side).account.clone();
        let origin = self.origin_of(part.call, sender.as_ref()).ok_or(Refusal::NoSuchCall)?;
        self.lead_on(number, origin, now).map(|_| ()).map_err(Refusal::of)
    }

    /// Whether the other parties of these two calls of one user can be joined.
    pub(crate) fn may_join(&self, waiting: Part, asked: Part) -> Result<(), Refusal> {
        let (Some(a), Some(b)) = (self.calls.get(&waiting.call), self.calls.get(&asked.call)) else {
            return Err(Refusal::NoSuchCall);
        };
        let rings = b.phase == Phase::Ringing && asked.side == Side::Caller;
        let good = a.phase == Phase::Talking && (b.phase == Phase::Talking || rings);
        let there = a.leg_of(waiting.side.other()).is_some() && b.leg_of(asked.side.other()).is_some();
        if !good || !there || a.merged.is_some() || b.merged.is_some() {
            return Err(Refusal::NoSuchCall);
        }
        // the legs of one conversation live on one media worker
        if a.home != b.home { Err(Refusal::CannotJoin) } else { Ok(()) }
    }

    /// Blind transfer: the other party calls that number now, and hears that it rings.
    pub(crate) fn transfer_to(&mut self, part: Part, number: &PhoneNumber, now: Instant) {
        let Some(old) = self.calls.get(&part.call) else { return };
        let sender = old.party(part.side).account.clone();
        let Some(origin) = self.origin_of(part.call, sender.as_ref()) else { return };
        let Ok(Led { destination, outward }) = self.lead_on(number, origin, now) else { return };
        let id = self.new_call_id();
        let Some(lifted) = self.lift(part, id, Side::Caller) else { return };
        let Some(old) = self.calls.get(&part.call) else { return };
        let recall = old.party(part.side).account.clone();
        let linked_id = old.linked_id.clone();
        let channel = self.new_channel_id(now);
        let callee = self.callee(&destination, number, linked_id, channel);
        let new =
            NewPair { caller: lifted, callee, branches: Vec::new(), destination, phase: Phase::Ringing };
        self.pair(id, part.call, new, now);
        if let Some(call) = self.calls.get_mut(&id) {
            call.payer.clone_from(&recall);
            call.recall = recall;
        }
        self.set_outward(id, outward, now);
        self.end_call(part.call, EndCause::Normal, now);
        self.place(id, now);
    }

    /// The other parties of two calls of one user talk to each other, or will when the second has answered.
    pub(crate) fn join(&mut self, waiting: Part, asked: Part, now: Instant) {
        let id = self.new_call_id();
        let Some(b) = self.calls.get(&asked.call) else { return };
        let (phase, destination, payer) = (b.phase, b.destination.clone(), b.payer.clone());
        let recall = b.party(asked.side).account.clone();
        let Some(caller) = self.lift(waiting, id, Side::Caller) else { return };
        let Some(callee) = self.lift(asked, id, Side::Callee) else { return };
        let branches = callee.legs;
        let new = NewPair { caller, callee: callee.party, branches, destination, phase };
        self.pair(id, waiting.call, new, now);
        let called = asked.side == Side::Caller;
        if called {
            self.hand_over_way(asked.call, id, now)
        } else {
            self.hand_over_tolls(asked.call, id, now)
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.payer = payer;
            call.recall = recall.filter(|_| phase == Phase::Ringing);
        }
        self.end_call(waiting.call, EndCause::Normal, now);
        self.end_call(asked.call, EndCause::Normal, now);
        if phase == Phase::Talking {
            self.facts.push_back(Fact::CallAnswered { call: id });
            self.join_sound(id);
            for side in [Side::Caller, Side::Callee] {
                self.tell_talking(id, side);
                self.tell_identity(id, side, now);
            }
        } else {
            self.tell(id, Side::Callee, PhoneFactKind::Ringing);
            self.wait_for_answer(id, now);
        }
    }

    /// A caller whose phone is up waits for somebody to answer.
    pub(crate) fn wait_for_answer(&mut self, id: CallId, now: Instant) {
        let deadline = Deadline::new(now + self.config.ring_time, "no answer");
        self.timers.set(Timer::NoAnswer(id), deadline);
        let Some(leg) = self.calls.get(&id).map(|call| call.caller_leg) else { return };
        if self.legs.get(&leg).is_some_and(|leg| leg.state.hears()) {
            self.let_hear(id, leg, Sound::Ringback);
        }
    }

    /// Takes the party opposite to `part` out of its call, and its legs into the call `into`.
    fn lift(&mut self, part: Part, into: CallId, side: Side) -> Option<Lifted> {
        let call = self.calls.get_mut(&part.call)?;
        let legs = match part.side.other() {
            Side::Caller => vec![call.caller_leg],
            Side::Callee => std::mem::take(&mut call.branches),
        };
        let party = call.party_mut(part.side.other());
        // what stays behind is for the record; nobody is told that it ended
        let ghost = Party { told: None, sip_call_id: None, ..party.clone() };
        let party = std::mem::replace(party, ghost);
        for leg in &legs {
            let leg = self.legs.get_mut(leg)?;
            (leg.call, leg.side) = (into, side);
            leg.parked = false;
        }
        self.timers.cancel(&Timer::NoAnswer(part.call));
        Some(Lifted { party, legs })
    }

    /// Makes a call of parties that were in another one.
    fn pair(&mut self, id: CallId, old_id: CallId, new: NewPair, now: Instant) {
        let Some(old) = self.calls.get(&old_id) else { return };
        let NewPair { caller, callee, branches, destination, phase } = new;
        let Some(caller_leg) = caller.legs.first().copied() else { return };
        let (linked_id, caller) = (old.linked_id.clone(), caller.party);
        let began = Began { id, linked_id, phase, destination, caller, callee, caller_leg };
        let call = Call {
            answered_at: (phase == Phase::Talking).then_some(now),
            branches,
            codecs: old.codecs.clone(),
            variables: old.variables.clone(),
            home: old.home,
            hops: old.hops,
            is_other: true,
            ..Call::new(began, now)
        };
        self.begin(call);
        self.hand_over_tolls(old_id, id, now);
    }

    /// Takes a call in, and tells that it has begun.
    pub(crate) fn begin(&mut self, call: Call) {
        self.facts.push_back(Fact::CallBegan(CallBegan {
            call: call.id,
            linked_id: call.linked_id.clone(),
            caller: call.caller.info(),
            callee: call.callee.info(),
        }));
        self.calls.insert(call.id, call);
    }

    /// Whom a number leads to, as the callee of a call.
    pub(crate) fn callee(
        &self,
        destination: &Destination,
        number: &PhoneNumber,
        linked_id: String,
        channel: String,
    ) -> Party {
        match destination {
            Destination::Line(account) => match self.directory.line(account) {
                Some(line) => Party::of_line(line, linked_id, channel, CallDirection::Incoming),
                None => Party::service(number.clone(), "", linked_id, channel),
            },
            Destination::Echo => Party::service(number.clone(), "Echo test", linked_id, channel),
            Destination::Feature(_) => Party::service(number.clone(), "", linked_id, channel),
            Destination::Outside(number) => {
                Party::outside(Some(number.clone()), "", linked_id, channel, CallDirection::Incoming)
            }
        }
    }

    /// The call in which the user talks or that he holds, of which there must be one alone to be meant.
    fn current(&self, user: UserId) -> Result<Part, Refusal> {
        let fits = |told| matches!(told, PhoneFactKind::Established | PhoneFactKind::OnHold);
        let (call, side) = self.find(user, None, fits)?;
        Ok(Part { call, side })
    }

    /// The call that asks about another one.
    fn consultation_of(&self, call: CallId) -> Option<CallId> {
        self.calls.values().find(|other| other.consults == Some(call)).map(|other| other.id)
    }

    /// The user's two calls: the one that waits and the one that was made or taken meanwhile.
    fn two_calls(&self, user: UserId) -> Result<(Part, Part), Refusal> {
        let own = self.calls.values().filter_map(|call| {
            let side = call.side_of(user)?;
            call.party(side).is_live().then_some(Part { call: call.id, side })
        });
        let own: Vec<Part> = own.collect();
        let consulting = own.iter().find_map(|part| {
            let waiting = self.calls.get(&part.call)?.consults?;
            Some((*own.iter().find(|other| other.call == waiting)?, *part))
        });
        if let Some(pair) = consulting {
            return Ok(pair);
        }
        let waits = |part: &&Part| {
            let call = self.calls.get(&part.call);
            call.and_then(|call| call.leg_of(part.side)).is_some_and(|leg| self.holds(leg))
        };
        let [first, second] = own.as_slice() else { return Err(Refusal::NoSuchCall) };
        match (waits(&first), waits(&second)) {
            (false, true) => Ok((*second, *first)),
            _ => Ok((*first, *second)),
        }
    }

    /// Asks a page that holds a call by itself to take it back.
    fn ask_phone_to_resume(&mut self, user: UserId, part: Part) {
        let Some(call) = self.calls.get(&part.call) else { return };
        let leg = call.leg_of(part.side).and_then(|leg| self.legs.get(&leg));
        let Some(leg) = leg.filter(|leg| leg.held && leg.is_page) else { return };
        if let Some(sip_call_id) = leg.sip_call_id.clone() {
            self.facts.push_back(Fact::PhoneAct { user, sip_call_id, act: PhoneAct::ToggleHold });
        }
    }
}

/// What a call of parties from elsewhere begins with.
struct NewPair {
    caller: Lifted,
    callee: Party,
    branches: Vec<LegId>,
    destination: Destination,
    phase: Phase,
}
