//! What a subscription to events is made of (RFC 6665), as the notifier sees it.

use crate::config::FlowId;
use crate::digest::Authorization;
use crate::event::PendingRequest;

/// Our handle of one subscription that a peer has with us, never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(pub u64);

/// A wish to be told about something, with which a subscription begins.
///
/// A lamp of a desk phone asks for the package `dialog` (RFC 4235), a mailbox's for `message-summary` (RFC
/// 3842); other packages are refused with 489 before anybody is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// What to accept by [`accept_subscription`](crate::UserAgent::accept_subscription) or to refuse by
    /// [`respond`](crate::UserAgent::respond).
    pub request: PendingRequest,
    /// Where it came from.
    pub flow: FlowId,
    /// The Request-URI, against which a digest is checked.
    pub request_uri: String,
    /// User part of `From`, unescaped: who wants to know.
    pub from_user: String,
    /// User part of `To`, unescaped: about whom.
    pub to_user: String,
    /// The event package, lower case, without parameters.
    pub event: String,
    /// For how many seconds; 0 asks for the present state alone, and nothing leaves it to us.
    pub expires: Option<u32>,
    /// The media types that the peer reads; none means the usual one of the package.
    pub accept: Vec<String>,
    /// The digest, where one was sent.
    pub authorization: Option<Authorization>,
    /// The Call-ID.
    pub sip_call_id: String,
}

/// How far a subscription has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// The peer is told what it asked for.
    Active,
    /// Nobody has permitted that yet.
    Pending,
}

/// Why we end a subscription (RFC 6665 §4.1.3), which says to the peer whether to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionReason {
    /// At once, as after a restart.
    Deactivated,
    /// Never: it may not know.
    Rejected,
    /// Whenever it likes: its time is over.
    Timeout,
    /// Later: nobody has permitted it in time.
    GiveUp,
    /// Never: what it asked about is no more.
    NoResource,
}

impl SubscriptionReason {
    /// The token in `Subscription-State`.
    #[cfg(feature = "server")]
    pub(crate) const fn token(self) -> &'static str {
        match self {
            SubscriptionReason::Deactivated => "deactivated",
            SubscriptionReason::Rejected => "rejected",
            SubscriptionReason::Timeout => "timeout",
            SubscriptionReason::GiveUp => "giveup",
            SubscriptionReason::NoResource => "noresource",
        }
    }
}
