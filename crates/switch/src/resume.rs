//! Calls outlive the connection of a phone: the same page comes back, or a new page takes the call over.

use media::CodecPreference;
use model::{CallId, EndCause, LegId};
use sip::{DialogId, EndedBy, FlowId};
use timing::{Deadline, Duration, Instant};

use crate::answering::SOUND_WITHIN;
use crate::call::{Leg, Phase, Side, Silence};
use crate::flows::Offers;
use crate::proving::Proven;
use crate::registrar::{Binding, Bound};
use crate::switch::{Switch, Timer};
use crate::trunk::TrunkId;

/// How long a phone that has registered again may take to show that it still has its call.
const PROVE_WITHIN: Duration = Duration::from_secs(10);
/// A phone that only changes its network is back by then; a page that was closed in favour of another is not.
const ORPHANED_AFTER: Duration = Duration::from_secs(5);
/// How often a silent peer is asked whether it still has the call; it has 32 s to answer.
const ASK_AGAIN: Duration = Duration::from_secs(60);

impl Switch {
    /// A connection is gone: what was answered over it waits, the rest ends.
    pub(crate) fn detach_flow(&mut self, flow: FlowId, now: Instant) {
        let legs: Vec<LegId> =
            self.legs.iter().filter(|(_, leg)| leg.flow == flow).map(|(id, _)| *id).collect();
        for leg_id in legs {
            let Some(leg) = self.legs.get(&leg_id) else { continue };
            let talking = self.calls.get(&leg.call).is_some_and(|call| call.phase == Phase::Talking);
            if leg.replaces.is_none() && talking && leg.state.is_up() {
                match leg.trunk {
                    Some(trunk) => self.keep_on_trunk(leg_id, trunk, now),
                    None => self.await_phone(leg_id, now),
                }
            } else {
                let cause = cause_of_loss(leg);
                if !self.trunk_refused(leg_id, &EndedBy::Timeout, now) {
                    self.leg_ended(leg_id, cause, now);
                }
            }
        }
    }

    /// Gives the leg's phone [`crate::Config::reconnect_window`] to come back, counted from the first loss.
    fn await_phone(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let lost_at = *leg.lost_at.get_or_insert(now);
        let deadline = Deadline::new(lost_at + self.config.reconnect_window, "phone did not come back");
        self.timers.set(Timer::Detached(leg_id), deadline);
        let deadline = Deadline::new(now + ORPHANED_AFTER, "another phone may take the call over");
        self.timers.set(Timer::Orphaned(leg_id), deadline);
    }

    /// A connection to a trunk is gone, which carriers close when they are idle: its call goes on by another one,
    /// or without any as long as it is heard.
    fn keep_on_trunk(&mut self, leg_id: LegId, trunk: TrunkId, now: Instant) {
        let line = self.trunks.flow(trunk);
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        match line {
            Some(line) => self.go_on_by(leg_id, line, now),
            None if leg.connected => drop(leg.lost_at.get_or_insert(now)),
            None => self.await_phone(leg_id, now),
        }
    }

    /// A trunk can be reached again: those of its calls that cannot go on over the new flow.
    pub(crate) fn trunk_is_back(&mut self, trunk: TrunkId, flow: FlowId, now: Instant) {
        let is_lost = |leg: &Leg| leg.lost_at.is_some() || !self.ways.contains_key(&leg.flow);
        let its =
            self.legs.iter().filter(|(_, leg)| leg.trunk == Some(trunk) && leg.state.is_up() && is_lost(leg));
        for leg in its.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.go_on_by(leg, flow, now);
            if let Some(dialog) = self.legs.get(&leg).and_then(|leg| leg.dialog) {
                self.phone_is_back(dialog, now);
            }
        }
    }

    /// A leg's signalling goes by another flow from now on, and its sound may come from where that comes from.
    fn go_on_by(&mut self, leg_id: LegId, flow: FlowId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.flow = flow;
        let (call, dialog, is_trunk) = (leg.call, leg.dialog, leg.trunk.is_some());
        if let Some(dialog) = dialog {
            self.ua.rebind(dialog, flow);
            if is_trunk {
                // the carrier learns where we are now (RFC 3311 §5.1: a target refresh)
                self.ua.update(dialog, Vec::new(), now);
            }
        }
        if let Some(from) = self.ways.get(&flow).and_then(|way| way.remote) {
            self.order(call, media::Order::Signalled { leg: media::LegId(leg_id.0), from });
        }
    }

    /// A leg's time is up: its phone did not come back.
    pub(crate) fn leg_did_not_come_back(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        self.end_call(leg.call, EndCause::ConnectionLost, now);
    }

    /// The sound of a leg has stopped: a page's by its consent (RFC 7675), which a re-INVITE may repair. A plain
    /// phone or a carrier may as well be silent because it holds the call, and is asked.
    pub(crate) fn sound_lost(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        // sound that was never there is waited for no longer than it was
        if !std::mem::take(&mut leg.connected) {
            return;
        }
        if leg.is_page {
            let deadline = Deadline::new(now + self.config.reconnect_window, "sound did not come back");
            self.timers.set(Timer::NoSound(leg_id), deadline);
        } else {
            self.ask_the_silent(leg_id, now);
        }
    }

    /// A silent leg ends when its peer does not answer in its dialog either.
    fn ask_the_silent(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.silence = Some(Silence::Asked);
        if let Some(dialog) = leg.dialog {
            self.ua.probe(dialog, now);
        }
        let deadline = Deadline::new(now + ASK_AGAIN, "a silent peer does not answer");
        self.timers.set(Timer::NoSound(leg_id), deadline);
    }

    /// There was no sound for as long as that was waited for.
    pub(crate) fn sound_did_not_come(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        if leg.silence == Some(Silence::Answers) {
            self.ask_the_silent(leg_id, now);
        } else {
            self.end_call(leg.call, EndCause::ConnectionLost, now);
        }
    }

    /// The peer of a dialog has answered when it was asked whether it still has the call.
    pub(crate) fn answers_when_asked(&mut self, dialog: DialogId, now: Instant) {
        let leg = self.leg_of_dialog(dialog).and_then(|leg| self.legs.get_mut(&leg));
        if let Some(silence) = leg.and_then(|leg| leg.silence.as_mut()) {
            *silence = Silence::Answers;
        }
        self.phone_is_back(dialog, now);
    }

    pub(crate) fn sound_back(&mut self, leg_id: LegId) {
        if let Some(leg) = self.legs.get_mut(&leg_id) {
            (leg.connected, leg.silence) = (true, None);
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
    /// call whose phone is gone: it is called with auto-answer and takes the place of the lost leg. A desk phone
    /// does not: nobody may be sitting at it.
    pub(crate) fn phone_is_there(&mut self, proven: &Proven, flow: FlowId, bound: Bound, now: Instant) {
        let account = proven.account.as_str();
        let mut bindings = self.registrar.bindings(account).iter();
        let is_its = |binding: &&Binding| binding.flow == flow && binding.device == proven.device;
        let Some(binding) = bindings.find(is_its).cloned() else { return };
        let is_page = self.is_browser(flow);
        let own = self.legs.iter().filter(|(_, leg)| leg.flow != flow && self.belongs_to(leg, account));
        for leg_id in own.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(leg) = self.legs.get(&leg_id) else { continue };
            let is_its_own = leg.phone.as_ref().is_some_and(|phone| phone.is(&binding.phone()));
            if is_its_own && leg.state.is_up() {
                self.reattach(leg_id, flow, now);
            } else if is_its_own {
                self.begin_again(leg_id, &binding, now);
            } else if bound == Bound::New && is_page && self.is_orphan(leg_id) {
                self.replace(leg_id, &binding);
            }
        }
    }

    /// Nobody has come for a leg yet: of the phones that were there all the time one takes it over.
    pub(crate) fn adopt_orphan(&mut self, leg_id: LegId) {
        let account = self.account_of(leg_id).filter(|_| self.is_orphan(leg_id));
        let mut bindings = account.map_or(&[][..], |account| self.registrar.bindings(account)).iter().rev();
        let binding = bindings.find(|binding| self.is_browser(binding.flow)).cloned();
        if let Some(binding) = binding {
            self.replace(leg_id, &binding);
        }
    }

    /// Whether the leg waits for a phone that is not registered, and no other phone is being asked to take over.
    fn is_orphan(&self, leg_id: LegId) -> bool {
        let (Some(leg), Some(account)) = (self.legs.get(&leg_id), self.account_of(leg_id)) else {
            return false;
        };
        let phone_is_gone = !leg.phone.as_ref().is_some_and(|phone| self.registrar.has(account, phone));
        let waits = leg.lost_at.is_some();
        waits && phone_is_gone && leg.replaces.is_none() && self.replacement_of(leg_id).is_none()
    }

    pub(crate) fn account_of(&self, leg_id: LegId) -> Option<&str> {
        let leg = self.legs.get(&leg_id)?;
        self.calls.get(&leg.call)?.party(leg.side).account.as_deref()
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
        let new = Leg { replaces: Some(leg_id), ..self.outgoing_leg(call, side, binding) };
        self.legs.insert(replacement, new);
        let codecs = self.calls.get(&call).map(|call| call.codecs.clone()).unwrap_or_default();
        let style = self.style_on(binding.flow, Offers::Ours);
        let (leg, codecs) = (media::LegId(replacement.0), CodecPreference::Only(codecs));
        self.order(call, media::Order::MakeOffer { leg, codecs, style });
    }

    /// The phone of an answered call is back, but does it still have the call? It may have been ended there.
    fn reattach(&mut self, leg_id: LegId, flow: FlowId, now: Instant) {
        self.go_on_by(leg_id, flow, now);
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.lost_at.get_or_insert(now);
        if let Some(dialog) = leg.dialog {
            self.ua.probe(dialog, now);
        }
        self.timers.cancel(&Timer::Orphaned(leg_id));
        let deadline = Deadline::new(now + PROVE_WITHIN, "phone does not speak of its call");
        self.timers.set(Timer::Detached(leg_id), deadline);
    }

    /// A phone that lost its connection dropped what was not answered over it: it is called anew, and its own
    /// calls are over.
    fn begin_again(&mut self, leg_id: LegId, binding: &Binding, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let (id, cause, replaces) = (leg.call, cause_of_loss(leg), leg.replaces);
        if let Some(dialog) = leg.dialog {
            // a phone of another make may have kept it, and hears there that it is over
            self.ua.rebind(dialog, binding.flow);
        }
        let rings =
            leg.side == Side::Callee && self.calls.get(&id).is_some_and(|call| call.phase == Phase::Ringing);
        if let Some(old) = replaces {
            self.drop_leg(leg_id, cause, now);
            return self.replace(old, binding);
        }
        if rings {
            self.ring_phone(id, binding);
        }
        self.leg_ended(leg_id, cause, now);
    }

    /// A phone speaks of its call by another connection.
    pub(crate) fn phone_moved(&mut self, dialog: DialogId, flow: FlowId, now: Instant) {
        if let Some(leg) = self.leg_of_dialog(dialog) {
            self.go_on_by(leg, flow, now);
        }
        self.phone_is_back(dialog, now);
    }

    /// A phone has shown that it still has its call, which no other needs to take over any more.
    pub(crate) fn phone_is_back(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else { return };
        let was_lost = self.legs.get_mut(&leg_id).and_then(|leg| leg.lost_at.take()).is_some();
        if !was_lost {
            return;
        }
        self.timers.cancel(&Timer::Detached(leg_id));
        self.timers.cancel(&Timer::Orphaned(leg_id));
        if let Some(replacement) = self.replacement_of(leg_id) {
            self.drop_leg(replacement, EndCause::AnsweredElsewhere, now);
        }
    }

    /// The phone that should have taken a call over did not: the old leg waits on, unless the person refused.
    pub(crate) fn replacement_ended(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let call = leg.call;
        if matches!(cause, EndCause::Declined | EndCause::Busy) {
            self.end_call(call, EndCause::Normal, now);
        } else {
            self.drop_leg(leg_id, cause, now);
        }
    }

    /// The new leg of a reloaded page is up: it takes the place of the old one.
    pub(crate) fn take_over(&mut self, leg_id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let (id, side, sip_call_id) = (leg.call, leg.side, leg.sip_call_id.clone());
        let Some(old) = leg.replaces.take() else { return };
        let parked = self.legs.get(&old).is_some_and(|old| old.parked);
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.parked = parked;
        if !leg.connected {
            let deadline = Deadline::new(now + SOUND_WITHIN, "sound did not come");
            self.timers.set(Timer::NoSound(leg_id), deadline);
        }
        // the old dialog's phone is gone: nobody is there to read a BYE
        self.drop_leg(old, EndCause::ConnectionLost, now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        match side {
            Side::Caller => call.caller_leg = leg_id,
            Side::Callee => call.branches = vec![leg_id],
        }
        call.party_mut(side).sip_call_id = sip_call_id;
        self.join_sound(id);
        self.tell_talking(id, side);
    }
}

/// Why what was not answered ends when its phone's connection is lost.
fn cause_of_loss(leg: &Leg) -> EndCause {
    match leg.side {
        _ if leg.replaces.is_some() => EndCause::ConnectionLost,
        Side::Caller => EndCause::Cancelled,
        Side::Callee => EndCause::Unavailable,
    }
}
