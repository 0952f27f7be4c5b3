//! Whether the other end of a flow speaks SIP: OPTIONS outside of dialogs (RFC 3261 §11).

use sipx_sip::HeaderName;
use sipx_sip::message::{Method, Response};
use timing::Instant;

use super::super::UserAgent;
use super::super::caller::parse_uri;
use super::super::exchange::Purpose;
use super::ServerPurpose;
use crate::config::{FlowId, RequestId};
use crate::event::Event;

impl UserAgent {
    /// Asks whether anybody is there, by OPTIONS. [`Event::Pong`] follows, and at once where nothing could
    /// be sent.
    pub fn ping(&mut self, flow: FlowId, target_uri: &str, now: Instant) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        if self.send_ping(id, flow, target_uri, now).is_none() {
            self.fail_ping(id);
        }
        id
    }

    fn send_ping(&mut self, id: RequestId, flow: FlowId, target_uri: &str, now: Instant) -> Option<()> {
        let uri = parse_uri(target_uri).ok()?;
        let from = format!("<sip:{}>", self.exchange.host(flow));
        let to = [b"<", &uri.to_bytes()[..], b">"].concat();
        let request = self
            .draft_outside(flow, Method::Options, uri, (from.as_bytes(), &to), 70)
            .header(HeaderName::Contact, self.exchange.contact(flow, ""))
            .header(HeaderName::Accept, "application/sdp")
            .finish(None, b"");
        let purpose = Purpose::Server(ServerPurpose::Ping(id));
        self.exchange.request(flow, request, purpose, now).map(|_| ())
    }

    pub(super) fn handle_pong(&mut self, id: RequestId, response: &Response) {
        let status = response.status.code();
        if status >= 200 {
            self.events.push_back(Event::Pong { id, status: Some(status) });
        }
    }

    pub(super) fn fail_ping(&mut self, id: RequestId) {
        self.events.push_back(Event::Pong { id, status: None });
    }
}
