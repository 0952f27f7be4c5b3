//! Messages from peers, inside of dialogs and outside (RFC 3428); whom they may reach is the application's matter.

use sipx_sip::headers::{From, To};
use sipx_sip::message::Request;
use timing::Instant;

use super::super::UserAgent;
use super::super::exchange::TransactionId;
use super::super::inbound::{authorization, uri_text};
use crate::config::FlowId;
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
        self.await_application(id, now);
        self.events.push_back(Event::Message(MessageRequest {
            request: PendingRequest(id.0),
            flow,
            from_user: wire::user_of(&from.uri),
            to_user: wire::user_of(&to.uri),
            request_uri: uri_text(&request.uri),
            content_type: wire::media_type(headers),
            body: request.body().to_vec(),
            authorization,
        }));
    }
}
