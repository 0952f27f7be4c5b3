use sip::{DialogId, EndedBy, Event, InboundInvite, Reason};
use timing::Instant;

use super::{MOST_CALLS, Softphone};
use crate::Order;
use crate::call::{Call, CallDirection, CallEnd, CallState, MediaFailure, Negotiation, PhoneCallId, Reoffer};
use crate::sdp::Direction;

/// What the wire tells about calls.
impl Softphone {
    pub(super) fn drain_agent(&mut self, now: Instant) {
        if let Some(flow) = self.left.take() {
            self.agent.close_flow(flow, now);
        }
        while let Some(event) = self.agent.poll_event() {
            self.handle_event(event, now);
        }
    }

    pub(super) fn handle_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Invite(invite) => self.invited(invite, now),
            Event::Registered { id, .. } if self.registration == Some(id) => self.registered(now),
            Event::RegistrationFailed { id, status, .. } if self.registration == Some(id) => {
                self.registration_failed(status, now);
            }
            Event::Progress { dialog, sdp, .. } => self.progressed(dialog, sdp, now),
            Event::Answered { dialog, sdp } => self.answered(dialog, sdp, now),
            Event::Confirmed { dialog } => {
                if let Some(id) = self.id_of(dialog) {
                    self.established(id, now);
                }
            }
            Event::Offer { dialog, sdp } => self.offered(dialog, sdp, now),
            Event::OfferAnswered { dialog, sdp } => self.offer_answered(dialog, sdp, now),
            Event::OfferRefused { dialog, .. } => {
                if let Some(id) = self.id_of(dialog) {
                    self.reoffer_refused(id, now);
                }
            }
            Event::Ended { dialog, by, reason_header, .. } => {
                if let Some(id) = self.id_of(dialog) {
                    self.forget(id, end_of(&by, reason_header.as_deref()));
                }
            }
            // Keys are sent, never received, by a person's phone; a dialog that is gone tells its end. The rest belongs
            // to servers or to old registrations.
            Event::Info { .. }
            | Event::Alive { .. }
            | Event::Moved { .. }
            | Event::Register(_)
            | Event::Registered { .. }
            | Event::RegistrationFailed { .. }
            | Event::Unregistered { .. }
            | Event::Message(_)
            | Event::Subscribe(_)
            | Event::SubscriptionRefreshed { .. }
            | Event::SubscriptionEnded { .. }
            | Event::Stale { .. }
            | Event::Refer { .. }
            | Event::Unproved(_)
            | Event::Pong { .. }
            | Event::Delivered { .. } => {}
        }
    }

    pub(super) fn invited(&mut self, invite: InboundInvite, now: Instant) {
        let Some(offer) = invite.sdp.filter(|_| self.account.is_some()) else {
            // Without an offer the caller's answer would come in the ACK, which browsers never need here.
            return self.agent.refuse(
                invite.dialog,
                if self.account.is_some() { 488 } else { 480 },
                None,
                now,
            );
        };
        if self.calls.len() >= MOST_CALLS {
            return self.agent.refuse(invite.dialog, 486, None, now);
        }
        let mut face =
            self.face(CallDirection::Incoming, &invite.from_user, invite.from_name, CallState::Ringing, now);
        face.sip_call_id = Some(invite.sip_call_id);
        face.auto_answer = invite.auto_answer;
        let id = self.add(Call::new(face, Some(invite.dialog), Some(offer), Negotiation::Idle));
        self.agent.progress(invite.dialog, 180, None, now);
        if invite.auto_answer && self.answer(id, now).is_err() {
            debug_assert!(false, "a call that has just come in can be answered");
        }
    }

    pub(super) fn progressed(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(id) = self.id_of(dialog) else { return };
        self.change(id, |call| {
            if call.face.state == CallState::Dialling {
                call.enter(CallState::Alerting, now);
            }
        });
        if let Some(answer) = sdp {
            self.orders.push_back(Order::SetAnswer { call: id, answer, provisional: true });
        }
    }

    pub(super) fn answered(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(id) = self.id_of(dialog) else { return };
        let Some(answer) = sdp else {
            return self.end(id, CallEnd::MediaFailed(MediaFailure::Negotiation), now);
        };
        self.orders.push_back(Order::SetAnswer { call: id, answer, provisional: false });
        // Who talks to somebody else meanwhile is not thrown into a second conversation.
        let elsewhere = self.calls.values().any(|call| call.face.id != id && call.is_live());
        self.change(id, |call| {
            call.negotiation = Negotiation::Idle;
            call.want_held = elsewhere;
        });
        self.established(id, now);
    }

    pub(super) fn established(&mut self, id: PhoneCallId, now: Instant) {
        self.change(id, |call| {
            call.face.answered.get_or_insert(now);
            call.enter(CallState::Established, now);
        });
        self.update_microphone(id);
        self.negotiate(id);
    }

    pub(super) fn offered(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(id) = self.id_of(dialog) else { return };
        let busy = self.calls.get(&id).is_some_and(|call| call.negotiation != Negotiation::Idle);
        let Some(offer) = sdp.filter(|_| !busy) else {
            return self.agent.refuse_offer(dialog, if busy { 491 } else { 488 }, now);
        };
        let mut direction = Direction::SendRecv;
        self.change(id, |call| {
            call.negotiation = Negotiation::MakingReanswer;
            call.face.remote_held = Direction::of_audio(&offer).holds();
            direction = call.direction();
        });
        self.orders.push_back(Order::AnswerReoffer { call: id, offer, direction });
    }

    pub(super) fn offer_answered(&mut self, dialog: DialogId, answer: String, now: Instant) {
        let Some(id) = self.id_of(dialog) else { return };
        self.orders.push_back(Order::SetAnswer { call: id, answer, provisional: false });
        self.change(id, |call| {
            if let Negotiation::ReofferSent(Reoffer { hold, .. }) = call.negotiation {
                call.held = hold;
                call.enter(if hold { CallState::Held } else { CallState::Established }, now);
            }
        });
        self.negotiated(id, true, now);
    }
}

fn end_of(by: &EndedBy, reason_header: Option<&str>) -> CallEnd {
    match by {
        EndedBy::Local => CallEnd::HungUp,
        EndedBy::Remote => CallEnd::RemoteHungUp,
        EndedBy::Timeout | EndedBy::NoAck => CallEnd::NoResponse,
        // RFC 3326 §2: a forked call that was taken elsewhere is cancelled with "SIP ;cause=200".
        EndedBy::Cancelled
            if reason_header.is_some_and(|reason| Reason::cause_in(reason, "SIP") == Some(200)) =>
        {
            CallEnd::AnsweredElsewhere
        }
        EndedBy::Cancelled => CallEnd::Cancelled,
        EndedBy::Refused { status, .. } => CallEnd::Refused(*status),
    }
}
