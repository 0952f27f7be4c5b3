//! Requests as they come in: what every one must pass, and those outside of dialogs (RFC 3261 §8.2).

use sipx_sip::headers::{Contact, From, MaxForwards, To};
use sipx_sip::message::{Headers, Message, Method, Request};
use sipx_sip::{HeaderName, Uri};
use timing::Instant;

use super::exchange::TransactionId;
use super::leg::Leg;
use super::peer::Peer;
use super::{Arrival, UserAgent};
use crate::config::{DialogId, FlowId};
use crate::dialog::{DialogInfo, DialogState, Direction};
use crate::digest::Authorization;
use crate::error::Malformed;
use crate::event::{EndedBy, Event, InboundInvite};
use crate::refer::Replaces;
use crate::wire;

/// The value of `Alert-Info` that makes a phone answer by itself.
pub(super) const AUTO_ANSWER: &str = "xivo-autoanswer";

impl UserAgent {
    /// Refuses what no transaction should be made for; hands on the rest.
    pub(super) fn receive_request(&mut self, flow: FlowId, mut request: Request, now: Instant) {
        if let Some(remote) = self.exchange.remote(flow).filter(|_| cfg!(feature = "server")) {
            wire::note_source(&mut request.headers, remote);
        }
        let findings = sipx_sip::validate_request(&request);
        let fatal =
            findings.iter().filter(|finding| !finding.is_repairable()).map(|finding| finding.status());
        let status = fatal.max().or(wire::too_many_hops(&request).then_some(400));
        match status {
            None => {
                let happening = self.exchange.receive_request(flow, request, now);
                self.handle_happening(happening, now);
            }
            Some(_) if request.method == Method::Ack => {}
            Some(status) => {
                let tag = self.exchange.token();
                let mut response = wire::response_to(&request, status, None, &tag);
                wire::add_to_response(&mut response, &[], b"");
                self.exchange.send(flow, wire::bytes_of(&Message::Response(response)));
            }
        }
    }

    /// A request that is new to us.
    pub(super) fn handle_request(&mut self, id: TransactionId, request: &Request, now: Instant) {
        let Some((_, flow)) = self.exchange.pending(id) else { return };
        if request.method == Method::Cancel {
            return self.handle_cancel(id, flow, request, now);
        }
        if !request.uri.scheme().is_sip() && request.uri.tel_parts().is_none() {
            return self.reply(id, 416, &[], now);
        }
        let mut unknown = wire::tokens(&request.headers, &HeaderName::Require);
        unknown.retain(|option| !self.exchange.supports(option));
        if !unknown.is_empty() {
            return self.reply(id, 420, &[(HeaderName::Unsupported, &unknown.join(", "))], now);
        }
        if !wire::tag_of::<To>(&request.headers).is_empty() {
            return self.handle_dialog_request(id, flow, request, now);
        }
        match request.method {
            Method::Invite => self.handle_invite(id, flow, request, now),
            Method::Options => self.reply_capabilities(id, now),
            Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Notify => {
                self.reply(id, 481, &[], now);
            }
            _ => self.handle_extension_outside(id, flow, request, now),
        }
    }

    /// Refuses a request of a method that we do not take here.
    pub(super) fn reply_method(&mut self, id: TransactionId, request: &Request, now: Instant) {
        let status = if matches!(request.method, Method::Other(_)) { 501 } else { 405 };
        let allow = self.exchange.allow();
        self.reply(id, status, &[(HeaderName::Allow, allow)], now);
    }

    pub(super) fn reply_capabilities(&mut self, id: TransactionId, now: Instant) {
        let capabilities = [
            (HeaderName::Allow, self.exchange.allow()),
            (HeaderName::Accept, "application/sdp, application/dtmf-relay"),
            (HeaderName::Supported, self.exchange.supported().unwrap_or_default()),
            (HeaderName::AllowEvents, super::PACKAGES),
        ];
        let told = if self.exchange.is_server() { &capabilities[..] } else { &capabilities[..3] };
        self.reply(id, 200, told, now);
    }

    /// Whether the body is none or has a session description; refuses it with 400 or 415 otherwise.
    pub(super) fn accepts_body(&mut self, id: TransactionId, request: &Request, now: Instant) -> bool {
        let encoded = wire::is_encoded(&request.headers);
        let refusal = match wire::session_of(&request.headers, request.body()) {
            Ok(Some(_)) if encoded => 415,
            Err(status) => status,
            Ok(_) => return true,
        };
        let accept =
            if self.exchange.is_server() { "application/sdp, multipart/mixed" } else { "application/sdp" };
        let accept = [(HeaderName::Accept, accept)];
        self.reply(id, refusal, if refusal == 415 { &accept } else { &[] }, now);
        false
    }

    fn handle_invite(&mut self, id: TransactionId, flow: FlowId, request: &Request, now: Instant) {
        let headers = &request.headers;
        let (Some(from), Some(to), Some((cseq, _))) =
            (wire::address::<From>(headers), wire::address::<To>(headers), wire::cseq(headers))
        else {
            return self.reply(id, 400, &[], now);
        };
        let max_forwards = max_forwards(headers);
        let call_id = headers.value(&HeaderName::CallId).unwrap_or_default().into_owned();
        let from_tag = wire::tag_of::<From>(headers);
        let arrival = Arrival { call_id: call_id.clone(), from_tag, cseq };
        if let Some(least) = self.session_refusal(request) {
            return self.reply(id, 422, &[(HeaderName::MinSe, &least)], now);
        }
        let refusal = if self.arrived.contains_key(&arrival) {
            Some(482)
        } else if max_forwards == 0 && self.exchange.config.server {
            Some(483)
        } else if !wire::accepts_sdp(headers) {
            Some(406)
        } else if headers.typed::<Contact>().is_some_and(|c| !c.is_ok_and(|c| c.uri.scheme().is_sip())) {
            Some(400)
        } else {
            None
        };
        if let Some(status) = refusal {
            return self.reply(id, status, &[], now);
        }
        // a phone asks nobody who he is, and replaces nothing
        let is_server = self.exchange.is_server();
        let authorization = if is_server { authorization(request) } else { Ok(None) };
        let replaces = if is_server { replaces(headers) } else { Ok(None) };
        let (Ok(authorization), Ok(replaces)) = (authorization, replaces) else {
            return self.reply(id, 400, &[], now);
        };
        if !self.accepts_body(id, request, now) {
            return;
        }

        let Some(owner) = self.exchange.owner(flow).cloned() else { return };
        self.next_dialog += 1;
        let dialog = DialogId(self.next_dialog);
        let local_tag = self.exchange.token();
        let trying = wire::response_to(request, 100, None, &local_tag);
        self.exchange.respond(id, with_no_body(trying), now);
        self.exchange.bind(id, dialog);

        let peer = Peer::read(headers, &HeaderName::From, from.uri.clone());
        let name = from.display_name.as_deref().map(wire::display).filter(|name| !name.is_empty());
        let info = DialogInfo {
            id: dialog,
            flow,
            direction: Direction::Inbound,
            state: DialogState::Offered,
            sip_call_id: wire::display(&call_id),
            local_tag: local_tag.clone(),
            remote_tag: peer.tag.as_deref().map(wire::display),
            remote_user: wire::user_of(&from.uri),
            remote_name: name.clone(),
        };
        let local = [&headers.value(&HeaderName::To).unwrap_or_default()[..], b";tag=", local_tag.as_bytes()]
            .concat();
        let request_user = wire::user_of(&request.uri);
        let mut leg = Leg::new(info, owner, local.into(), peer, call_id.clone().into(), request_user.clone());
        leg.remote_cseq = Some(cseq);
        leg.invite = Some(id);
        leg.is_late_offer = wire::sdp_of(headers, request.body()).is_none();
        leg.invitation = Some(Box::new(request.clone()));
        leg.arrival = Some(arrival.clone());
        self.arrived.insert(arrival, dialog);
        self.insert_leg(leg);
        self.note_abilities(dialog, headers);

        let alert_info = wire::text_of(headers, &HeaderName::AlertInfo);
        self.events.push_back(Event::Invite(InboundInvite {
            dialog,
            flow,
            request_uri: uri_text(&request.uri),
            request_user,
            request_host: host_of(&request.uri),
            from_user: wire::user_of(&from.uri),
            from_host: host_of(&from.uri),
            from_name: name,
            to_user: wire::user_of(&to.uri),
            sip_call_id: wire::display(&call_id),
            sdp: wire::sdp_of(headers, request.body()),
            auto_answer: alert_info.as_deref().is_some_and(|value| value.contains(AUTO_ANSWER)),
            alert_info,
            authorization,
            replaces,
            max_forwards,
            headers: headers
                .iter()
                .filter(|header| {
                    !matches!(header.name(), HeaderName::Authorization | HeaderName::ProxyAuthorization)
                })
                .map(|header| (wire::display(header.name().canonical()), wire::display(&header.value())))
                .collect(),
        }));
    }

    fn handle_cancel(&mut self, id: TransactionId, flow: FlowId, cancel: &Request, now: Instant) {
        let Some((invite, dialog)) = self.exchange.cancelled_by(flow, cancel) else {
            return self.reply(id, 481, &[], now);
        };
        self.reply(id, 200, &[], now);
        let Some(leg) = dialog.and_then(|dialog| self.legs.get_mut(&dialog)).filter(|leg| !leg.ended) else {
            return;
        };
        let dialog = leg.id();
        if leg.incoming.as_ref().is_some_and(|offer| offer.transaction == invite) {
            leg.incoming = None;
            self.reply(invite, 487, &[], now);
        } else if leg.invite == Some(invite) && leg.info.state == DialogState::Offered {
            let reason = wire::text_of(&cancel.headers, &HeaderName::Reason);
            self.respond_to_invitation(dialog, 487, None, &[], None, now);
            self.end(dialog, EndedBy::Cancelled, Some(487), reason, now);
        }
    }
}

/// The digest in `Authorization`, else in `Proxy-Authorization`; other schemes count as none.
pub(super) fn authorization(request: &Request) -> Result<Option<Authorization>, Malformed> {
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        for header in request.headers.get_all(&name) {
            let value = header.value();
            let is_digest = value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"Digest "));
            if is_digest {
                return Authorization::parse(&String::from_utf8_lossy(&value)).map(Some);
            }
        }
    }
    Ok(None)
}

/// The dialog that an INVITE is to replace; one only (RFC 3891 §3).
fn replaces(headers: &Headers) -> Result<Option<Replaces>, Malformed> {
    let mut values = headers.get_all(&HeaderName::Replaces).map(|header| wire::display(&header.value()));
    let first = values.next().map(|value| Replaces::parse(&value)).transpose()?;
    match values.next() {
        Some(_) => Err(Malformed { what: "Replaces", section: "RFC 3891 §3" }),
        None => Ok(first),
    }
}

/// The same response, complete without a body.
pub(super) fn with_no_body(mut response: sipx_sip::Response) -> sipx_sip::Response {
    wire::add_to_response(&mut response, &[], b"");
    response
}

pub(super) fn uri_text(uri: &Uri) -> String {
    String::from_utf8_lossy(&uri.to_bytes()).into_owned()
}

pub(super) fn host_of(uri: &Uri) -> String {
    uri.host().map(|host| wire::display(&host.to_bytes()).to_ascii_lowercase()).unwrap_or_default()
}

/// How many hops a request may still go; as many as any where it does not say (RFC 3261 §8.1.1.6).
pub(super) fn max_forwards(headers: &Headers) -> u8 {
    match headers.typed::<MaxForwards>() {
        Some(Ok(MaxForwards(hops))) => hops,
        _ => 70,
    }
}
