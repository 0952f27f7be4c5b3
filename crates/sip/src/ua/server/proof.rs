//! Who speaks in a dialog by another flow than it is on proves that he may.

use sipx_sip::HeaderName;
use sipx_sip::message::{Method, Request};
use timing::Instant;

use super::super::UserAgent;
use super::super::exchange::TransactionId;
use super::super::inbound::{authorization, uri_text};
use crate::config::{DialogId, FlowId, Owner};
use crate::event::{DialogRequest, Event, PendingRequest};
use crate::wire;

impl UserAgent {
    /// Hands a request to the application that may be of a dialog's peer, or else does nothing and is `false`.
    ///
    /// A flow that somebody else has proved to be his cannot be the peer's. A MESSAGE proves itself in any case.
    pub(in crate::ua) fn asks_for_proof(
        &mut self,
        dialog: DialogId,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) -> bool {
        let is_open = self.legs.get(&dialog).is_some_and(|leg| !leg.ended);
        let is_unproved = self.exchange.owner(flow) == Some(&Owner::Unproved);
        if !self.exchange.is_server() || !is_open || !is_unproved {
            return false;
        }
        if request.method == Method::Message {
            self.handle_message_request(id, flow, request, now);
            return true;
        }
        let Ok(authorization) = authorization(request) else {
            self.reply(id, 400, &[], now);
            return true;
        };
        self.await_application(id, now);
        self.events.push_back(Event::Unproved(DialogRequest {
            request: PendingRequest(id.0),
            dialog,
            flow,
            method: wire::display(request.method.as_bytes()),
            request_uri: uri_text(&request.uri),
            sip_call_id: wire::text_of(&request.headers, &HeaderName::CallId).unwrap_or_default(),
            authorization,
        }));
        true
    }

    /// Takes a request of [`Event::Unproved`] as one of the dialog's peer, and the dialog goes on by its flow.
    pub fn admit(&mut self, request: PendingRequest, now: Instant) {
        let id = TransactionId(request.0);
        let Some((request, flow)) = self.exchange.pending(id) else { return };
        let request = request.clone();
        match self.dialog_of(&request) {
            Some(dialog) => self.handle_request_in(dialog, id, flow, &request, now),
            None => self.reply(id, 481, &[], now),
        }
    }
}
