//! Calls that go out: the INVITE, its responses, giving up (RFC 3261 §13.2, §9.1).

use bytes::Bytes;
use sipx_sip::headers::To;
use sipx_sip::message::{Headers, Message, Method, Request, Response};
use sipx_sip::{HeaderName, Uri};
use timing::{Deadline, Instant};

use super::UserAgent;
use super::exchange::{PATIENCE, Purpose, TransactionId, Wake};
use super::inbound::AUTO_ANSWER;
use super::leg::{Cancel, Leg, SentAck, UnsentAck, authorization_header};
use super::peer::Peer;
use crate::config::{DialogId, FlowId, OutboundInvite};
use crate::dialog::{DialogInfo, DialogState, Direction};
use crate::digest::{ChallengeFrom, ClientAuth};
use crate::event::{EndedBy, Event};
use crate::wire;

impl UserAgent {
    pub(super) fn start_call(&mut self, dialog: DialogId, invite: OutboundInvite, now: Instant) {
        let refused = |status, reason: &str| EndedBy::Refused {
            status,
            reason: reason.to_owned(),
            contacts: Vec::new(),
        };
        let failure = match self.send_invite(dialog, invite, now) {
            Ok(()) => return,
            Err(status @ 503) => (status, refused(status, "the flow is closed")),
            Err(status) => (status, refused(status, "not a SIP address")),
        };
        let (status, by) = failure;
        self.events.push_back(Event::Ended { dialog, by, status: Some(status), reason_header: None });
    }

    /// The error is the status of the refusal.
    fn send_invite(&mut self, dialog: DialogId, invite: OutboundInvite, now: Instant) -> Result<(), u16> {
        let target = parse_uri(&invite.target)?;
        let from = address(invite.from_name.as_deref(), &invite.from_user, &invite.from_host)?;
        let to = address(None, &invite.to_user, &invite.to_host)?;
        let owner = self.exchange.owner(invite.flow).cloned().ok_or(503_u16)?;
        let local_tag = self.exchange.token();
        let call_id = self.exchange.token();
        let info = DialogInfo {
            id: dialog,
            flow: invite.flow,
            direction: Direction::Outbound,
            state: DialogState::Calling,
            sip_call_id: call_id.clone(),
            local_tag: local_tag.clone(),
            remote_tag: None,
            remote_user: invite.to_user,
            remote_name: None,
        };
        let local = [&from[..], b";tag=", local_tag.as_bytes()].concat();
        let peer = Peer { address: to, tag: None, target, routes: Vec::new() };
        let mut leg = Leg::new(info, owner, local.into(), peer, call_id.into(), invite.from_user);
        leg.auth = ClientAuth::new(invite.credentials);
        leg.is_late_offer = invite.sdp.is_empty();
        leg.server.describe(&invite.sdp);
        let draft = leg.draft(&mut self.exchange, Method::Invite);
        let mut draft = leg.with_session(&self.exchange, draft);
        if leg.is_late_offer {
            draft = self.exchange.without_100rel(draft);
        }
        if invite.auto_answer {
            draft = draft.header(HeaderName::AlertInfo, AUTO_ANSWER);
        }
        let content_type = (!invite.sdp.is_empty()).then_some("application/sdp");
        let request = draft.extra(&invite.headers).finish(content_type, invite.sdp.as_bytes());
        leg.invite_cseq = leg.local_cseq;
        leg.invite = self.exchange.request(invite.flow, request, Purpose::Invite(dialog), now);
        self.insert_leg(leg);
        Ok(())
    }

    pub(super) fn handle_invite_response(
        &mut self,
        dialog: DialogId,
        request: Request,
        response: &Response,
        now: Instant,
    ) {
        match response.status.code() {
            100 => self.cancel_if_wanted(dialog, now),
            status @ 101..=199 => self.handle_progress(dialog, status, &request, response, now),
            200..=299 => self.handle_answer(dialog, &request, response, now),
            status => self.handle_refusal(dialog, status, request, response, now),
        }
    }

    fn handle_progress(
        &mut self,
        dialog: DialogId,
        status: u16,
        request: &Request,
        response: &Response,
        now: Instant,
    ) {
        self.cancel_if_wanted(dialog, now);
        let states = [DialogState::Calling, DialogState::Early];
        let Some(leg) = self.live_leg(dialog, &states) else { return };
        leg.info.state = DialogState::Early;
        let tag = wire::tag_of::<To>(&response.headers);
        if !tag.is_empty() {
            let known = leg.branch(&tag).map(|peer| peer.target.clone());
            let target = known.unwrap_or_else(|| request.uri.clone());
            if !leg.enter_fork(Peer::read(&response.headers, &HeaderName::To, target)) {
                return;
            }
        }
        self.note_abilities(dialog, &response.headers);
        if !self.acknowledge_progress(dialog, response, now) {
            return;
        }
        if let Some(leg) = self.legs.get_mut(&dialog).filter(|_| status == 199) {
            leg.leave_fork(&tag);
        }
        let sdp = wire::sdp_of(&response.headers, response.body());
        self.events.push_back(Event::Progress { dialog, status, sdp });
    }

    /// A 2xx: acknowledged always, taken as the answer once, and ended by BYE where nobody wants it.
    fn handle_answer(&mut self, dialog: DialogId, request: &Request, response: &Response, now: Instant) {
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
        let peer = Peer::read(&response.headers, &HeaderName::To, request.uri.clone());
        let is_first = leg.is_calling();
        if is_first {
            leg.choose_fork(peer.clone());
            leg.info.state = DialogState::Confirmed;
            leg.auth.accepted();
        }
        let is_wanted = is_first && !leg.ended;
        let sdp = wire::sdp_of(&response.headers, response.body());
        let sdp = if is_first { self.answer_of(dialog, cseq, &tag, sdp) } else { sdp };
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        if is_wanted && leg.is_late_offer && sdp.is_some() {
            let (peer, invite) = (peer.clone(), request.headers.clone());
            leg.unsent_ack = Some(UnsentAck { peer, cseq, tag, invite });
        } else {
            self.acknowledge(dialog, &peer, cseq, tag, &request.headers, None);
        }
        if is_wanted {
            self.note_abilities(dialog, &response.headers);
            self.adopt_session(dialog, response, now);
            self.events.push_back(Event::Answered { dialog, sdp });
        } else {
            self.send_bye_to(dialog, &peer, &[], now);
        }
    }

    /// Sends the ACK for a 2xx, with the credentials of its INVITE (RFC 3261 §13.2.2.4, §22.1).
    pub(super) fn acknowledge(
        &mut self,
        dialog: DialogId,
        peer: &Peer,
        cseq: u32,
        tag: Vec<u8>,
        invite: &Headers,
        sdp: Option<&str>,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let mut draft = leg.draft_to(&mut self.exchange, peer, Method::Ack, cseq);
        for name in [ChallengeFrom::Peer, ChallengeFrom::Proxy].map(authorization_header) {
            if let Some(value) = invite.value(&name) {
                draft = draft.header(name, value);
            }
        }
        let body = sdp.unwrap_or_default().as_bytes();
        let bytes = wire::bytes_of(&Message::Request(draft.finish(sdp.map(|_| "application/sdp"), body)));
        self.exchange.send(leg.flow(), bytes.clone());
        leg.remember_ack(SentAck { cseq, tag, bytes });
    }

    /// A 2xx that no transaction waits for: one of those is over, or went down with its flow.
    pub(super) fn handle_late_answer(&mut self, flow: FlowId, response: &Response, now: Instant) {
        let local_tag = wire::tag_of::<sipx_sip::headers::From>(&response.headers);
        let dialog = self.by_local_tag.get(&wire::display(&local_tag)).copied();
        let dialog = dialog.filter(|dialog| self.may_speak(*dialog, flow));
        let Some(leg) = dialog.and_then(|dialog| self.legs.get(&dialog)) else { return };
        let dialog = leg.id();
        let call_id = response.headers.value(&HeaderName::CallId).unwrap_or_default();
        let Some((cseq, _)) = wire::cseq(&response.headers) else { return };
        let is_known = leg.sent_ack(cseq, &wire::tag_of::<To>(&response.headers)).is_some();
        let target = leg.peer.target.clone();
        let is_awaited = leg.is_outbound() && leg.is_calling() && cseq == leg.invite_cseq;
        if leg.call_id[..] == call_id[..] && (is_known || is_awaited) {
            self.follow(dialog, flow);
            let mut request = Request::new(Method::Invite, target);
            wire::set(&mut request.headers, HeaderName::CSeq, format!("{cseq} INVITE"));
            self.handle_answer(dialog, &request, response, now);
        }
    }

    fn handle_refusal(
        &mut self,
        dialog: DialogId,
        status: u16,
        mut request: Request,
        response: &Response,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| leg.is_calling()) else { return };
        leg.invite = None;
        let is_challenge = !leg.ended && matches!(status, 401 | 407) && challenged(&mut leg.auth, response);
        if is_challenge || self.longer_session(dialog, &mut request, response) {
            let Some(leg) = self.legs.get_mut(&dialog) else { return };
            // A challenge comes from whoever is on the way: the dialog begins anew with the callee itself.
            leg.peer.tag = None;
            leg.forks.clear();
            leg.info.state = DialogState::Calling;
            leg.local_cseq += 1;
            leg.invite_cseq = leg.local_cseq;
            let (flow, sequence) = (leg.flow(), leg.local_cseq);
            let request = self.authorized(dialog, request);
            let sent = self.exchange.request_again(flow, request, sequence, Purpose::Invite(dialog), now);
            if let Some(leg) = self.legs.get_mut(&dialog) {
                leg.invite = sent;
            }
            return;
        }
        let reason = String::from_utf8_lossy(&response.reason);
        let reason = wire::display(reason.as_bytes());
        let reason_header = wire::text_of(&response.headers, &HeaderName::Reason);
        let contacts =
            if (300..400).contains(&status) { wire::contacts(&response.headers) } else { Vec::new() };
        self.end(dialog, EndedBy::Refused { status, reason, contacts }, Some(status), reason_header, now);
    }

    /// The same request with the answer to the last challenge in it.
    pub(super) fn authorized(&mut self, dialog: DialogId, mut request: Request) -> Request {
        let cnonce = self.exchange.token();
        if let Some(leg) = self.legs.get_mut(&dialog) {
            add_authorization(&mut leg.auth, &mut request, &cnonce);
        }
        request
    }

    /// Gives up an INVITE of ours that has no final response, and says so.
    pub(super) fn give_up_call(&mut self, dialog: DialogId, headers: &[(String, String)], now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let is_early = leg.info.state == DialogState::Early;
        leg.cancel = Cancel::Wanted(headers.to_vec());
        if is_early || self.has_progress(dialog) {
            self.cancel_if_wanted(dialog, now);
        }
        self.end(dialog, EndedBy::Cancelled, Some(487), None, now);
    }

    /// Whether a provisional response to our INVITE has come, be it only a 100.
    pub(super) fn has_progress(&self, dialog: DialogId) -> bool {
        let invite = self.legs.get(&dialog).and_then(|leg| leg.invite);
        invite.is_some_and(|invite| self.exchange.is_proceeding(invite))
    }

    fn cancel_if_wanted(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Cancel::Wanted(headers) = &mut leg.cancel else { return };
        let headers = std::mem::take(headers);
        leg.cancel = Cancel::Sent;
        let flow = leg.flow();
        if let Some(invite) = leg.invite {
            self.cancel_transaction(flow, invite, &headers, now);
        }
        self.exchange.wakes.set(Wake::Linger(dialog), Deadline::new(now + PATIENCE, "dialog lingers"));
    }

    /// Sends the CANCEL for an INVITE that has no final response, under its branch (RFC 3261 §9.1).
    pub(super) fn cancel_transaction(
        &mut self,
        flow: FlowId,
        invite: TransactionId,
        headers: &[(String, String)],
        now: Instant,
    ) {
        let Some(invite) = self.exchange.sent(invite) else { return };
        let mut draft = wire::Draft::new(Method::Cancel, invite.uri.clone());
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::Route]
        {
            for header in invite.headers.get_all(&name) {
                draft = draft.header(name.clone(), header.value());
            }
        }
        let sequence = wire::cseq(&invite.headers).map_or(0, |(number, _)| number);
        let request = draft
            .header(HeaderName::CSeq, format!("{sequence} CANCEL"))
            .header(HeaderName::MaxForwards, "70")
            .extra(headers)
            .finish(None, b"");
        self.exchange.request(flow, request, Purpose::Cancel, now);
    }
}

/// Takes the challenges of a 401 or 407; says whether trying again can help.
pub(super) fn challenged(auth: &mut ClientAuth, response: &Response) -> bool {
    let (name, from) = match response.status.code() {
        407 => (HeaderName::ProxyAuthenticate, ChallengeFrom::Proxy),
        _ => (HeaderName::WwwAuthenticate, ChallengeFrom::Peer),
    };
    let values: Vec<String> =
        response.headers.get_all(&name).map(|header| wire::display(&header.value())).collect();
    auth.challenged(values.iter().map(|value| (from, value.as_str())))
}

/// Puts the answers to the challenges so far into a request.
pub(super) fn add_authorization(auth: &mut ClientAuth, request: &mut Request, cnonce: &str) {
    let method = String::from_utf8_lossy(request.method.as_bytes()).into_owned();
    let uri = String::from_utf8_lossy(&request.uri.to_bytes()).into_owned();
    for (from, value) in auth.headers(&method, &uri, cnonce) {
        wire::set(&mut request.headers, authorization_header(from), value);
    }
}

/// The error is the status of the refusal.
pub(super) fn parse_uri(text: &str) -> Result<Uri, u16> {
    Uri::parse(Bytes::copy_from_slice(text.as_bytes())).map_err(|_| 400)
}

/// An address as it stands in `From` and `To`.
pub(super) fn address(name: Option<&str>, user: &str, host: &str) -> Result<Bytes, u16> {
    let uri = match user {
        "" => format!("sip:{host}"),
        user => format!("sip:{}@{host}", wire::user_in_uri(user)),
    };
    parse_uri(&uri)?;
    let name = name.filter(|name| !name.is_empty()).map(wire::quote_name).unwrap_or_default();
    Ok(format!("{name}<{uri}>").into())
}
