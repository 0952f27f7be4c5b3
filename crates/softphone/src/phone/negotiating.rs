use sip::{DialogId, Reason};
use timing::Instant;

use super::Softphone;
use crate::call::{
    Call, CallDirection, CallEnd, CallState, MediaState, Negotiation, PhoneCall, PhoneCallId, Reoffer,
};
use crate::{Fact, Order};

/// Offers and answers, one exchange at a time.
impl Softphone {
    pub(super) fn reoffer_refused(&mut self, id: PhoneCallId, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let (Negotiation::MakingReoffer(reoffer) | Negotiation::ReofferSent(reoffer)) = call.negotiation
        else {
            return;
        };
        let (wanted, held) = (call.want_held, call.held);
        self.orders.push_back(Order::RollBack { call: id });
        if !self.registered {
            // The socket went away underneath: the wish stands until the line is back.
            self.change(id, |call| {
                call.negotiation = Negotiation::Idle;
                call.want_refresh = true;
                call.want_restart |= reoffer.restart_ice;
            });
            return;
        }
        self.change(id, |call| {
            call.want_held = held;
            // Someone who thinks he is on hold must not be heard.
            call.face.muted |= wanted && !held;
        });
        match (wanted, held) {
            (true, false) => self.facts.push_back(Fact::HoldFailed { call: id }),
            (false, true) => self.facts.push_back(Fact::ResumeFailed { call: id }),
            _ => {}
        }
        self.negotiated(id, true, now);
    }

    /// An exchange of offer and answer is over; begins the next one that is needed.
    pub(super) fn negotiated(&mut self, id: PhoneCallId, done: bool, now: Instant) {
        if !done {
            return self.end(id, CallEnd::NoResponse, now);
        }
        self.change(id, |call| call.negotiation = Negotiation::Idle);
        self.update_microphone(id);
        self.negotiate(id);
    }

    /// Asks for a new offer where what is wanted differs from what is agreed. One exchange at a time.
    pub(super) fn negotiate(&mut self, id: PhoneCallId) {
        let registered = self.registered;
        let Some(call) = self.calls.get_mut(&id) else { return };
        let needed = call.want_held != call.held || call.want_refresh;
        if !registered || !needed || !call.is_answered() || call.negotiation != Negotiation::Idle {
            return;
        }
        let path_is_gone = call.want_refresh && call.face.media == MediaState::Lost;
        let restart_ice = call.want_restart || path_is_gone;
        call.want_refresh = false;
        call.want_restart = false;
        call.negotiation = Negotiation::MakingReoffer(Reoffer { hold: call.want_held, restart_ice });
        let direction = call.direction();
        self.orders.push_back(Order::CreateReoffer { call: id, direction, restart_ice });
    }

    /// Has a new offer sent as soon as it may be, with new ICE credentials where the path may be another.
    ///
    /// Whether the sound is lost only the browser can say, and where the old path still works it says nothing at all.
    pub(super) fn refresh(&mut self, id: PhoneCallId, restart_ice: bool) {
        self.change(id, |call| {
            call.want_refresh = true;
            call.want_restart |= restart_ice;
        });
        self.negotiate(id);
    }

    pub(super) fn update_microphone(&mut self, id: PhoneCallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let on = call.may_speak();
        if call.microphone_on != on {
            call.microphone_on = on;
            self.orders.push_back(Order::SetMicrophone { call: id, on });
        }
    }
}

/// The calls and who is told of them.
impl Softphone {
    /// Ends a call from our side; for the person it is over at once.
    pub(super) fn end(&mut self, id: PhoneCallId, end: CallEnd, now: Instant) {
        let Some(dialog) = self.calls.get(&id).map(|call| call.dialog) else { return };
        let reason = matches!(end, CallEnd::MediaFailed(_)).then(|| Reason {
            protocol: "SIP".to_owned(),
            cause: 488,
            text: Some("No sound".to_owned()),
        });
        match dialog {
            Some(dialog) if self.registered => self.agent.bye(dialog, reason, now),
            Some(dialog) => self.farewells.push(dialog),
            None => {}
        }
        self.forget(id, end);
    }

    pub(super) fn forget(&mut self, id: PhoneCallId, end: CallEnd) {
        let Some(call) = self.calls.remove(&id) else { return };
        self.orders.push_back(Order::ClosePeer { call: id });
        self.facts.push_back(Fact::CallEnded { call: call.face, end });
    }

    pub(super) fn face(
        &mut self,
        direction: CallDirection,
        user: &str,
        name: Option<String>,
        state: CallState,
        now: Instant,
    ) -> PhoneCall {
        self.next_call += 1;
        PhoneCall {
            id: PhoneCallId(self.next_call),
            sip_call_id: None,
            direction,
            remote_user: user.to_owned(),
            remote_name: name.filter(|name| !name.is_empty()),
            state,
            since: now,
            started: now,
            answered: None,
            pending: None,
            muted: false,
            remote_held: false,
            auto_answer: false,
            media: MediaState::Connecting,
        }
    }

    pub(super) fn add(&mut self, call: Call) -> PhoneCallId {
        let id = call.face.id;
        self.facts.push_back(Fact::CallChanged(call.face.clone()));
        self.calls.insert(id, Box::new(call));
        id
    }

    /// Changes a call and tells of it, if others can see the difference.
    pub(super) fn change(&mut self, id: PhoneCallId, change: impl FnOnce(&mut Call)) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let before = call.face.clone();
        change(call);
        call.show_pending();
        if call.face != before {
            self.facts.push_back(Fact::CallChanged(call.face.clone()));
        }
    }

    pub(super) fn ids(&self) -> Vec<PhoneCallId> {
        self.calls.keys().copied().collect()
    }

    pub(super) fn id_of(&self, dialog: DialogId) -> Option<PhoneCallId> {
        self.calls.iter().find(|(_, call)| call.dialog == Some(dialog)).map(|(id, _)| *id)
    }
}
