//! How much is kept on a flow, and how little for those who have proved nothing.

use sipx_sip::HeaderName;
use sipx_sip::message::{Message, Method, Request};

use super::{Exchange, Machine, Slot, TransactionId};
use crate::config::{FlowId, Owner};
use crate::wire;

/// More transactions and ended dialogs than that at once on one WebSocket is no phone; a trunk may have far
/// more calls.
const MAX_KEPT_WEBSOCKET: usize = 1_024;
const MAX_KEPT_TRUNK: usize = 32_768;
/// Who has proved nothing has one or two, and they are over at once.
const MAX_KEPT_STRANGER: usize = 64;
/// Answered requests of all strangers that are kept for their repetitions by UDP.
const MAX_ANSWERED: usize = 2_048;
/// The largest of them, in bytes of headers and body.
const LARGEST_ANSWERED: usize = 4_096;

impl Exchange {
    pub(super) fn is_full(&self, flow: FlowId) -> bool {
        let is_stranger = self.is_stranger(flow);
        self.flows.get(&flow).is_some_and(|flow| {
            let most = match flow.transport.is_websocket() {
                _ if is_stranger => MAX_KEPT_STRANGER,
                true => MAX_KEPT_WEBSOCKET,
                false => MAX_KEPT_TRUNK,
            };
            flow.transactions + flow.lingering >= most
        })
    }

    /// 503 without a transaction, so that a flood costs no memory.
    pub(super) fn refuse_overload(&mut self, flow: FlowId, request: &Request) {
        let tag = self.token();
        let mut response = wire::response_to(request, 503, None, &tag);
        let retry_after = 5 + self.below(10);
        wire::set(&mut response.headers, HeaderName::RetryAfter, retry_after.to_string());
        wire::add_to_response(&mut response, &[], b"");
        self.send(flow, wire::bytes_of(&Message::Response(response)));
    }

    /// Whether nothing speaks for the peer of this flow yet: neither the shell, nor that the application has granted
    /// it anything.
    pub(in crate::ua) fn is_stranger(&self, flow: FlowId) -> bool {
        let is_unproved = |flow: &super::Flow| flow.owner == Owner::Unproved && !flow.granted;
        self.is_server() && self.flows.get(&flow).is_some_and(|flow| is_unproved(flow))
    }

    /// What an answer says of the peer who gets it.
    ///
    /// A stranger is answered without a memory of it (RFC 3261 §26.3.2.4) where its request is not repeated anyway,
    /// where it is large, and where there are many. Whom the application lets call, register or write is no stranger.
    pub(super) fn judge(&mut self, id: TransactionId, status: u16) {
        let Some(Slot { machine: Machine::Server(server, _), flow, .. }) =
            self.slots.get(&id).map(AsRef::as_ref)
        else {
            return;
        };
        let flow = *flow;
        if !self.is_stranger(flow) {
            return;
        }
        let request = server.request();
        let asks_for_something = !matches!(request.method, Method::Options | Method::Cancel);
        if (101..300).contains(&status) && asks_for_something {
            if let Some(flow) = self.flows.get_mut(&flow) {
                flow.granted = true;
            }
            return;
        }
        if status < 200 {
            return;
        }
        let is_repeated = self.transport(flow).is_some_and(|transport| !transport.is_reliable());
        let is_large = size_of(request) > LARGEST_ANSWERED;
        if !is_repeated || is_large || self.answered_strangers >= MAX_ANSWERED {
            return self.drop_transaction(id);
        }
        if let Some(slot) = self.slots.get_mut(&id).filter(|slot| !slot.is_strangers) {
            slot.is_strangers = true;
            self.answered_strangers += 1;
        }
    }
}

fn size_of(request: &Request) -> usize {
    request.headers.iter().map(|header| header.value().len()).sum::<usize>() + request.body().len()
}
