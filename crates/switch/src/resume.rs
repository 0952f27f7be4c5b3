//! Calls outlive the connection of a phone: the same page comes back, or a new page takes the call over.

use media::CodecPreference;
use model::{CallId, EndCause, LegId};
use sip::FlowId;
use timing::{Deadline, Instant};

use crate::call::{Leg, Phase, Side};
use crate::fact::PhoneFactKind;
use crate::registrar::{Binding, Bound};
use crate::switch::{Switch, Timer};

impl Switch {
    /// A connection is gone: what was answered over it waits, the rest ends.
    pub(crate) fn detach_flow(&mut self, flow: FlowId, now: Instant) {
        let legs: Vec<LegId> =
            self.legs.iter().filter(|(_, leg)| leg.flow == flow).map(|(id, _)| *id).collect();
        for leg_id in legs {
            let Some(leg) = self.legs.get(&leg_id) else { continue };
            let talking = self.calls.get(&leg.call).is_some_and(|call| call.phase == Phase::Talking);
            if leg.replaces.is_some() {
                self.leg_ended(leg_id, EndCause::ConnectionLost, now);
            } else if talking && leg.state.is_up() {
                self.await_phone(leg_id, now);
            } else {
                let cause =
                    if leg.side == Side::Caller { EndCause::Cancelled } else { EndCause::Unavailable };
                self.leg_ended(leg_id, cause, now);
            }
        }
    }

    /// Gives the leg's phone [`crate::Config::reconnect_window`] to come back, counted from the first loss.
    fn await_phone(&mut self, leg_id: LegId, now: Instant) {
        if self.legs.contains_key(&leg_id) && self.timers.deadline(&Timer::Detached(leg_id)).is_none() {
            let deadline = Deadline::new(now + self.config.reconnect_window, "phone did not come back");
            self.timers.set(Timer::Detached(leg_id), deadline);
        }
    }

    /// A leg's time is up: its phone did not come back, or its sound did not.
    pub(crate) fn leg_did_not_come_back(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        self.end_call(leg.call, EndCause::ConnectionLost, None, now);
    }

    /// The sound of a leg has stopped (ICE consent lost, RFC 7675): the phone may repair it by a re-INVITE.
    pub(crate) fn sound_lost(&mut self, leg_id: LegId, now: Instant) {
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            leg.connected = false;
            let deadline = Deadline::new(now + self.config.reconnect_window, "sound did not come back");
            self.timers.set(Timer::NoSound(leg_id), deadline);
        }
    }

    pub(crate) fn sound_back(&mut self, leg_id: LegId) {
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            leg.connected = true;
            self.timers.cancel(&Timer::NoSound(leg_id));
        }
    }

    /// An answered call whose sound is not there by `at` is given up.
    pub(crate) fn await_sound(&mut self, call: CallId, at: Instant) {
        let silent =
            self.legs.iter().filter(|(_, leg)| leg.call == call && !leg.connected).map(|(id, _)| *id);
        for leg in silent.collect::<Vec<_>>() {
            self.timers.set(Timer::NoSound(leg), Deadline::new(at, "sound did not come"));
        }
    }

    /// A phone of `account` has registered over a `flow` that it was not on before: give it its calls back.
    ///
    /// A phone that only lost its connection is still the same phone, and its dialogs go on over the new flow,
    /// whether or not we have noticed that the old one is dead. A page that was loaded anew knows nothing of a
    /// call whose phone is gone: it is called with auto-answer and takes the place of the lost leg.
    pub(crate) fn phone_is_there(&mut self, account: &str, flow: FlowId, bound: Bound, now: Instant) {
        let Some(binding) = self.registrar.bindings(account).iter().find(|b| b.flow == flow).cloned() else {
            return;
        };
        let own = self.legs.iter().filter(|(_, leg)| leg.flow != flow && self.belongs_to(leg, account));
        for leg_id in own.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(leg) = self.legs.get(&leg_id) else { continue };
            if leg.phone.as_ref().is_some_and(|phone| phone.is(&binding.phone())) {
                self.reattach(leg_id, flow, now);
            } else if bound == Bound::New && self.is_orphan(leg_id, account) {
                self.replace(leg_id, &binding);
            }
        }
    }

    /// Whether the leg waits for a phone that is not registered, and no other phone is being asked to take over.
    fn is_orphan(&self, leg_id: LegId, account: &str) -> bool {
        let Some(leg) = self.legs.get(&leg_id) else { return false };
        let phone_is_gone = !leg.phone.as_ref().is_some_and(|phone| self.registrar.has(account, phone));
        let waits = self.timers.deadline(&Timer::Detached(leg_id)).is_some();
        waits && phone_is_gone && leg.replaces.is_none() && self.replacement_of(leg_id).is_none()
    }

    fn belongs_to(&self, leg: &Leg, account: &str) -> bool {
        self.calls.get(&leg.call).is_some_and(|call| call.party(leg.side).account.as_deref() == Some(account))
    }

    fn replacement_of(&self, leg_id: LegId) -> Option<LegId> {
        self.legs.iter().find(|(_, leg)| leg.replaces == Some(leg_id)).map(|(id, _)| *id)
    }

    fn replace(&mut self, leg_id: LegId, binding: &Binding) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let (call, side) = (leg.call, leg.side);
        let replacement = self.new_leg_id();
        self.legs.insert(replacement, Leg { replaces: Some(leg_id), ..Leg::outgoing(call, side, binding) });
        let codecs = self.calls.get(&call).map(|call| call.codecs.clone()).unwrap_or_default();
        let codecs = CodecPreference::Only(codecs);
        self.order(
            call,
            media::Order::MakeOffer { leg: media::LegId(replacement.0), codecs, style: media::Style::WebRtc },
        );
    }

    fn reattach(&mut self, leg_id: LegId, flow: FlowId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.flow = flow;
        if let Some(dialog) = leg.dialog {
            self.ua.rebind(dialog, flow);
        }
        self.timers.cancel(&Timer::Detached(leg_id));
        if let Some(replacement) = self.replacement_of(leg_id) {
            self.drop_leg(replacement, EndCause::AnsweredElsewhere, now);
        }
    }

    /// The phone that should have taken a call over did not: the old leg waits on, unless the person refused.
    pub(crate) fn replacement_ended(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let call = leg.call;
        if matches!(cause, EndCause::Declined | EndCause::Busy) {
            self.end_call(call, EndCause::Normal, Some(leg_id), now);
        } else {
            self.drop_leg(leg_id, cause, now);
        }
    }

    /// The new leg of a reloaded page is up: it takes the place of the old one.
    pub(crate) fn take_over(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let (id, side) = (leg.call, leg.side);
        let Some(old) = leg.replaces.take() else { return };
        // the old dialog's phone is gone: nobody is there to read a BYE
        self.drop_leg(old, EndCause::ConnectionLost, now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        match side {
            Side::Caller => call.caller_leg = leg_id,
            Side::Callee => call.branches = vec![leg_id],
        }
        self.connect_again(id);
        self.tell(id, side, PhoneFactKind::Established);
    }

    fn connect_again(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let caller = media::LegId(call.caller_leg.0);
        let order = match call.branches.first() {
            Some(callee) => media::Order::Bridge { a: caller, b: media::LegId(callee.0) },
            None => media::Order::Echo { leg: caller },
        };
        self.order(id, order);
    }
}
