//! What comes out of transactions, given to those whom it is for.

use sipx_sip::HeaderName;
use timing::Instant;

use super::UserAgent;
use super::exchange::{Happening, Purpose, TransactionId};
use crate::event::EndedBy;
use crate::wire;

impl UserAgent {
    pub(super) fn handle_happening(&mut self, happening: Option<Happening>, now: Instant) {
        match happening {
            None => {}
            Some(Happening::Request(id, request)) => self.handle_request(id, &request, now),
            Some(Happening::Ack(flow, ack)) => self.handle_ack(flow, &ack, now),
            Some(Happening::LateAnswer(flow, response)) => self.handle_late_answer(flow, &response, now),
            Some(Happening::Timeout(purpose)) => self.handle_timeout_of(purpose, false, now),
            Some(Happening::Response(purpose, request, response)) => match purpose {
                Purpose::Invite(dialog) => self.handle_invite_response(dialog, *request, &response, now),
                Purpose::Reinvite(dialog) => self.handle_offer_response(dialog, *request, &response, now),
                Purpose::Info(dialog)
                | Purpose::Bye(dialog)
                | Purpose::Probe(dialog)
                | Purpose::Update(dialog) => {
                    self.handle_dialog_response(purpose, dialog, *request, &response, now);
                }
                Purpose::Cancel => {}
                Purpose::Register(id) => self.handle_register_response(id, *request, &response, now),
                Purpose::Server(purpose) => {
                    self.handle_server_response(purpose, *request, &response, now);
                }
            },
        }
    }

    /// A request of ours stays without a final response, because none came or because its flow is gone.
    pub(super) fn handle_timeout_of(&mut self, purpose: Purpose, flow_gone: bool, now: Instant) {
        match purpose {
            // The peer may come back on another flow, and its response with it.
            Purpose::Invite(_) if flow_gone => {}
            Purpose::Invite(dialog) => self.end(dialog, EndedBy::Timeout, Some(408), None, now),
            Purpose::Reinvite(dialog) => {
                let status = if flow_gone { 503 } else { 408 };
                self.finish_offer(dialog, status, now);
            }
            Purpose::Server(purpose) => self.handle_server_timeout(purpose, now),
            // a flow that is gone says nothing of the peer: the next refresh may find it on another
            Purpose::Update(dialog) => self.refresh_failed(dialog, if flow_gone { 500 } else { 408 }, now),
            Purpose::Register(id) if !flow_gone => self.fail_registration(id, None, "no response"),
            Purpose::Register(_)
            | Purpose::Info(_)
            | Purpose::Bye(_)
            | Purpose::Probe(_)
            | Purpose::Cancel => {}
        }
    }

    /// Answers a request with nothing but a status and these headers.
    pub(super) fn reply(
        &mut self,
        id: TransactionId,
        status: u16,
        headers: &[(HeaderName, &str)],
        now: Instant,
    ) {
        let tag = self.exchange.token();
        let Some((request, _)) = self.exchange.pending(id) else { return };
        let mut response = wire::response_to(request, status, None, &tag);
        for (name, value) in headers {
            wire::set(&mut response.headers, name.clone(), value);
        }
        wire::add_to_response(&mut response, &[], b"");
        self.exchange.respond(id, response, now);
    }
}
