//! What happens inside a dialog: offers, INFO, BYE (RFC 3261 §12.2, §14, §15; RFC 3311; RFC 6086).

use sipx_sip::HeaderName;
use sipx_sip::headers::{From, To};
use sipx_sip::message::{Headers, Method, Request, Response};
use timing::Instant;

use super::UserAgent;
use super::caller::challenged;
use super::exchange::{Purpose, TransactionId};
use super::leg::{IncomingOffer, OutgoingOffer};
use super::peer::{Peer, contact};
use crate::config::{DialogId, FlowId, Owner};
use crate::dialog::DialogState;
use crate::event::{EndedBy, Event};
use crate::reason::Reason;
use crate::wire;

impl UserAgent {
    /// The dialog a request inside one belongs to, by Call-ID and both tags (RFC 3261 §12.2.2).
    pub(super) fn dialog_of(&self, request: &Request) -> Option<DialogId> {
        let local_tag = wire::tag_of::<To>(&request.headers);
        let dialog = *self.by_local_tag.get(std::str::from_utf8(&local_tag).ok()?)?;
        let leg = self.legs.get(&dialog)?;
        let call_id = request.headers.value(&HeaderName::CallId)?;
        let remote_tag = wire::tag_of::<From>(&request.headers);
        (leg.call_id[..] == call_id[..] && leg.knows_tag(&remote_tag)).then_some(dialog)
    }

    pub(super) fn handle_dialog_request(
        &mut self,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let Some(dialog) = self.dialog_of(request) else {
            return self.handle_stray_request(id, flow, request, now);
        };
        if self.may_speak(dialog, flow) {
            self.handle_request_in(dialog, id, flow, request, now);
        } else if !self.asks_for_proof(dialog, id, flow, request, now) {
            self.handle_stray_request(id, flow, request, now);
        }
    }

    /// A request of whom the dialog is with.
    pub(super) fn handle_request_in(
        &mut self,
        dialog: DialogId,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return self.reply(id, 481, &[], now) };
        if leg.ended {
            // A BYE that crosses ours finds what it wants.
            let status = if request.method == Method::Bye { 200 } else { 481 };
            return self.reply(id, status, &[], now);
        }
        let cseq = wire::cseq(&request.headers).map_or(0, |(number, _)| number);
        let last = leg.remote_cseq_of(&wire::tag_of::<From>(&request.headers));
        if last.is_some_and(|last| cseq <= last) {
            return self.reply(id, 500, &[], now);
        }
        *last = Some(cseq);
        self.follow(dialog, flow);
        self.exchange.bind(id, dialog);
        self.note_abilities(dialog, &request.headers);
        match request.method {
            Method::Invite => self.handle_reinvite(dialog, id, request, now),
            Method::Update => self.handle_update(dialog, id, request, now),
            Method::Bye => self.handle_bye(dialog, id, request, now),
            Method::Info => self.handle_info(dialog, id, request, now),
            Method::Options => self.reply_capabilities(id, now),
            Method::Notify => self.reply(id, 481, &[], now),
            _ => self.handle_extension(dialog, id, request, now),
        }
    }

    /// Notes what a message from the peer says about its abilities.
    pub(super) fn note_abilities(&mut self, dialog: DialogId, headers: &Headers) {
        if let Some(leg) = self.legs.get_mut(&dialog).filter(|_| headers.get(&HeaderName::Allow).is_some()) {
            leg.peer_allows_update = wire::allows_update(headers);
        }
    }

    /// Whether a message by this flow may act on a dialog: it is the dialog's own, or has the same [`Owner`], which
    /// somebody has proved.
    pub(super) fn may_speak(&self, dialog: DialogId, flow: FlowId) -> bool {
        let Some(leg) = self.legs.get(&dialog) else { return false };
        let is_owners = leg.owner != Owner::Unproved && self.exchange.owner(flow) == Some(&leg.owner);
        leg.flow() == flow || is_owners
    }

    /// The peer has spoken by this flow, and passed every check: the dialog follows it there.
    pub(super) fn follow(&mut self, dialog: DialogId, flow: FlowId) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| leg.flow() != flow) else { return };
        leg.info.flow = flow;
        if !leg.ended {
            self.events.push_back(Event::Moved { dialog, flow });
        }
    }

    fn handle_reinvite(&mut self, dialog: DialogId, id: TransactionId, request: &Request, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        match leg.info.state {
            DialogState::Calling | DialogState::Early => return self.reply(id, 491, &[], now),
            DialogState::Offered => return self.reply_later(id, now),
            DialogState::Answered | DialogState::Confirmed => {}
        }
        if let Some(least) = self.session_refusal(request) {
            return self.reply(id, 422, &[(HeaderName::MinSe, &least)], now);
        }
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        // Who sends the next INVITE has seen our 2xx, though its ACK was lost; but not an answer in that ACK.
        match leg.unacked.as_ref().map(|answer| answer.is_offer) {
            Some(true) => return self.reply(id, 491, &[], now),
            Some(false) => self.acknowledged(dialog, None, now),
            None => {}
        }
        self.handle_offer(dialog, id, request, now);
    }

    fn handle_update(&mut self, dialog: DialogId, id: TransactionId, request: &Request, now: Instant) {
        if let Some(least) = self.session_refusal(request) {
            return self.reply(id, 422, &[(HeaderName::MinSe, &least)], now);
        }
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if !request.body().is_empty() {
            return match leg.info.state {
                DialogState::Calling | DialogState::Early => self.reply(id, 491, &[], now),
                DialogState::Offered => self.reply_later(id, now),
                DialogState::Answered | DialogState::Confirmed => self.handle_offer(dialog, id, request, now),
            };
        }
        if let Some(target) = contact(&request.headers) {
            leg.retarget(&wire::tag_of::<From>(&request.headers), target);
        }
        let mut response = self.dialog_response(dialog, request, 200, None, None);
        self.agree_session(dialog, request, &mut response, now);
        self.respond_in_dialog(dialog, id, response, now);
        self.send_next_offer(dialog, now);
    }

    /// An offer, or the wish for one, by re-INVITE or UPDATE.
    fn handle_offer(&mut self, dialog: DialogId, id: TransactionId, request: &Request, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if leg.incoming.is_some() {
            return self.reply_later(id, now);
        }
        if matches!(leg.outgoing, Some(OutgoingOffer::Sent { .. })) || leg.unsent_ack.is_some() {
            return self.reply(id, 491, &[], now);
        }
        if !self.accepts_body(id, request, now) {
            return;
        }
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.incoming = Some(IncomingOffer { transaction: id, request: Box::new(request.clone()) });
        }
        let sdp = wire::sdp_of(&request.headers, request.body());
        self.events.push_back(Event::Offer { dialog, sdp });
    }

    pub(super) fn accept_offer(&mut self, dialog: DialogId, sdp: &str, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(IncomingOffer { transaction, request }) = leg.incoming.take() else { return };
        if let Some(target) = contact(&request.headers) {
            leg.peer.target = target;
        }
        leg.server.describe(sdp);
        let mut response = self.dialog_response(dialog, &request, 200, None, Some(sdp));
        self.agree_session(dialog, &request, &mut response, now);
        let bytes = self.respond_in_dialog(dialog, transaction, response, now);
        if request.method == Method::Invite {
            self.await_ack(dialog, &request, bytes, now);
        }
        self.send_next_offer(dialog, now);
    }

    pub(super) fn reject_offer(&mut self, dialog: DialogId, status: u16, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(IncomingOffer { transaction, request }) = leg.incoming.take() else { return };
        let status = if (300..=699).contains(&status) { status } else { 488 };
        let response = self.dialog_response(dialog, &request, status, None, None);
        self.respond_in_dialog(dialog, transaction, response, now);
        self.send_next_offer(dialog, now);
    }

    fn handle_bye(&mut self, dialog: DialogId, id: TransactionId, request: &Request, now: Instant) {
        self.reply(id, 200, &[], now);
        let tag = wire::tag_of::<From>(&request.headers);
        if self.legs.get_mut(&dialog).is_some_and(|leg| leg.is_calling() && leg.leave_fork(&tag)) {
            return;
        }
        let reason = wire::text_of(&request.headers, &HeaderName::Reason);
        let state = self.legs.get(&dialog).map(|leg| leg.info.state);
        let status = (state == Some(DialogState::Offered)).then_some(487);
        if status.is_some() {
            self.respond_to_invitation(dialog, 487, None, &[], None, now);
        }
        self.end(dialog, EndedBy::Remote, status, reason, now);
    }

    fn handle_info(&mut self, dialog: DialogId, id: TransactionId, request: &Request, now: Instant) {
        self.reply(id, 200, &[], now);
        let content_type = wire::media_type(&request.headers);
        self.events.push_back(Event::Info { dialog, content_type, body: request.body().to_vec() });
    }

    /// Another request of the same kind is not done with yet (RFC 3261 §14.2, RFC 3311 §5.2).
    pub(super) fn reply_later(&mut self, id: TransactionId, now: Instant) {
        let seconds = self.exchange.below(11).to_string();
        self.reply(id, 500, &[(HeaderName::RetryAfter, &seconds)], now);
    }

    pub(super) fn send_info(&mut self, dialog: DialogId, content_type: &str, body: &str, now: Instant) {
        let states = [DialogState::Early, DialogState::Answered, DialogState::Confirmed];
        let Some(_) = self.live_leg(dialog, &states) else { return };
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let draft = leg.draft(&mut self.exchange, Method::Info);
        let request = draft.finish(Some(content_type), body.as_bytes());
        let flow = leg.flow();
        self.exchange.request(flow, request, Purpose::Info(dialog), now);
    }

    /// Sends an UPDATE without an offer; says whether it could be sent.
    pub(super) fn send_update(
        &mut self,
        dialog: DialogId,
        headers: &[(String, String)],
        now: Instant,
    ) -> bool {
        let states = [DialogState::Early, DialogState::Answered, DialogState::Confirmed];
        let Some(_) = self.live_leg(dialog, &states).filter(|leg| leg.peer_allows_update) else {
            return false;
        };
        let Some(leg) = self.legs.get_mut(&dialog) else { return false };
        let draft = leg.draft(&mut self.exchange, Method::Update);
        let request = leg.with_session(&self.exchange, draft).extra(headers).finish(None, b"");
        let flow = leg.flow();
        self.exchange.request(flow, request, Purpose::Update(dialog), now).is_some()
    }

    /// Asks the peer by OPTIONS whether it still knows the dialog (RFC 3261 §11, RFC 5057 §5.3).
    pub(super) fn send_probe(&mut self, dialog: DialogId, now: Instant) {
        let states = [DialogState::Early, DialogState::Answered, DialogState::Confirmed];
        let Some(_) = self.live_leg(dialog, &states) else { return };
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let request = leg.draft(&mut self.exchange, Method::Options).finish(None, b"");
        let flow = leg.flow();
        self.exchange.request(flow, request, Purpose::Probe(dialog), now);
    }

    /// A response to an INFO, OPTIONS, UPDATE or BYE of ours.
    pub(super) fn handle_dialog_response(
        &mut self,
        purpose: Purpose,
        dialog: DialogId,
        mut request: Request,
        response: &Response,
        now: Instant,
    ) {
        let is_longer = self.longer_session(dialog, &mut request, response);
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        match response.status.code() {
            100..=199 => {}
            status @ (401 | 407 | 422)
                if is_longer || (status != 422 && challenged(&mut leg.auth, response)) =>
            {
                leg.local_cseq += 1;
                let (flow, sequence) = (leg.flow(), leg.local_cseq);
                let request = self.authorized(dialog, request);
                self.exchange.request_again(flow, request, sequence, purpose, now);
            }
            481 => self.end(dialog, EndedBy::Remote, None, None, now),
            200..=299 if matches!(purpose, Purpose::Update(_)) => {
                leg.auth.accepted();
                if let Some(target) = contact(&response.headers) {
                    leg.retarget(&wire::tag_of::<To>(&response.headers), target);
                }
                self.note_abilities(dialog, &response.headers);
                self.adopt_session(dialog, response, now);
            }
            status if matches!(purpose, Purpose::Update(_)) => self.refresh_failed(dialog, status, now),
            // sent by somebody on the way who did not reach the peer
            408 => {}
            _ => {
                leg.auth.accepted();
                if matches!(purpose, Purpose::Probe(_)) && !leg.ended {
                    self.events.push_back(Event::Alive { dialog });
                }
            }
        }
    }

    pub(super) fn hang_up(&mut self, dialog: DialogId, reason: Option<Reason>, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        let headers: Vec<_> =
            reason.map(|reason| ("Reason".to_owned(), reason.to_string())).into_iter().collect();
        match leg.info.state {
            DialogState::Calling | DialogState::Early => self.give_up_call(dialog, &headers, now),
            DialogState::Offered => self.send_refusal(dialog, 480, None, &headers, now),
            DialogState::Answered => {
                leg.bye_after_ack = Some(headers);
                self.end(dialog, EndedBy::Local, None, None, now);
            }
            DialogState::Confirmed => {
                self.settle_ack(dialog, None);
                self.send_bye(dialog, &headers, now);
                self.end(dialog, EndedBy::Local, None, None, now);
            }
        }
    }

    pub(super) fn send_bye(&mut self, dialog: DialogId, headers: &[(String, String)], now: Instant) {
        if let Some(leg) = self.legs.get(&dialog) {
            let peer = leg.peer.clone();
            self.send_bye_to(dialog, &peer, headers, now);
        }
    }

    /// Sends a BYE to the dialog's peer, or to another that has answered the same INVITE.
    pub(super) fn send_bye_to(
        &mut self,
        dialog: DialogId,
        peer: &Peer,
        headers: &[(String, String)],
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        leg.local_cseq += 1;
        let draft = leg.draft_to(&mut self.exchange, peer, Method::Bye, leg.local_cseq);
        let mut request = draft.extra(headers).finish(None, b"");
        let flow = leg.flow();
        let cnonce = self.exchange.token();
        super::caller::add_authorization(&mut leg.auth, &mut request, &cnonce);
        self.exchange.request(flow, request, Purpose::Bye(dialog), now);
    }
}
