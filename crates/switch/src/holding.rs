//! Who hears whom in a call that has been answered, and what instead: hold, and its music (RFC 3264 §8.4).

use media::Sound;
use model::{CallId, LegId};
use sip::DialogId;
use timing::Instant;

use crate::call::{Phase, Side};
use crate::command::Refusal;
use crate::switch::Switch;

impl Switch {
    /// Joins the parties of a call that has been answered, as their holds want it.
    pub(crate) fn join_sound(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id).filter(|call| call.phase == Phase::Talking) else { return };
        if let Some(other) = call.merged {
            return self.mix_sound(id, other);
        }
        let caller = call.caller_leg;
        let Some(callee) = call.branches.first().copied() else {
            return self.order(id, service_order(&call.destination, media::LegId(caller.0)));
        };
        let (a, b) = (media::LegId(caller.0), media::LegId(callee.0));
        match (self.holds(caller), self.holds(callee)) {
            (false, false) => self.order(id, media::Order::Bridge { a, b }),
            (true, false) => self.let_hear(id, callee, Sound::Music),
            (false, true) => self.let_hear(id, caller, Sound::Music),
            (true, true) => self.order(id, media::Order::Unbridge { leg: a }),
        }
    }

    /// Lets a leg hear a sound of ours in place of the other party, and takes what it says nowhere.
    pub(crate) fn let_hear(&mut self, call: CallId, leg: LegId, sound: Sound) {
        self.order(call, media::Order::Play { leg: media::LegId(leg.0), sound });
    }

    /// Whether the other party of a leg waits, by the wish of its phone or by ours.
    pub(crate) fn holds(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|leg| leg.held || leg.parked)
    }

    /// We hold the other party on behalf of a phone that cannot be asked to, or have done so long enough.
    pub(crate) fn park(&mut self, id: CallId, side: Side, parked: bool) {
        let Some(leg_id) = self.calls.get(&id).and_then(|call| call.leg_of(side)) else { return };
        let Some(leg) = self.legs.get_mut(&leg_id).filter(|leg| leg.parked != parked) else { return };
        leg.parked = parked;
        self.join_sound(id);
        self.tell_talking(id, side);
    }

    /// Holds or resumes a call of a phone that does not take such wishes itself.
    pub(crate) fn toggle_park(&mut self, id: CallId, side: Side) -> Result<(), Refusal> {
        let leg = self.calls.get(&id).and_then(|call| call.leg_of(side)).ok_or(Refusal::NoSuchCall)?;
        let parked = self.legs.get(&leg).is_some_and(|leg| leg.parked);
        self.park(id, side, !parked);
        Ok(())
    }

    /// A session that nobody has refreshed in time (RFC 4028 §10): its call ends only if its sound has ended too.
    pub(crate) fn session_is_stale(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else { return };
        if self.legs.get(&leg_id).is_some_and(|leg| !leg.connected) {
            self.leg_ended(leg_id, model::EndCause::ConnectionLost, now);
        }
    }
}

/// What a caller of a service hears.
fn service_order(destination: &crate::Destination, leg: media::LegId) -> media::Order {
    match destination {
        crate::Destination::Feature(_) => media::Order::Play { leg, sound: Sound::Waiting },
        crate::Destination::Echo | crate::Destination::Line(_) | crate::Destination::Outside(_) => {
            media::Order::Echo { leg }
        }
    }
}
