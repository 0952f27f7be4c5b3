//! What only a server does: extensions of RFC 3261 inside dialogs, and requests outside of them.

mod ping;
mod refer;
mod registrar;

use sipx_sip::message::{Method, Request, Response};
use timing::{Deadline, Instant};

use super::UserAgent;
use super::exchange::{PATIENCE, TransactionId, Wake};
use crate::config::{DialogId, FlowId, RequestId};
use crate::refer::ReferId;

use refer::Refer;

/// What a request was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerPurpose {
    /// To tell what became of a REFER.
    ReferNotify(DialogId, ReferId),
    Ping(RequestId),
}

/// Why to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerWake {}

/// What a dialog has beyond RFC 3261.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// The REFERs that are not done with.
    refers: Vec<Refer>,
    /// Whether there ever was one.
    was_referred: bool,
}

impl UserAgent {
    /// A request inside a dialog, of a method that is not RFC 3261's.
    pub(super) fn handle_extension(
        &mut self,
        dialog: DialogId,
        id: TransactionId,
        request: &Request,
        now: Instant,
    ) {
        match request.method {
            Method::Refer if self.exchange.is_server() => self.handle_refer(dialog, id, request, now),
            Method::Prack => self.reply(id, 481, &[], now),
            _ => self.reply_method(id, request, now),
        }
    }

    /// A request outside of dialogs, of a method that only a server takes there.
    pub(super) fn handle_extension_outside(
        &mut self,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        if !self.exchange.is_server() {
            return self.reply_method(id, request, now);
        }
        match request.method {
            Method::Register => self.handle_register(id, flow, request, now),
            // whoever is to be called with our rights is asked for inside a call, where we know who asks
            Method::Refer => self.reply(id, 403, &[], now),
            _ => self.reply_method(id, request, now),
        }
    }

    /// A request inside of something that is no call.
    pub(super) fn handle_stray_request(&mut self, id: TransactionId, _: FlowId, _: &Request, now: Instant) {
        self.reply(id, 481, &[], now);
    }

    /// Leaves a request to the application, which may take as long as its sender waits.
    fn await_application(&mut self, id: TransactionId, now: Instant) {
        let patience = Deadline::new(now + PATIENCE, "unanswered request");
        self.exchange.wakes.set(Wake::Unanswered(id), patience);
    }

    /// The application has not answered a request.
    pub(super) fn forget_unanswered(&mut self, id: TransactionId) {
        for leg in self.legs.values_mut() {
            leg.server.refers.retain(|refer| refer.id != ReferId(id.0));
        }
    }

    /// A dialog has ended.
    pub(super) fn end_extensions(&mut self, dialog: DialogId, now: Instant) {
        self.end_refers(dialog, now);
    }

    pub(super) fn handle_server_wake(&mut self, wake: ServerWake, _: Instant) {
        match wake {}
    }

    pub(super) fn handle_server_response(
        &mut self,
        purpose: ServerPurpose,
        request: Request,
        response: &Response,
        now: Instant,
    ) {
        match purpose {
            ServerPurpose::ReferNotify(dialog, refer) => {
                self.handle_refer_notified(dialog, refer, request, response, now);
            }
            ServerPurpose::Ping(id) => self.handle_pong(id, response),
        }
    }

    pub(super) fn handle_server_timeout(&mut self, purpose: ServerPurpose, _: Instant) {
        match purpose {
            ServerPurpose::ReferNotify(dialog, refer) => self.forget_refer(dialog, refer),
            ServerPurpose::Ping(id) => self.fail_ping(id),
        }
    }
}
