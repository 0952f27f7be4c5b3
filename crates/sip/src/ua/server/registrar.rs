//! The registrar's reading of a REGISTER (RFC 3261 §10.3); who may register is the application's matter.

use sipx_sip::headers::{Address, ContactValue, From, To};
use sipx_sip::message::Request;
use sipx_sip::{HeaderName, TypedHeader as _};
use timing::Instant;

use super::super::UserAgent;
use super::super::exchange::TransactionId;
use super::super::inbound::{authorization, host_of, uri_text};
use crate::config::FlowId;
use crate::event::{ContactBinding, Event, PendingRequest, RegisterRequest};
use crate::wire;

/// A phone has one contact, a stubborn one a few.
const MAX_CONTACTS: usize = 10;

impl UserAgent {
    pub(super) fn handle_register(
        &mut self,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        match read(id, flow, request) {
            Ok(register) => {
                self.await_application(id, now);
                self.events.push_back(Event::Register(register));
            }
            Err(status) => self.reply(id, status, &[], now),
        }
    }
}

/// The status is that of the refusal.
fn read(id: TransactionId, flow: FlowId, request: &Request) -> Result<RegisterRequest, u16> {
    let headers = &request.headers;
    let to = wire::address::<To>(headers).filter(|to| to.uri.scheme().is_sip()).ok_or(400_u16)?;
    let from = wire::address::<From>(headers).ok_or(400_u16)?;
    let (cseq, _) = wire::cseq(headers).ok_or(400_u16)?;
    let expires = headers.value(&HeaderName::Expires).and_then(|value| wire::seconds(&value));
    let mut contacts = Vec::new();
    let mut wildcard = false;
    for header in headers.get_all(&HeaderName::Contact) {
        for contact in ContactValue::decode_list(&header.value()).map_err(|_| 400_u16)? {
            match contact {
                ContactValue::Wildcard => wildcard = true,
                ContactValue::Address(address) => contacts.push(binding(&address)),
            }
        }
        if contacts.len() > MAX_CONTACTS {
            return Err(403);
        }
    }
    if wildcard && (!contacts.is_empty() || expires != Some(0)) {
        return Err(400);
    }
    Ok(RegisterRequest {
        request: PendingRequest(id.0),
        flow,
        request_uri: uri_text(&request.uri),
        aor_user: wire::user_of(&to.uri),
        aor_host: host_of(&to.uri),
        from_user: wire::user_of(&from.uri),
        contacts,
        wildcard,
        expires,
        sip_call_id: wire::text_of(headers, &HeaderName::CallId).unwrap_or_default(),
        cseq,
        authorization: authorization(request).map_err(|_| 400_u16)?,
        user_agent: wire::text_of(headers, &HeaderName::UserAgent),
    })
}

fn binding(contact: &Address) -> ContactBinding {
    let text = |name| contact.param(name).map(wire::display);
    ContactBinding {
        uri: uri_text(&contact.uri),
        expires: contact.param("expires").and_then(wire::seconds),
        instance: text("+sip.instance").map(|id| id.trim_matches(['<', '>', '"', ' ']).to_owned()),
        q: text("q").and_then(|q| wire::thousandths(&q)),
    }
}
