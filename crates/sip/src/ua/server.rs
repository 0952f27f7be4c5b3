//! What only a server does: extensions of RFC 3261 inside dialogs, and requests outside of them.

mod message;
mod ping;
mod proof;
mod refer;
mod registrar;
mod reliable;
mod session_timer;
mod subscriptions;

use sipx_sip::message::{Method, Request, Response};
use sipx_sip::{HeaderName, Uri};
use timing::{Deadline, Duration, Instant};

use super::UserAgent;
use super::exchange::{PATIENCE, TransactionId, Wake};
use crate::config::{DialogId, FlowId, RequestId};
use crate::refer::ReferId;
use crate::subscription::{SubscriptionId, SubscriptionReason};
use crate::wire::Draft;

use refer::Refer;
pub(super) use subscriptions::{PACKAGES, Subscriptions};

/// What a request was sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerPurpose {
    /// To tell what became of a REFER.
    ReferNotify(DialogId, ReferId),
    Ping(RequestId),
    /// To deliver a text message.
    Message(RequestId),
    /// To acknowledge a provisional response.
    Prack(DialogId),
    /// To tell what a peer has subscribed to.
    Notify(SubscriptionId),
}

/// Why to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerWake {
    /// A reliable provisional response goes out once more.
    Progress(DialogId),
    /// A session is to be refreshed.
    Session(DialogId),
    /// A subscription is over unless it was refreshed.
    Expiry(SubscriptionId),
}

/// What a dialog has beyond RFC 3261.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// The REFERs that are not done with.
    refers: Vec<Refer>,
    /// Whether there ever was one.
    was_referred: bool,
    /// Our reliable provisional responses.
    progress: Option<Box<reliable::Outgoing>>,
    /// Those of the peer, for each branch.
    received: Vec<reliable::Incoming>,
    session: Option<session_timer::SessionTimer>,
    /// The shortest session interval that the way to the peer allows, where it is not the usual one.
    min_se: Option<Duration>,
    /// Our side of the session, as it was described last.
    sdp: String,
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
            Method::Prack => self.handle_prack(dialog, id, request, now),
            Method::Message if self.exchange.is_server() => {
                let flow = self.exchange.pending(id).map(|(_, flow)| flow).unwrap_or_default();
                self.handle_message_request(id, flow, request, now);
            }
            // a subscription is a dialog of its own
            Method::Subscribe if self.exchange.is_server() => self.reply(id, 403, &[], now),
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
            Method::Message => self.handle_message_request(id, flow, request, now),
            Method::Subscribe => self.handle_subscribe(id, flow, request, now),
            // whoever is to be called with our rights is asked for inside a call, where we know who asks
            Method::Refer => self.reply(id, 403, &[], now),
            _ => self.reply_method(id, request, now),
        }
    }

    /// A request inside of something that is no call.
    pub(super) fn handle_stray_request(
        &mut self,
        id: TransactionId,
        flow: FlowId,
        request: &Request,
        now: Instant,
    ) {
        match request.method {
            Method::Subscribe => self.handle_resubscribe(id, flow, request, now),
            _ => self.reply(id, 481, &[], now),
        }
    }

    /// The beginning of a request of ours outside of dialogs: `ends` are its `From`, which gets a tag, and its `To`.
    fn draft_outside(
        &mut self,
        flow: FlowId,
        method: Method,
        uri: Uri,
        (from, to): (&[u8], &[u8]),
        hops: u8,
    ) -> Draft {
        let from = [from, b";tag=", self.exchange.token().as_bytes()].concat();
        let cseq = [b"1 ", method.as_bytes()].concat();
        Draft::new(method, uri)
            .header(HeaderName::Via, self.exchange.via(flow))
            .header(HeaderName::MaxForwards, hops.to_string())
            .header(HeaderName::From, from)
            .header(HeaderName::To, to)
            .header(HeaderName::CallId, self.exchange.token())
            .header(HeaderName::CSeq, cseq)
            .header(HeaderName::UserAgent, &self.exchange.config.user_agent)
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
        self.stop_progress(dialog);
        self.exchange.wakes.cancel(&Wake::Server(ServerWake::Session(dialog)));
    }

    pub(super) fn handle_server_wake(&mut self, wake: ServerWake, now: Instant) {
        match wake {
            ServerWake::Progress(dialog) => self.repeat_progress(dialog, now),
            ServerWake::Session(dialog) => self.session_is_due(dialog, now),
            ServerWake::Expiry(id) => self.end_subscription(id, SubscriptionReason::Timeout, now),
        }
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
            ServerPurpose::Message(id) => self.handle_delivered(id, response),
            ServerPurpose::Prack(dialog) => self.handle_pracked(dialog, request, response, now),
            ServerPurpose::Notify(id) => self.handle_notified(id, response, now),
        }
    }

    pub(super) fn handle_server_timeout(&mut self, purpose: ServerPurpose, _: Instant) {
        match purpose {
            ServerPurpose::ReferNotify(dialog, refer) => self.forget_refer(dialog, refer),
            ServerPurpose::Ping(id) => self.fail_ping(id),
            ServerPurpose::Message(id) => self.lose_message(id),
            // the callee goes on asking until it gives up the call itself
            ServerPurpose::Prack(_) => {}
            ServerPurpose::Notify(id) => self.forget_subscription(id),
        }
    }
}
