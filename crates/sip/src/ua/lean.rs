//! What a build without the feature `server` has in the place of the room `server`: nothing.

use sipx_sip::message::{Request, Response};
use timing::Instant;

use super::UserAgent;
use super::exchange::{Exchange, TransactionId};
use super::leg::Leg;
use crate::config::{DialogId, FlowId};
use crate::wire::Draft;

/// Nothing is sent for a server's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerPurpose {}

/// Nothing is waited for, for a server's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerWake {}

/// Nobody subscribes to anything.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {}

impl Subscriptions {
    pub(super) fn live_on(&self, _: FlowId) -> bool {
        false
    }

    pub(super) fn len(&self) -> usize {
        0
    }
}

/// The event packages that anybody may know of: none.
pub(super) const PACKAGES: &str = "";

/// A dialog has no more than RFC 3261 gives it.
#[derive(Debug, Default)]
pub(super) struct Extensions {}

impl Extensions {
    pub(super) fn describe(&mut self, _: &str) {}

    pub(super) fn is_agreed(&self) -> bool {
        false
    }
}

impl Leg {
    pub(super) fn with_session(&self, _: &Exchange, draft: Draft) -> Draft {
        draft
    }
}

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

    pub(super) fn asks_for_proof(
        &mut self,
        _: DialogId,
        _: TransactionId,
        _: FlowId,
        _: &Request,
        _: Instant,
    ) -> bool {
        false
    }

    pub(super) fn handle_stray_request(&mut self, id: TransactionId, _: FlowId, _: &Request, now: Instant) {
        self.reply(id, 481, &[], now);
    }

    pub(super) fn progress_reliably(&mut self, _: DialogId, _: u16, _: Option<&str>, _: Instant) -> bool {
        false
    }

    pub(super) fn postpone_answer(&mut self, _: DialogId, _: &str) -> Option<bool> {
        None
    }

    pub(super) fn stop_progress(&mut self, _: DialogId) {}

    pub(super) fn acknowledge_progress(&mut self, _: DialogId, _: &Response, _: Instant) -> bool {
        true
    }

    pub(super) fn answer_of(&mut self, _: DialogId, _: u32, _: &[u8], sdp: Option<String>) -> Option<String> {
        sdp
    }

    pub(super) fn session_refusal(&self, _: &Request) -> Option<String> {
        None
    }

    pub(super) fn agree_session(&mut self, _: DialogId, _: &Request, _: &mut Response, _: Instant) {}

    pub(super) fn adopt_session(&mut self, _: DialogId, _: &Response, _: Instant) {}

    pub(super) fn longer_session(&mut self, _: DialogId, _: &mut Request, _: &Response) -> bool {
        false
    }

    pub(super) fn refresh_failed(&mut self, _: DialogId, _: u16, _: Instant) {}

    pub(super) fn forget_subscriptions_on(&mut self, _: FlowId) {}

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
