//! What a build without the feature `server` has in the place of the room `server`: nothing.

use sipx_sip::message::{Request, Response};
use timing::Instant;

use super::UserAgent;
use super::exchange::TransactionId;
use crate::config::{DialogId, FlowId};

/// Nothing is sent for a server's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerPurpose {}

/// Nothing is waited for, for a server's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerWake {}

/// A dialog has no more than RFC 3261 gives it.
#[derive(Debug, Default)]
pub(super) struct Extensions;

impl UserAgent {
    pub(super) fn handle_extension(
        &mut self,
        _: DialogId,
        id: TransactionId,
        request: &Request,
        now: Instant,
    ) {
        self.reply_method(id, request, now);
    }

    pub(super) fn handle_extension_outside(
        &mut self,
        id: TransactionId,
        _: FlowId,
        request: &Request,
        now: Instant,
    ) {
        self.reply_method(id, request, now);
    }

    pub(super) fn handle_stray_request(&mut self, id: TransactionId, _: FlowId, _: &Request, now: Instant) {
        self.reply(id, 481, &[], now);
    }

    pub(super) fn forget_unanswered(&mut self, _: TransactionId) {}

    pub(super) fn end_extensions(&mut self, _: DialogId, _: Instant) {}

    pub(super) fn handle_server_wake(&mut self, wake: ServerWake, _: Instant) {
        match wake {}
    }

    pub(super) fn handle_server_response(
        &mut self,
        purpose: ServerPurpose,
        _: Request,
        _: &Response,
        _: Instant,
    ) {
        match purpose {}
    }

    pub(super) fn handle_server_timeout(&mut self, purpose: ServerPurpose, _: Instant) {
        match purpose {}
    }
}
