//! Provisional responses that arrive: 100rel and PRACK, in both directions (RFC 3262).

use std::collections::VecDeque;

use sipx_sip::HeaderName;
use sipx_sip::headers::To;
use sipx_sip::message::{Method, Request, Response};
use sipx_sip::rel::{self, Numbering, Offered, RAck, RSeq, Received, Reliability, Sequence};
use timing::{Deadline, Duration, Instant};

use super::super::UserAgent;
use super::super::caller::{add_authorization, challenged};
use super::super::exchange::{PATIENCE, Purpose, T1, T2, TransactionId, Wake};
use super::super::leg::IncomingOffer;
use super::{Extensions, ServerPurpose, ServerWake};
use crate::config::DialogId;
use crate::dialog::DialogState;
use crate::event::{EndedBy, Event};
use crate::wire;

/// More provisional responses than that, none of them acknowledged, say nothing new.
const MAX_QUEUED: usize = 8;

/// Reliable provisional responses to an INVITE that has come in.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The number of that INVITE.
    cseq: u32,
    numbering: Numbering,
    /// The one that waits for its PRACK, until a final response has gone out.
    sent: Option<Sent>,
    /// What may only follow it (RFC 3262 §3).
    queue: VecDeque<(u16, Option<String>)>,
    /// Whether one with a session description has gone out.
    is_described: bool,
    /// Whether that one is acknowledged.
    is_agreed: bool,
    /// The answer of the application, which may not overtake our session description.
    answer: Option<String>,
}

#[derive(Debug)]
struct Sent {
    response: Response,
    has_sdp: bool,
    interval: Duration,
    until: Instant,
}

/// Reliable provisional responses that have come in, to one INVITE of ours by one branch.
#[derive(Debug)]
pub(super) struct Incoming {
    cseq: u32,
    tag: Vec<u8>,
    sequence: Sequence,
    /// The first session description, which is the answer to our offer (RFC 3261 §13.2.1).
    sdp: Option<String>,
}

impl Extensions {
    /// Whether the session was agreed upon before the 2xx.
    pub(in crate::ua) fn is_agreed(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.is_agreed)
    }
}

/// The callee's side.
impl UserAgent {
    /// Sends a provisional response reliably where the caller wants that; says whether it was so.
    pub(in crate::ua) fn progress_reliably(
        &mut self,
        dialog: DialogId,
        status: u16,
        sdp: Option<&str>,
        now: Instant,
    ) -> bool {
        let is_server = self.exchange.is_server();
        let Some(leg) = self.live_leg(dialog, &[DialogState::Offered]) else { return false };
        let Some(invitation) = &leg.invitation else { return false };
        let is_reliable = match rel::reliability(Offered::in_request(invitation), is_server) {
            Reliability::Required => true,
            Reliability::Permitted => sdp.is_some(),
            Reliability::Forbidden | Reliability::Refuse => false,
        };
        if !is_reliable {
            return false;
        }
        let cseq = wire::cseq(&invitation.headers).map_or(0, |(number, _)| number);
        if leg.server.progress.is_none() {
            let first = u32::try_from(1 + self.exchange.below(u64::from(rel::MAX_FIRST_RSEQ))).unwrap_or(1);
            leg_mut(self, dialog, |extensions| {
                extensions.progress = Some(Box::new(Outgoing {
                    cseq,
                    numbering: Numbering::starting_at(first),
                    sent: None,
                    queue: VecDeque::new(),
                    is_described: false,
                    is_agreed: false,
                    answer: None,
                }));
            });
        }
        leg_mut(self, dialog, |extensions| {
            let Some(progress) = extensions.progress.as_mut() else { return };
            // one description is enough: another would be an offer
            let sdp = sdp.filter(|_| !progress.is_described).map(str::to_owned);
            if let Some(sdp) = &sdp {
                extensions.sdp.clone_from(sdp);
                progress.is_described = true;
            }
            if progress.answer.is_none() && progress.queue.len() < MAX_QUEUED {
                progress.queue.push_back((status, sdp));
            }
        });
        self.send_next_progress(dialog, now);
        true
    }

    fn send_next_progress(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.live_leg(dialog, &[DialogState::Offered]) else { return };
        let (Some(id), Some(invitation)) = (leg.invite, leg.invitation.clone()) else { return };
        let Some(progress) = leg.server.progress.as_mut().filter(|progress| !progress.queue.is_empty())
        else {
            return;
        };
        let Some(rseq) = progress.numbering.allocate() else { return };
        let Some((status, sdp)) = progress.queue.pop_front() else { return };
        let mut response = self.dialog_response(dialog, &invitation, status, None, sdp.as_deref());
        wire::set(&mut response.headers, HeaderName::Require, rel::OPTION_TAG);
        wire::set(&mut response.headers, HeaderName::RSeq, rseq.to_string());
        self.respond_in_dialog(dialog, id, response.clone(), now);
        let sent = Sent { response, has_sdp: sdp.is_some(), interval: T1, until: now + PATIENCE };
        leg_mut(self, dialog, |extensions| {
            if let Some(progress) = &mut extensions.progress {
                progress.sent = Some(sent);
            }
        });
        let deadline = Deadline::new(now + T1, "reliable provisional response");
        self.exchange.wakes.set(Wake::Server(ServerWake::Progress(dialog)), deadline);
    }

    /// A reliable provisional response goes out once more, or is given up, and the call with it.
    pub(super) fn repeat_progress(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.live_leg(dialog, &[DialogState::Offered]) else { return };
        let (flow, Some(id)) = (leg.flow(), leg.invite) else { return };
        let is_lost = self.exchange.transport(flow).is_none();
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(sent) = leg.server.progress.as_mut().and_then(|progress| progress.sent.as_mut()) else {
            return;
        };
        if is_lost {
            // neither it nor its PRACK could arrive: the wait begins anew, soon after the flow is back
            sent.interval = T2 / 2;
            sent.until = now + PATIENCE + T2;
        } else if now >= sent.until {
            self.respond_to_invitation(dialog, 504, None, &[], None, now);
            return self.end(dialog, EndedBy::NoAck, Some(504), None, now);
        }
        sent.interval = (sent.interval * 2).min(PATIENCE);
        let (at, response) = ((now + sent.interval).min(sent.until), sent.response.clone());
        self.respond_in_dialog(dialog, id, response, now);
        let deadline = Deadline::new(at.max(now + T1), "reliable provisional response");
        self.exchange.wakes.set(Wake::Server(ServerWake::Progress(dialog)), deadline);
    }

    pub(super) fn handle_prack(
        &mut self,
        dialog: DialogId,
        id: TransactionId,
        request: &Request,
        now: Instant,
    ) {
        let Some(Ok(rack)) = request.headers.typed::<RAck>() else { return self.reply(id, 400, &[], now) };
        if !self.accepts_body(id, request, now) {
            return;
        }
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(progress) = leg.server.progress.as_mut() else { return self.reply(id, 481, &[], now) };
        if !progress.numbering.acknowledge(&rack, progress.cseq, b"INVITE") {
            return self.reply(id, 481, &[], now);
        }
        let had_sdp = progress.sent.take().is_some_and(|sent| sent.has_sdp);
        progress.is_agreed |= had_sdp;
        self.exchange.wakes.cancel(&Wake::Server(ServerWake::Progress(dialog)));
        self.settle_prack(dialog, id, request, had_sdp, now);
        self.after_prack(dialog, now);
    }

    /// Answers a PRACK that has found its response, and takes the session description in it.
    fn settle_prack(
        &mut self,
        dialog: DialogId,
        id: TransactionId,
        request: &Request,
        had_sdp: bool,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let sdp = wire::sdp_of(&request.headers, request.body());
        if had_sdp && leg.is_late_offer {
            self.reply(id, 200, &[], now);
            return self.events.push_back(match sdp {
                Some(sdp) => Event::OfferAnswered { dialog, sdp },
                None => Event::OfferRefused { dialog, status: 488 },
            });
        }
        match sdp {
            None => self.reply(id, 200, &[], now),
            Some(_) if leg.incoming.is_some() => self.reply_later(id, now),
            Some(_) => {
                leg.incoming = Some(IncomingOffer { transaction: id, request: Box::new(request.clone()) });
                self.events.push_back(Event::Offer { dialog, sdp });
            }
        }
    }

    /// What has waited for a PRACK goes out.
    fn after_prack(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.live_leg(dialog, &[DialogState::Offered]) else { return };
        let answer = leg.server.progress.as_mut().and_then(|progress| progress.answer.take());
        match answer {
            Some(sdp) => drop(self.send_answer(dialog, &sdp, now)),
            None => self.send_next_progress(dialog, now),
        }
    }

    /// Keeps an answer back while a session description of ours is not acknowledged (RFC 3262 §3).
    ///
    /// Says whether it was kept, or false where one is kept already; nothing where none has to be.
    pub(in crate::ua) fn postpone_answer(&mut self, dialog: DialogId, sdp: &str) -> Option<bool> {
        let progress = self.legs.get_mut(&dialog)?.server.progress.as_mut()?;
        if progress.answer.is_some() {
            return Some(false);
        }
        let is_open = progress.sent.as_ref().is_some_and(|sent| sent.has_sdp)
            || progress.queue.iter().any(|(_, sdp)| sdp.is_some());
        if !is_open {
            return None;
        }
        progress.answer = Some(sdp.to_owned());
        // what says less than the answer need not be said any more
        progress.queue.retain(|(_, sdp)| sdp.is_some());
        Some(true)
    }

    /// A final response is out: nothing provisional follows it.
    pub(in crate::ua) fn stop_progress(&mut self, dialog: DialogId) {
        self.exchange.wakes.cancel(&Wake::Server(ServerWake::Progress(dialog)));
        leg_mut(self, dialog, |extensions| {
            if let Some(progress) = &mut extensions.progress {
                progress.sent = None;
                progress.queue.clear();
                progress.answer = None;
            }
        });
    }
}

/// The caller's side.
impl UserAgent {
    /// Acknowledges a provisional response that asks for it; says whether it is to be taken at all, which one
    /// that comes again or too early is not (RFC 3262 §4).
    pub(in crate::ua) fn acknowledge_progress(
        &mut self,
        dialog: DialogId,
        response: &Response,
        now: Instant,
    ) -> bool {
        let asks = wire::tokens(&response.headers, &HeaderName::Require)
            .iter()
            .any(|option| option.eq_ignore_ascii_case(rel::OPTION_TAG));
        let (true, Some(Ok(RSeq(rseq)))) = (asks, response.headers.typed::<RSeq>()) else { return true };
        let Some((cseq, _)) = wire::cseq(&response.headers) else { return true };
        let tag = wire::tag_of::<To>(&response.headers);
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return true };
        let Some(peer) = leg.branch(&tag).cloned() else { return true };
        let received = &mut leg.server.received;
        received.retain(|incoming| incoming.cseq == cseq);
        let known = received.iter().position(|incoming| incoming.tag == tag);
        let place = known.unwrap_or_else(|| {
            received.push(Incoming { cseq, tag, sequence: Sequence::default(), sdp: None });
            received.len() - 1
        });
        let incoming = &mut received[place];
        if incoming.sequence.accept(rseq) != Received::Acknowledge {
            return false;
        }
        if incoming.sdp.is_none() {
            incoming.sdp = wire::sdp_of(&response.headers, response.body());
        }
        leg.local_cseq += 1;
        let draft = leg.draft_to(&mut self.exchange, &peer, Method::Prack, leg.local_cseq);
        let mut request = draft.header(HeaderName::RAck, format!("{rseq} {cseq} INVITE")).finish(None, b"");
        let (flow, cnonce) = (leg.flow(), self.exchange.token());
        add_authorization(&mut leg.auth, &mut request, &cnonce);
        self.exchange.request(flow, request, Purpose::Server(ServerPurpose::Prack(dialog)), now);
        true
    }

    /// A PRACK is answered: nothing follows, except where it was challenged.
    pub(super) fn handle_pracked(
        &mut self,
        dialog: DialogId,
        request: Request,
        response: &Response,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        match response.status.code() {
            200..=299 => leg.auth.accepted(),
            401 | 407 if challenged(&mut leg.auth, response) => {
                leg.local_cseq += 1;
                let (flow, sequence) = (leg.flow(), leg.local_cseq);
                let request = self.authorized(dialog, request);
                let purpose = Purpose::Server(ServerPurpose::Prack(dialog));
                self.exchange.request_again(flow, request, sequence, purpose, now);
            }
            _ => {}
        }
    }

    /// The peer's answer to an offer of ours: what a reliable provisional response has said first, else what
    /// the 2xx says.
    pub(in crate::ua) fn answer_of(
        &mut self,
        dialog: DialogId,
        cseq: u32,
        tag: &[u8],
        sdp: Option<String>,
    ) -> Option<String> {
        let received = self.legs.get_mut(&dialog).map(|leg| std::mem::take(&mut leg.server.received));
        let mut received = received.unwrap_or_default().into_iter();
        let ours = received.find(|incoming| incoming.cseq == cseq && incoming.tag == tag);
        ours.and_then(|incoming| incoming.sdp).or(sdp)
    }
}

fn leg_mut(agent: &mut UserAgent, dialog: DialogId, change: impl FnOnce(&mut Extensions)) {
    if let Some(leg) = agent.legs.get_mut(&dialog) {
        change(&mut leg.server);
    }
}
