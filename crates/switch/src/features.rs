//! What one can dial to change how one is called, and to take a call that rings elsewhere.

use media::Codec;
use model::{CallId, EndCause, Forward, LegId, PhoneNumber, UserId, UserServices};
use sip::InboundInvite;
use timing::{Deadline, Duration, Instant};

use crate::call::{Call, Leg, Party, Phase, Side};
use crate::command::{Refusal, ServiceChange};
use crate::fact::{CallDirection, Fact};
use crate::proving::Proven;
use crate::setup::MOST_CALLS_OF_A_LINE;
use crate::switch::{Switch, Timer};

/// What a number that begins with a star asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feature {
    /// `*20`: no forward is in force any more.
    ForwardNothing,
    /// `*21`: the unconditional forward, on to that number, or else on and off by turns.
    ForwardAll(Option<PhoneNumber>),
    /// `*22`: the same when nobody answers.
    ForwardNoAnswer(Option<PhoneNumber>),
    /// `*23`: the same when busy.
    ForwardBusy(Option<PhoneNumber>),
    /// `*25`: do not disturb, on and off by turns.
    DoNotDisturb,
    /// `*43`: call waiting, on and off by turns.
    CallWaiting,
    /// `*8` and a number: takes the call that rings there.
    Pickup(PhoneNumber),
}

/// How long the tone lasts that says that it is done.
const CONFIRMED_FOR: Duration = Duration::from_secs(2);

impl Feature {
    /// What a dialled number asks for.
    pub fn dialled(number: &PhoneNumber) -> Option<Feature> {
        let text = number.as_str();
        let (code, rest) = text.split_at_checked(3)?;
        let target = || if rest.is_empty() { Some(None) } else { rest.parse().ok().map(Some) };
        match code {
            "*20" if rest.is_empty() => Some(Feature::ForwardNothing),
            "*21" => target().map(Feature::ForwardAll),
            "*22" => target().map(Feature::ForwardNoAnswer),
            "*23" => target().map(Feature::ForwardBusy),
            "*25" if rest.is_empty() => Some(Feature::DoNotDisturb),
            "*43" if rest.is_empty() => Some(Feature::CallWaiting),
            _ => text.strip_prefix("*8").and_then(|number| number.parse().ok()).map(Feature::Pickup),
        }
    }
}

impl Switch {
    /// What users have chosen, as it was kept.
    pub fn set_services(&mut self, services: impl IntoIterator<Item = (UserId, UserServices)>) {
        self.services = services.into_iter().collect();
    }

    /// A user chooses what happens to his calls.
    pub(crate) fn change_services(&mut self, user: UserId, change: ServiceChange) -> Result<(), Refusal> {
        let line = self.directory.line_of(user).ok_or(Refusal::NoLine)?.clone();
        let forward = match &change {
            ServiceChange::Unconditional(forward)
            | ServiceChange::Busy(forward)
            | ServiceChange::NoAnswer(forward) => Some(forward),
            ServiceChange::DoNotDisturb(_) | ServiceChange::CallWaiting(_) => None,
        };
        if let Some(target) = forward.and_then(Forward::target) {
            if *target == line.number {
                return Err(Refusal::OwnNumber);
            }
            if !self.leads_somewhere(user, target) {
                return Err(Refusal::UnknownNumber);
            }
        }
        if forward.is_some_and(|forward| forward.enabled && forward.destination.is_none()) {
            return Err(Refusal::UnknownNumber);
        }
        let services = self.services.entry(user).or_default();
        match change {
            ServiceChange::DoNotDisturb(on) => services.do_not_disturb = on,
            ServiceChange::CallWaiting(on) => services.call_waiting = on,
            ServiceChange::Unconditional(forward) => services.unconditional = forward,
            ServiceChange::Busy(forward) => services.busy = forward,
            ServiceChange::NoAnswer(forward) => services.no_answer = forward,
        }
        let services = services.clone();
        self.facts.push_back(Fact::ServicesChanged { user, services });
        Ok(())
    }

    /// Does what a caller has dialled a code for, and lets him hear that it is done.
    pub(crate) fn use_feature(&mut self, id: CallId, feature: Feature, now: Instant) {
        let dialled = self.calls.get(&id).filter(|call| call.diverted == 0);
        let user = dialled.and_then(|call| call.caller.user);
        if let Feature::Pickup(number) = &feature {
            if let Err(cause) = self.pick_up_with(id, number, now) {
                self.end_call(id, cause, now);
            }
            return;
        }
        let done = user.ok_or(Refusal::NoLine).and_then(|user| {
            let services = self.services.get(&user).cloned().unwrap_or_default();
            for change in changes(feature, services) {
                self.change_services(user, change)?;
            }
            Ok(())
        });
        match done {
            Ok(()) => self.answer_by_service(id, now),
            Err(_) => self.end_call(id, EndCause::UnknownNumber, now),
        }
    }

    /// The caller of a service has heard enough.
    pub(crate) fn end_service_soon(&mut self, id: CallId, now: Instant) {
        self.timers.set(Timer::ServiceOver(id), Deadline::new(now + CONFIRMED_FOR, "confirmed"));
    }

    /// A phone takes the call that rings for another one. The others ring on until its sound is agreed on.
    pub(crate) fn pick_up(
        &mut self,
        invite: &InboundInvite,
        proven: &Proven,
        id: CallId,
        now: Instant,
    ) -> Result<(), EndCause> {
        invite.sdp.as_ref().ok_or(EndCause::NotAcceptable)?;
        self.codecs_of(invite)?;
        self.may_pick_up(id, &proven.account)?;
        if self.calls_of(&proven.account).count() >= MOST_CALLS_OF_A_LINE {
            return Err(EndCause::Busy);
        }
        let leg_id = self.new_leg_id();
        let (phone, picks_up_for) = (self.phone_on(invite.flow, proven), Some(proven.account.clone()));
        let leg = Leg { phone, picks_up_for, ..self.incoming_leg(id, Side::Callee, invite) };
        self.dialogs.insert(invite.dialog, leg_id);
        self.legs.insert(leg_id, leg);
        if let Some(call) = self.calls.get_mut(&id) {
            call.branches.push(leg_id);
        }
        self.timers.set(Timer::NoAnswer(id), Deadline::new(now + self.config.ring_time, "no answer"));
        self.answer_leg(leg_id);
        Ok(())
    }

    /// A user who has dialled the code by command, and whose phone is up, takes the call that rings there.
    fn pick_up_with(&mut self, own: CallId, number: &PhoneNumber, now: Instant) -> Result<(), EndCause> {
        let id = self.ringing_at(number).ok_or(EndCause::UnknownNumber)?;
        let call = self.calls.get(&own).ok_or(EndCause::UnknownNumber)?;
        let account = call.caller.account.clone().ok_or(EndCause::Forbidden)?;
        let (leg_id, home) = (call.caller_leg, call.home);
        let codec = call.codecs.first().copied().ok_or(EndCause::NotAcceptable)?;
        self.may_pick_up(id, &account)?;
        // the legs of one conversation live on one media worker
        if self.calls.get(&id).is_none_or(|call| call.home != home) {
            return Err(EndCause::Unavailable);
        }
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            (leg.call, leg.side, leg.picks_up_for) = (id, Side::Callee, Some(account));
        }
        self.end_call(own, EndCause::Normal, now);
        self.picked_up(leg_id, codec, now);
        Ok(())
    }

    fn may_pick_up(&self, id: CallId, account: &str) -> Result<(), EndCause> {
        let inside = |call: &&Call| call.phase == Phase::Ringing && call.outward.is_none();
        let call = self.calls.get(&id).filter(inside).ok_or(EndCause::UnknownNumber)?;
        if call.caller.account.as_deref() == Some(account) { Err(EndCause::Forbidden) } else { Ok(()) }
    }

    /// The sound of who picks a call up is agreed on: it is his.
    pub(crate) fn picked_up(&mut self, leg_id: LegId, codec: Codec, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let (id, account, sip_call_id) = (leg.call, leg.picks_up_for.take(), leg.sip_call_id.clone());
        let line = account.and_then(|account| self.directory.line(&account)).cloned();
        let (Some(line), Some(call)) = (line, self.calls.get_mut(&id)) else {
            return self.drop_leg(leg_id, EndCause::Unavailable, now);
        };
        call.branches.retain(|branch| *branch != leg_id);
        let linked_id = call.linked_id.clone();
        let channel = self.new_channel_id(now);
        self.leave_callee(id, EndCause::AnsweredElsewhere, now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.callee = Party::of_line(&line, linked_id, channel, CallDirection::Incoming);
        call.callee.sip_call_id = sip_call_id;
        call.branches = vec![leg_id];
        call.phase = Phase::Answering;
        call.is_other = true;
        self.await_media(id, now);
        self.agreed(leg_id, codec, now);
    }

    /// The call that rings at that number.
    pub(crate) fn ringing_at(&self, number: &PhoneNumber) -> Option<CallId> {
        let rings = |call: &&Call| {
            call.phase == Phase::Ringing
                && call.outward.is_none()
                && call.callee.number.as_ref() == Some(number)
                && !call.branches.is_empty()
        };
        self.calls.values().find(rings).map(|call| call.id)
    }
}

/// What a code changes, given what was chosen before.
fn changes(feature: Feature, services: UserServices) -> Vec<ServiceChange> {
    let off = |forward: Forward| Forward { enabled: false, ..forward };
    let to = |target: Option<PhoneNumber>, forward: Forward| match target {
        Some(_) => Forward { enabled: true, destination: target },
        None => Forward { enabled: !forward.enabled, ..forward },
    };
    match feature {
        Feature::ForwardNothing => vec![
            ServiceChange::Unconditional(off(services.unconditional)),
            ServiceChange::NoAnswer(off(services.no_answer)),
            ServiceChange::Busy(off(services.busy)),
        ],
        Feature::ForwardAll(target) => vec![ServiceChange::Unconditional(to(target, services.unconditional))],
        Feature::ForwardNoAnswer(target) => vec![ServiceChange::NoAnswer(to(target, services.no_answer))],
        Feature::ForwardBusy(target) => vec![ServiceChange::Busy(to(target, services.busy))],
        Feature::DoNotDisturb => vec![ServiceChange::DoNotDisturb(!services.do_not_disturb)],
        Feature::CallWaiting => vec![ServiceChange::CallWaiting(!services.call_waiting)],
        Feature::Pickup(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_numbers() {
        let number = |text: &str| text.parse::<PhoneNumber>().unwrap();
        for (dialled, feature) in [
            ("*20", Some(Feature::ForwardNothing)),
            ("*21", Some(Feature::ForwardAll(None))),
            ("*211002", Some(Feature::ForwardAll(Some(number("1002"))))),
            ("*220033144500210", Some(Feature::ForwardNoAnswer(Some(number("0033144500210"))))),
            ("*231002", Some(Feature::ForwardBusy(Some(number("1002"))))),
            ("*25", Some(Feature::DoNotDisturb)),
            ("*251", None),
            ("*43", Some(Feature::CallWaiting)),
            ("*81002", Some(Feature::Pickup(number("1002")))),
            ("*8", None),
            ("*55", None),
            ("1002", None),
            ("21", None),
        ] {
            assert_eq!(Feature::dialled(&number(dialled)), feature, "{dialled}");
        }
    }
}
