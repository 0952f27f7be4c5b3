//! Calls that come in: ringing, answering, refusing, and the ACK (RFC 3261 §13.3).

use sipx_sip::HeaderName;
use sipx_sip::message::{Message, Request, Response};
use timing::{Deadline, Instant};

use super::UserAgent;
use super::exchange::{PATIENCE, T1, T2, TransactionId, Wake};
use super::leg::{Leg, UnackedAnswer};
use crate::config::{DialogId, FlowId};
use crate::dialog::DialogState;
use crate::error::WrongState;
use crate::event::{EndedBy, Event};
use crate::wire;

const SDP: &str = "application/sdp";

impl UserAgent {
    pub(super) fn send_progress(&mut self, dialog: DialogId, status: u16, sdp: Option<String>, now: Instant) {
        let is_provisional = (101..=199).contains(&status);
        if !is_provisional || self.progress_reliably(dialog, status, sdp.as_deref(), now) {
            return;
        }
        if self.live_leg(dialog, &[DialogState::Offered]).is_some() {
            self.respond_to_invitation(dialog, status, None, &[], sdp.as_deref(), now);
        }
    }

    pub(super) fn send_answer(
        &mut self,
        dialog: DialogId,
        sdp: &str,
        now: Instant,
    ) -> Result<(), WrongState> {
        let wrong_state = self.wrong_state(dialog);
        let leg = self.live_leg(dialog, &[DialogState::Offered]).ok_or(wrong_state)?;
        let is_agreed = leg.server.is_agreed();
        match self.postpone_answer(dialog, sdp) {
            Some(true) => return Ok(()),
            Some(false) => return Err(wrong_state),
            None => {}
        }
        let sdp = Some(sdp).filter(|_| !is_agreed);
        let bytes = self.respond_to_invitation(dialog, 200, None, &[], sdp, now);
        let leg = self.live_leg(dialog, &[DialogState::Offered]).ok_or(wrong_state)?;
        let invitation = leg.invitation.take().ok_or(wrong_state)?;
        leg.info.state = DialogState::Answered;
        if let Some(sdp) = sdp {
            leg.server.describe(sdp);
        }
        self.stop_progress(dialog);
        self.await_ack(dialog, &invitation, bytes, now);
        Ok(())
    }

    pub(super) fn send_refusal(
        &mut self,
        dialog: DialogId,
        status: u16,
        reason: Option<&str>,
        headers: &[(String, String)],
        now: Instant,
    ) {
        if self.live_leg(dialog, &[DialogState::Offered]).is_none() {
            return;
        }
        let status = if (300..=699).contains(&status) { status } else { 480 };
        self.respond_to_invitation(dialog, status, reason, headers, None, now);
        self.end(dialog, EndedBy::Local, Some(status), None, now);
        self.forget_stranger(dialog);
    }

    /// Where a stranger's INVITE is not remembered, no straggler of it is waited for.
    fn forget_stranger(&mut self, dialog: DialogId) {
        let is_over = |leg: &Leg| {
            self.exchange.is_stranger(leg.flow())
                && leg.invite.is_none_or(|invite| self.exchange.pending(invite).is_none())
        };
        if self.legs.get(&dialog).is_some_and(|leg| is_over(leg)) {
            self.forget(dialog);
        }
    }

    /// Sends a response to the INVITE that began a dialog which still waits for its answer.
    pub(super) fn respond_to_invitation(
        &mut self,
        dialog: DialogId,
        status: u16,
        reason: Option<&str>,
        headers: &[(String, String)],
        sdp: Option<&str>,
        now: Instant,
    ) -> Vec<u8> {
        let Some(leg) = self.live_leg(dialog, &[DialogState::Offered]) else { return Vec::new() };
        let (Some(id), Some(invitation)) = (leg.invite, leg.invitation.clone()) else { return Vec::new() };
        let mut response = self.dialog_response(dialog, &invitation, status, reason, sdp);
        if sdp.is_none() {
            wire::add_to_response(&mut response, headers, b"");
        }
        if (200..300).contains(&status) {
            self.agree_session(dialog, &invitation, &mut response, now);
        }
        self.respond_in_dialog(dialog, id, response, now)
    }

    /// A response to an INVITE or UPDATE, with what makes or refreshes a dialog (RFC 3261 §12.1.1).
    pub(super) fn dialog_response(
        &self,
        dialog: DialogId,
        request: &Request,
        status: u16,
        reason: Option<&str>,
        sdp: Option<&str>,
    ) -> Response {
        let leg = self.legs.get(&dialog);
        let tag = leg.map(|leg| leg.info.local_tag.as_str()).unwrap_or_default();
        let mut response = wire::response_to(request, status, reason, tag);
        if let Some(leg) = leg.filter(|_| status < 300) {
            for route in request.headers.get_all(&HeaderName::RecordRoute) {
                wire::add(&mut response.headers, HeaderName::RecordRoute, route.value());
            }
            let contact = self.exchange.contact(leg.flow(), &leg.contact_user);
            wire::set(&mut response.headers, HeaderName::Contact, contact);
            wire::set(&mut response.headers, HeaderName::Allow, self.exchange.allow());
            if let Some(supported) = self.exchange.supported() {
                wire::set(&mut response.headers, HeaderName::Supported, supported);
            }
        }
        wire::set(&mut response.headers, HeaderName::Server, &self.exchange.config.user_agent);
        let body =
            wire::set_body(&mut response.headers, sdp.map(|_| SDP), sdp.unwrap_or_default().as_bytes());
        response.set_body(body);
        response
    }

    /// Sends a response in its transaction; where that went down with its flow, on the dialog's flow.
    pub(super) fn respond_in_dialog(
        &mut self,
        dialog: DialogId,
        id: TransactionId,
        response: Response,
        now: Instant,
    ) -> Vec<u8> {
        let bytes = wire::bytes_of(&Message::Response(response.clone()));
        if self.exchange.pending(id).is_some() {
            self.exchange.respond(id, response, now);
        } else if let Some(leg) = self.legs.get(&dialog) {
            self.exchange.send(leg.flow(), bytes.clone());
        }
        bytes
    }

    /// Repeats a 2xx until its ACK comes (RFC 3261 §13.3.1.4), on reliable flows too.
    pub(super) fn await_ack(&mut self, dialog: DialogId, invite: &Request, bytes: Vec<u8>, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let cseq = wire::cseq(&invite.headers).map_or(0, |(number, _)| number);
        let is_first = leg.info.state == DialogState::Answered;
        let is_offer =
            wire::sdp_of(&invite.headers, invite.body()).is_none() && !(is_first && leg.server.is_agreed());
        leg.unacked = Some(UnackedAnswer { cseq, bytes, interval: T1, is_offer });
        self.exchange.wakes.set(Wake::Answer(dialog), Deadline::new(now + T1, "2xx retransmission"));
        self.exchange.wakes.set(Wake::NoAck(dialog), Deadline::new(now + PATIENCE, "no ACK"));
    }

    pub(super) fn repeat_answer(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let flow = leg.flow();
        let Some(answer) = &mut leg.unacked else { return };
        answer.interval = (answer.interval * 2).min(T2);
        let deadline = Deadline::new(now + answer.interval, "2xx retransmission");
        self.exchange.send(flow, answer.bytes.clone());
        self.exchange.wakes.set(Wake::Answer(dialog), deadline);
    }

    /// No ACK in 64·T1: the dialog stands, but the call ends by BYE.
    ///
    /// While the peer has no flow neither our 2xx nor its ACK could arrive: then the wait begins anew.
    pub(super) fn give_up_answer(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if !leg.ended && self.exchange.transport(leg.flow()).is_none() {
            return self.exchange.wakes.set(Wake::NoAck(dialog), Deadline::new(now + PATIENCE, "no ACK"));
        }
        leg.unacked = None;
        leg.info.state = DialogState::Confirmed;
        let headers = leg.bye_after_ack.take().unwrap_or_default();
        self.exchange.wakes.cancel(&Wake::Answer(dialog));
        self.send_bye(dialog, &headers, now);
        self.end(dialog, EndedBy::NoAck, None, None, now);
    }

    /// An ACK for a 2xx of ours. Any other, or one more of the same, means nothing.
    pub(super) fn handle_ack(&mut self, flow: FlowId, ack: &Request, now: Instant) {
        let Some((cseq, _)) = wire::cseq(&ack.headers) else { return };
        let Some(dialog) = self.dialog_of(ack).filter(|dialog| self.may_speak(*dialog, flow)) else { return };
        let waits = |leg: &Leg| leg.unacked.as_ref().is_some_and(|answer| answer.cseq == cseq);
        if self.legs.get(&dialog).is_some_and(|leg| waits(leg)) {
            self.follow(dialog, flow);
            self.acknowledged(dialog, wire::sdp_of(&ack.headers, ack.body()), now);
        }
    }

    /// The peer has our 2xx.
    pub(super) fn acknowledged(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(answer) = leg.unacked.take() else { return };
        let begins = leg.info.state == DialogState::Answered;
        leg.info.state = DialogState::Confirmed;
        self.exchange.wakes.cancel(&Wake::Answer(dialog));
        self.exchange.wakes.cancel(&Wake::NoAck(dialog));
        if let Some(headers) = leg.bye_after_ack.take() {
            return self.send_bye(dialog, &headers, now);
        }
        if leg.ended {
            return;
        }
        if begins {
            self.events.push_back(Event::Confirmed { dialog });
        }
        if answer.is_offer {
            self.events.push_back(match sdp {
                Some(sdp) => Event::OfferAnswered { dialog, sdp },
                None => Event::OfferRefused { dialog, status: 488 },
            });
        }
        self.send_next_offer(dialog, now);
    }
}
