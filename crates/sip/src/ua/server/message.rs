//! Text messages, inside of dialogs and outside (RFC 3428); whom they may reach is the application's matter.

use sipx_sip::HeaderName;
use sipx_sip::headers::{From, To};
use sipx_sip::message::{Method, Request, Response};
use timing::Instant;

use super::super::UserAgent;
use super::super::caller::{address, parse_uri};
use super::super::exchange::{Purpose, TransactionId};
use super::super::inbound::{authorization, max_forwards, uri_text};
use super::ServerPurpose;
use crate::config::{FlowId, OutboundMessage, RequestId};
use crate::event::{Event, MessageRequest, PendingRequest};
use crate::wire;

impl UserAgent {
    pub(super) fn handle_message_request(
        &mut self,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        let headers = &request.headers;
        let (Some(from), Some(to), Ok(authorization)) =
            (wire::address::<From>(headers), wire::address::<To>(headers), authorization(request))
        else {
            return self.reply(id, 400, &[], now);
        };
        let hops = max_forwards(headers);
        if hops == 0 {
            return self.reply(id, 483, &[], now);
        }
        if wire::is_encoded(headers) {
            return self.reply(id, 415, &[(HeaderName::AcceptEncoding, "identity")], now);
        }
        let in_dialog = !wire::tag_of::<To>(headers).is_empty();
        self.await_application(id, now);
        self.events.push_back(Event::Message(MessageRequest {
            request: PendingRequest(id.0),
            flow,
            from_user: wire::user_of(&from.uri),
            to_user: wire::user_of(if in_dialog { &to.uri } else { &request.uri }),
            request_uri: uri_text(&request.uri),
            sip_call_id: wire::text_of(headers, &HeaderName::CallId).unwrap_or_default(),
            max_forwards: hops,
            content_type: wire::text_of(headers, &HeaderName::ContentType).unwrap_or_default(),
            body: request.body().to_vec(),
            authorization,
        }));
    }

    /// Sends a text message. [`Event::Delivered`] follows, and at once where nothing could be sent.
    pub fn write(&mut self, message: OutboundMessage, now: Instant) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        if self.send_message(id, message, now).is_none() {
            self.lose_message(id);
        }
        id
    }

    fn send_message(&mut self, id: RequestId, message: OutboundMessage, now: Instant) -> Option<()> {
        let flow = message.flow;
        let uri = parse_uri(&message.target).ok()?;
        let from = address(message.from_name.as_deref(), &message.from_user, &message.from_host).ok()?;
        let to = address(None, &message.to_user, &message.to_host).ok()?;
        let request = self
            .draft_outside(flow, Method::Message, uri, (&from, &to), message.max_forwards)
            .finish(Some(message.content_type.as_str()).filter(|kind| !kind.is_empty()), &message.body);
        let purpose = Purpose::Server(ServerPurpose::Message(id));
        self.exchange.request(flow, request, purpose, now).map(|_| ())
    }

    pub(super) fn handle_delivered(&mut self, id: RequestId, response: &Response) {
        let status = response.status.code();
        if status >= 200 {
            self.events.push_back(Event::Delivered { id, status: Some(status) });
        }
    }

    pub(super) fn lose_message(&mut self, id: RequestId) {
        self.events.push_back(Event::Delivered { id, status: None });
    }
}
