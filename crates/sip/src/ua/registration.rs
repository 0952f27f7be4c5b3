//! Registrations that we keep up at a registrar (RFC 3261 §10.2).

use bytes::Bytes;
use sipx_sip::headers::{ContactValue, Expires};
use sipx_sip::message::{Method, Request, Response};
use sipx_sip::{HeaderName, TypedHeader as _};
use timing::{Deadline, Duration, Instant};

use super::UserAgent;
use super::caller::{add_authorization, address, challenged, parse_uri};
use super::exchange::{Purpose, Wake};
use super::inbound::uri_text;
use crate::config::{FlowId, OutboundRegister, RegistrationId};
use crate::digest::ClientAuth;
use crate::event::Event;
use crate::wire::{self, Draft};

/// A registrar that grants less than this is not followed: it would be asked all the time.
const MIN_RENEWAL: Duration = Duration::from_secs(5);

/// One registration, from the wish for it to its failure or end.
#[derive(Debug)]
pub(super) struct Registration {
    wish: OutboundRegister,
    /// `From` with its tag; `To` is the same without.
    address: Bytes,
    tag: String,
    call_id: String,
    cseq: u32,
    auth: ClientAuth,
    /// Whether a request waits for its response.
    in_flight: bool,
    leaving: bool,
}

impl Registration {
    pub(super) fn is_on(&self, flow: FlowId) -> bool {
        self.wish.flow == flow
    }
}

impl UserAgent {
    pub(super) fn start_registration(&mut self, id: RegistrationId, wish: OutboundRegister, now: Instant) {
        let registration = Registration {
            address: Bytes::new(),
            tag: self.exchange.token(),
            call_id: self.exchange.token(),
            cseq: 0,
            auth: ClientAuth::new(wish.credentials.clone()),
            in_flight: false,
            leaving: false,
            wish,
        };
        let wish = &registration.wish;
        let address = address(wish.name.as_deref(), &wish.user, &wish.domain);
        self.registrations.insert(id, Box::new(registration));
        match (address, self.registrations.get_mut(&id)) {
            (Ok(address), Some(registration)) => {
                registration.address = address;
                self.send_register(id, now);
            }
            _ => self.fail_registration(id, None, "not a SIP address"),
        }
    }

    pub(super) fn stop_registration(&mut self, id: RegistrationId, now: Instant) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        registration.leaving = true;
        if !registration.in_flight {
            self.send_register(id, now);
        }
    }

    /// Sends a REGISTER: the first, a renewal, or the last.
    pub(super) fn send_register(&mut self, id: RegistrationId, now: Instant) {
        let cnonce = self.exchange.token();
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        let Ok(uri) = parse_uri(&format!("sip:{}", registration.wish.domain)) else {
            return self.fail_registration(id, None, "not a SIP address");
        };
        registration.cseq += 1;
        let flow = registration.wish.flow;
        let expires = if registration.leaving { 0 } else { registration.wish.expires };
        let mut contact = self.exchange.contact(flow, &registration.wish.user);
        contact.push_str(&format!(";expires={expires}"));
        if let Some(instance) = &registration.wish.instance {
            contact
                .push_str(&format!(";+sip.instance=\"<{}>\"", instance.replace(['"', '<', '>', '\\'], "")));
        }
        let from = [&registration.address[..], b";tag=", registration.tag.as_bytes()].concat();
        let mut request = Draft::new(Method::Register, uri)
            .header(HeaderName::Via, self.exchange.via(flow))
            .header(HeaderName::MaxForwards, "70")
            .header(HeaderName::From, from)
            .header(HeaderName::To, &registration.address)
            .header(HeaderName::CallId, &registration.call_id)
            .header(HeaderName::CSeq, format!("{} REGISTER", registration.cseq))
            .header(HeaderName::Contact, contact)
            .header(HeaderName::Expires, expires.to_string())
            .header(HeaderName::Allow, self.exchange.allow())
            .header(HeaderName::UserAgent, &self.exchange.config.user_agent)
            .finish(None, b"");
        add_authorization(&mut registration.auth, &mut request, &cnonce);
        registration.in_flight = true;
        if self.exchange.request(flow, request, Purpose::Register(id), now).is_none() {
            self.fail_registration(id, None, "the flow is closed");
        }
    }

    pub(super) fn handle_register_response(
        &mut self,
        id: RegistrationId,
        request: Request,
        response: &Response,
        now: Instant,
    ) {
        let status = response.status.code();
        let Some(registration) = self.registrations.get_mut(&id).filter(|_| status >= 200) else { return };
        registration.in_flight = false;
        match status {
            401 | 407 if challenged(&mut registration.auth, response) => self.send_register(id, now),
            423 if self.longer_life(id, response) => self.send_register(id, now),
            200..=299 => self.registered(id, &request, response, now),
            status => self.fail_registration(id, Some(status), &wire::display(&response.reason)),
        }
    }

    fn registered(&mut self, id: RegistrationId, request: &Request, response: &Response, now: Instant) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        registration.auth.accepted();
        let was_last = matches!(request.headers.typed::<Expires>(), Some(Ok(Expires(0))));
        if was_last {
            self.forget_registration(id);
            return self.events.push_back(Event::Unregistered { id });
        }
        if registration.leaving {
            return self.send_register(id, now);
        }
        let expires = granted(request, response).unwrap_or(registration.wish.expires);
        let renewal = (Duration::from_secs(expires.into()) / 2).max(MIN_RENEWAL);
        self.exchange.wakes.set(Wake::Renewal(id), Deadline::new(now + renewal, "registration renewal"));
        self.events.push_back(Event::Registered { id, expires });
    }

    /// The registrar wants registrations to last longer (RFC 3261 §10.2.8); asked for once.
    fn longer_life(&mut self, id: RegistrationId, response: &Response) -> bool {
        let Some(registration) = self.registrations.get_mut(&id) else { return false };
        let least = wire::text_of(&response.headers, &HeaderName::MinExpires);
        match least.and_then(|least| least.trim().parse::<u32>().ok()) {
            Some(least) if least > registration.wish.expires && !registration.leaving => {
                registration.wish.expires = least;
                true
            }
            _ => false,
        }
    }

    /// Tells that a registration is over; one that was being taken back is so, whatever the registrar says.
    pub(super) fn fail_registration(&mut self, id: RegistrationId, status: Option<u16>, reason: &str) {
        let Some(leaving) = self.forget_registration(id) else { return };
        self.events.push_back(match leaving {
            true => Event::Unregistered { id },
            false => Event::RegistrationFailed { id, status, reason: reason.to_owned() },
        });
    }

    pub(super) fn fail_registrations_on(&mut self, flow: FlowId) {
        let on_flow = self.registrations.iter().filter(|(_, registration)| registration.wish.flow == flow);
        let lost: Vec<_> = on_flow.map(|(id, _)| *id).collect();
        for id in lost {
            self.fail_registration(id, None, "the flow is closed");
        }
    }

    fn forget_registration(&mut self, id: RegistrationId) -> Option<bool> {
        self.exchange.wakes.cancel(&Wake::Renewal(id));
        self.registrations.remove(&id).map(|registration| registration.leaving)
    }
}

/// The seconds that a 2xx grants: of our contact, else of `Expires`.
fn granted(request: &Request, response: &Response) -> Option<u32> {
    let ours = uri_text(&super::peer::contact(&request.headers)?);
    let of_contact = response
        .headers
        .get_all(&HeaderName::Contact)
        .filter_map(|header| ContactValue::decode_list(&header.value()).ok())
        .flatten()
        .find_map(|contact| match contact {
            ContactValue::Address(address) if wire::same_uri(&uri_text(&address.uri), &ours) => {
                std::str::from_utf8(address.param("expires")?).ok()?.parse().ok()
            }
            _ => None,
        });
    let of_header = || response.headers.typed::<Expires>()?.ok().map(|Expires(seconds)| seconds);
    of_contact.or_else(of_header)
}
