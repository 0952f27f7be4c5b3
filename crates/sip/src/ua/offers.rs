//! Offers of ours inside a dialog: re-INVITE, glare, and the peer's answer (RFC 3261 §14.1).

use sipx_sip::headers::To;
use sipx_sip::message::{Method, Request, Response};
use timing::{Deadline, Duration, Instant};

use super::UserAgent;
use super::caller::challenged;
use super::exchange::{PATIENCE, Purpose, TransactionId, Wake};
use super::leg::{NextOffer, OutgoingOffer, UnsentAck};
use super::peer::contact;
use crate::config::DialogId;
use crate::dialog::DialogState;
use crate::error::WrongState;
use crate::event::{EndedBy, Event};
use crate::wire;

/// Glare that lasts longer than this is no accident.
const MAX_GLARE_RETRIES: u8 = 8;

impl UserAgent {
    pub(super) fn send_offer(
        &mut self,
        dialog: DialogId,
        offer: NextOffer,
        now: Instant,
    ) -> Result<(), WrongState> {
        let wrong_state = self.wrong_state(dialog);
        let leg = self
            .live_leg(dialog, &[DialogState::Answered, DialogState::Confirmed])
            .filter(|leg| leg.incoming.is_none() && leg.next_offer.is_none() && leg.unsent_ack.is_none())
            .filter(|leg| leg.outgoing.as_ref().is_none_or(OutgoingOffer::is_refresh))
            .ok_or(wrong_state)?;
        leg.next_offer = Some(offer);
        self.send_next_offer(dialog, now);
        Ok(())
    }

    /// Sends the offer that has waited for an ACK, or for a refresh, where nothing is in its way any more.
    pub(super) fn send_next_offer(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        let is_free = leg.unacked.is_none() && leg.outgoing.is_none() && leg.incoming.is_none();
        if let Some(offer) = leg.next_offer.take_if(|_| is_free) {
            self.send_reinvite(dialog, &offer, false, now);
        }
    }

    pub(super) fn send_reinvite(
        &mut self,
        dialog: DialogId,
        offer: &NextOffer,
        is_refresh: bool,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let draft = leg.draft(&mut self.exchange, Method::Invite);
        let draft = leg.with_session(&self.exchange, draft).extra(&offer.headers);
        let draft = if offer.sdp.is_empty() { self.exchange.without_100rel(draft) } else { draft };
        let content_type = (!offer.sdp.is_empty()).then_some("application/sdp");
        let request = draft.finish(content_type, offer.sdp.as_bytes());
        let flow = leg.flow();
        let sent = self.exchange.request(flow, request, Purpose::Reinvite(dialog), now);
        self.offer_sent(dialog, sent, (0, is_refresh), now);
    }

    /// Sends a re-INVITE once more, after a challenge or glare.
    fn send_reinvite_again(&mut self, dialog: DialogId, request: Request, attempt: (u8, bool), now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        leg.local_cseq += 1;
        let (flow, sequence) = (leg.flow(), leg.local_cseq);
        let request = self.authorized(dialog, request);
        let sent = self.exchange.request_again(flow, request, sequence, Purpose::Reinvite(dialog), now);
        self.offer_sent(dialog, sent, attempt, now);
    }

    fn offer_sent(
        &mut self,
        dialog: DialogId,
        sent: Option<TransactionId>,
        (retries, is_refresh): (u8, bool),
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        leg.outgoing = Some(OutgoingOffer::Sent { retries, is_refresh, cancelled: false });
        leg.reinvite = sent;
        if sent.is_none() {
            return self.finish_offer(dialog, 503, now);
        }
        self.exchange
            .wakes
            .set(Wake::Unsettled(dialog), Deadline::new(now + PATIENCE, "unsettled re-INVITE"));
    }

    /// A peer that only ever says 100 to a re-INVITE gets a CANCEL, and if that helps nothing, is not heeded.
    pub(super) fn give_up_offer(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        let Some(OutgoingOffer::Sent { cancelled, .. }) = &mut leg.outgoing else { return };
        let Some(reinvite) = leg.reinvite else { return };
        if !std::mem::replace(cancelled, true) {
            let flow = leg.flow();
            self.cancel_transaction(flow, reinvite, &[], now);
            let deadline = Deadline::new(now + PATIENCE, "cancelled re-INVITE");
            return self.exchange.wakes.set(Wake::Unsettled(dialog), deadline);
        }
        self.exchange.drop_transaction(reinvite);
        self.finish_offer(dialog, 408, now);
    }

    pub(super) fn handle_offer_response(
        &mut self,
        dialog: DialogId,
        mut request: Request,
        response: &Response,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let is_refresh = leg.outgoing.as_ref().is_some_and(OutgoingOffer::is_refresh);
        match response.status.code() {
            100 => {}
            101..=199 => drop(self.acknowledge_progress(dialog, response, now)),
            200..=299 => self.handle_offer_answer(dialog, &request, response, now),
            _ if leg.ended => {}
            491 => self.wait_out_glare(dialog, request, now),
            401 | 407 if challenged(&mut leg.auth, response) => {
                self.send_reinvite_again(dialog, request, (0, is_refresh), now);
            }
            481 => self.end(dialog, EndedBy::Remote, None, None, now),
            422 if self.longer_session(dialog, &mut request, response) => {
                self.send_reinvite_again(dialog, request, (0, is_refresh), now);
            }
            status => self.finish_offer(dialog, status, now),
        }
    }

    fn handle_offer_answer(
        &mut self,
        dialog: DialogId,
        request: &Request,
        response: &Response,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let cseq = wire::cseq(&request.headers).map_or(0, |(number, _)| number);
        let tag = wire::tag_of::<To>(&response.headers);
        if let Some(ack) = leg.sent_ack(cseq, &tag) {
            let (flow, bytes) = (leg.flow(), ack.bytes.clone());
            return self.exchange.send(flow, bytes);
        }
        if leg.waits_for_ack(cseq, &tag) {
            return;
        }
        if let Some(target) = contact(&response.headers) {
            leg.peer.target = target;
        }
        leg.auth.accepted();
        let is_refresh = leg.outgoing.take().is_some_and(|outgoing| outgoing.is_refresh());
        let (peer, ended) = (leg.peer.clone(), leg.ended);
        let sdp = wire::sdp_of(&response.headers, response.body());
        let sdp = self.answer_of(dialog, cseq, &tag, sdp);
        self.note_abilities(dialog, &response.headers);
        self.adopt_session(dialog, response, now);
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if let Some(ours) = wire::sdp_of(&request.headers, request.body()) {
            leg.server.describe(&ours);
        }
        let is_offer = request.body().is_empty() && sdp.is_some() && !ended;
        if is_offer {
            leg.unsent_ack = Some(UnsentAck { peer, cseq, tag, invite: request.headers.clone() });
        } else {
            self.acknowledge(dialog, &peer, cseq, tag, &request.headers, None);
        }
        if !ended && !is_refresh {
            self.events.push_back(match sdp {
                Some(sdp) => Event::OfferAnswered { dialog, sdp },
                None => Event::OfferRefused { dialog, status: 488 },
            });
        }
        self.send_next_offer(dialog, now);
    }

    /// Sends the ACK that has waited for the application's answer; without one where there will be none.
    pub(super) fn settle_ack(&mut self, dialog: DialogId, sdp: Option<&str>) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if let Some(UnsentAck { peer, cseq, tag, invite }) = leg.unsent_ack.take() {
            leg.server.describe(sdp.unwrap_or_default());
            self.acknowledge(dialog, &peer, cseq, tag, &invite, sdp);
        }
    }

    /// Both sides have offered at once: the owner of the Call-ID waits longer (RFC 3261 §14.1).
    fn wait_out_glare(&mut self, dialog: DialogId, request: Request, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(OutgoingOffer::Sent { retries, is_refresh, .. }) = leg.outgoing else { return };
        let retries = retries + 1;
        if retries > MAX_GLARE_RETRIES {
            return self.finish_offer(dialog, 491, now);
        }
        let is_owner = leg.is_outbound();
        leg.outgoing = Some(OutgoingOffer::Glare { request: Box::new(request), retries, is_refresh });
        let hundredths = if is_owner { 210 + self.exchange.below(191) } else { self.exchange.below(201) };
        let deadline = Deadline::new(now + Duration::from_millis(hundredths * 10), "re-INVITE after glare");
        self.exchange.wakes.set(Wake::Glare(dialog), deadline);
    }

    pub(super) fn reinvite_again(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        if leg.incoming.is_some() || leg.unacked.is_some() {
            let deadline = Deadline::new(now + Duration::from_millis(500), "re-INVITE after glare");
            return self.exchange.wakes.set(Wake::Glare(dialog), deadline);
        }
        if let Some(OutgoingOffer::Glare { request, retries, is_refresh }) = leg.outgoing.take() {
            self.send_reinvite_again(dialog, *request, (retries, is_refresh), now);
        }
    }

    /// Our offer has failed for good.
    pub(super) fn finish_offer(&mut self, dialog: DialogId, status: u16, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        match leg.outgoing.take() {
            None => {}
            Some(outgoing) if outgoing.is_refresh() => self.refresh_failed(dialog, status, now),
            Some(_) => self.events.push_back(Event::OfferRefused { dialog, status }),
        }
        self.send_next_offer(dialog, now);
    }
}
