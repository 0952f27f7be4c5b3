//! Commands from the CTI side.

use std::collections::BTreeMap;

use media::CodecPreference;
use model::{CallId, EndCause, PhoneNumber, UserId};
use sip::FlowId;
use timing::{Deadline, Instant};

use crate::call::{Phase, Side};
use crate::command::{Command, PhoneAct, Refusal};
use crate::fact::{CallDirection, Fact, PhoneFactKind};
use crate::flows::Offers;
use crate::setup::{Caller, MOST_CALLS_OF_A_LINE, NewCall};
use crate::switch::{Switch, Timer};
use crate::trunk::Origin;

impl Switch {
    pub(crate) fn obey(&mut self, command: Command, now: Instant) -> Result<(), Refusal> {
        match command {
            Command::Dial { user, destination, variables } => {
                self.dial(user, destination, variables, None, now).map(|_| ())
            }
            Command::HangUp { user, unique_id } => {
                let (call, side) = self.find(user, unique_id.as_deref(), |_| true)?;
                self.hang_up(call, side, now);
                Ok(())
            }
            Command::Phone { user, unique_id, act } => self.phone_act(user, unique_id.as_deref(), act, now),
            Command::SetData { user, variables } => self.set_data(user, &variables),
            Command::DirectTransfer { user, destination } => self.direct_transfer(user, &destination, now),
            Command::Consult { user, destination } => self.consult(user, destination, now),
            Command::CompleteTransfer { user } => self.complete_transfer(user, now),
            Command::CancelTransfer { user } => self.cancel_transfer(user, now),
            Command::Merge { user } => self.merge(user),
            Command::ChangeServices { user, change } => self.change_services(user, change),
            Command::Drain => {
                self.draining = true;
                let calls: Vec<CallId> = self.calls.keys().copied().collect();
                for call in calls {
                    self.end_call(call, EndCause::ServerStopping, now);
                }
                Ok(())
            }
        }
    }

    /// Click to call: the user's own phone first, which answers by itself, then the destination. Of several phones it
    /// is the one in use: that on `flow`, else the one that registered last.
    pub(crate) fn dial(
        &mut self,
        user: UserId,
        number: PhoneNumber,
        variables: BTreeMap<String, String>,
        flow: Option<FlowId>,
        now: Instant,
    ) -> Result<CallId, Refusal> {
        check_size(&variables)?;
        let line = self.directory.line_of(user).ok_or(Refusal::NoLine)?.clone();
        let led = self.lead(&number, Origin::User(user), now).map_err(Refusal::of)?;
        if !led.is_emergency() {
            self.has_room().map_err(|_| Refusal::NoRoom)?;
            if self.calls_of(&line.account).count() >= MOST_CALLS_OF_A_LINE {
                return Err(Refusal::TooManyCalls);
            }
        }
        let bindings = self.registrar.bindings(&line.account);
        let in_use = bindings.iter().rfind(|binding| Some(binding.flow) == flow).or(bindings.last());
        let binding = in_use.cloned().ok_or(Refusal::PhoneUnavailable)?;
        let caller = Caller::Line(line);
        let new = NewCall { caller, dialled: number, led, codecs: Vec::new(), variables, hops: None };
        let id = self.new_call(new, Phase::CallingBack, now);
        self.live_with_callee(id);
        let leg = self.calls[&id].caller_leg;
        let new = self.outgoing_leg(id, Side::Caller, &binding);
        self.legs.insert(leg, new);
        self.timers.set(Timer::NoAnswer(id), Deadline::new(now + self.config.ring_time, "no answer"));
        let style = self.style_on(binding.flow, Offers::Ours);
        let (leg, codecs) = (media::LegId(leg.0), CodecPreference::Any);
        self.order(id, media::Order::MakeOffer { leg, codecs, style });
        Ok(id)
    }

    pub(crate) fn hang_up(&mut self, id: CallId, side: Side, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        match (call.phase, side) {
            (Phase::Talking, _) => self.end_call(id, EndCause::Normal, now),
            (_, Side::Caller) => self.end_call(id, EndCause::Cancelled, now),
            // as when the phone itself refuses: the call may go on to somebody else, or back
            (Phase::Ringing, Side::Callee) => self.callee_failed(id, EndCause::Declined, now),
            (_, Side::Callee) => self.end_call(id, EndCause::Declined, now),
        }
    }

    fn phone_act(
        &mut self,
        user: UserId,
        unique_id: Option<&str>,
        act: PhoneAct,
        now: Instant,
    ) -> Result<(), Refusal> {
        let fits = |told: PhoneFactKind| match act {
            PhoneAct::Answer => told == PhoneFactKind::Ringing,
            PhoneAct::ToggleHold | PhoneAct::SendDtmf(_) | PhoneAct::ToggleMicrophone => {
                matches!(told, PhoneFactKind::Established | PhoneFactKind::OnHold)
            }
        };
        let (id, side) = self.find(user, unique_id, fits)?;
        let leg = self.calls.get(&id).and_then(|call| call.leg_of(side)).and_then(|leg| self.legs.get(&leg));
        if leg.is_some_and(|leg| !leg.is_page) {
            return self.act_for_phone(id, side, act, now);
        }
        // of several phones that ring one acts, lest two of them answer
        let party = self.calls.get(&id).map(|call| call.party(side));
        let dialog = party.and_then(|party| party.sip_call_id.clone());
        let sip_call_id = dialog.ok_or(Refusal::NoSuchCall)?;
        self.facts.push_back(Fact::PhoneAct { user, sip_call_id, act });
        Ok(())
    }

    /// What can be done for a phone that takes no wishes.
    fn act_for_phone(&mut self, id: CallId, side: Side, act: PhoneAct, now: Instant) -> Result<(), Refusal> {
        match act {
            PhoneAct::ToggleHold => self.toggle_park(id, side),
            PhoneAct::SendDtmf(key) => {
                let far = self.calls.get(&id).and_then(|call| call.leg_of(side.other()));
                self.press(far.ok_or(Refusal::NoSuchCall)?, key, now);
                Ok(())
            }
            PhoneAct::Answer | PhoneAct::ToggleMicrophone => Err(Refusal::PhoneCannot),
        }
    }

    fn set_data(&mut self, user: UserId, variables: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let calls: Vec<CallId> =
            self.calls.values().filter(|call| call.side_of(user).is_some()).map(|c| c.id).collect();
        if calls.is_empty() {
            return Err(Refusal::NoSuchCall);
        }
        for id in &calls {
            let Some(call) = self.calls.get(id) else { continue };
            let mut all = call.variables.clone();
            all.extend(variables.clone());
            check_size(&all)?;
        }
        for id in calls {
            if let Some(call) = self.calls.get_mut(&id) {
                call.variables.extend(variables.clone());
            }
        }
        Ok(())
    }

    /// The one call of `user` that is meant.
    pub(crate) fn find(
        &self,
        user: UserId,
        unique_id: Option<&str>,
        fits: impl Fn(PhoneFactKind) -> bool,
    ) -> Result<(CallId, Side), Refusal> {
        let mut found = self.calls.values().filter_map(|call| {
            let side = call.side_of(user)?;
            let party = call.party(side);
            let meant = unique_id.is_none_or(|id| {
                id == party.unique_id || id == call.linked_id && party.direction == CallDirection::Outgoing
            });
            (meant && party.told.is_some_and(&fits)).then_some((call.id, side))
        });
        let first = found.next().ok_or(Refusal::NoSuchCall)?;
        if found.next().is_none() {
            return Ok(first);
        }
        // of several, the one in which the user talks is the current one
        let talking = |told: PhoneFactKind| told == PhoneFactKind::Established && fits(told);
        let mut current = self.calls.values().filter_map(|call| {
            let side = call.side_of(user)?;
            call.party(side).told.is_some_and(talking).then_some((call.id, side))
        });
        match (current.next(), current.next()) {
            (Some(call), None) if unique_id.is_none() => Ok(call),
            _ => Err(Refusal::WhichCall),
        }
    }
}

/// Attached data travel in every event of the call, so that there must be an end to them.
fn check_size(variables: &BTreeMap<String, String>) -> Result<(), Refusal> {
    const MOST: usize = 64;
    const MOST_BYTES: usize = 8 * 1024;
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    if variables.len() > MOST || bytes > MOST_BYTES { Err(Refusal::TooMuchData) } else { Ok(()) }
}
