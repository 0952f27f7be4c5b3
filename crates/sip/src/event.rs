//! What a [`UserAgent`](crate::UserAgent) tells its application.

use crate::config::{DialogId, FlowId, RegistrationId, RequestId};
use crate::digest::Authorization;
use crate::refer::{ReferId, Replaces};
use crate::subscription::{SubscribeRequest, SubscriptionId};

/// Something has happened on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A REGISTER waits for [`UserAgent::respond`](crate::UserAgent::respond).
    Register(RegisterRequest),
    /// A call comes in; 100 Trying has gone out.
    Invite(InboundInvite),
    /// Our INVITE got a provisional response above 100.
    Progress {
        /// The call.
        dialog: DialogId,
        /// 101 to 199.
        status: u16,
        /// Early media, where the callee offers some.
        sdp: Option<String>,
    },
    /// Our INVITE was answered with a 2xx. It is acknowledged already, except where our INVITE had no offer:
    /// then this is one, and [`ack`](crate::UserAgent::ack) answers it.
    Answered {
        /// The call.
        dialog: DialogId,
        /// The answer, or the offer; a callee that sends none is broken, and the application decides.
        sdp: Option<String>,
    },
    /// The ACK for our 2xx has come.
    Confirmed {
        /// The call.
        dialog: DialogId,
    },
    /// The peer has answered our [`probe`](crate::UserAgent::probe): it still knows the dialog.
    Alive {
        /// The call.
        dialog: DialogId,
    },
    /// The peer speaks by another flow of the same [`Owner`](crate::Owner), and the dialog has followed it there.
    Moved {
        /// The call.
        dialog: DialogId,
        /// Where the peer is now.
        flow: FlowId,
    },
    /// The peer changes the session by re-INVITE or UPDATE. Reply with
    /// [`answer_offer`](crate::UserAgent::answer_offer) or [`refuse_offer`](crate::UserAgent::refuse_offer).
    Offer {
        /// The call.
        dialog: DialogId,
        /// The offer; without one the peer asks us for ours (RFC 3261 §14.2), and `answer_offer` carries it.
        sdp: Option<String>,
    },
    /// The peer has accepted our re-INVITE.
    OfferAnswered {
        /// The call.
        dialog: DialogId,
        /// Its answer; its offer where our re-INVITE had none, for [`ack`](crate::UserAgent::ack) to answer.
        sdp: String,
    },
    /// The peer has refused our re-INVITE for good; the session stays as it was.
    OfferRefused {
        /// The call.
        dialog: DialogId,
        /// The final status; 408 when nothing came, 503 when the flow is gone.
        status: u16,
    },
    /// An INFO inside a dialog, answered already. See [`dtmf::parse`](crate::dtmf::parse) for keys.
    Info {
        /// The call.
        dialog: DialogId,
        /// The media type without parameters, lower case.
        content_type: String,
        /// The body as it came.
        body: Vec<u8>,
    },
    /// The dialog is over. Comes exactly once per [`DialogId`], and nothing about the dialog follows it.
    Ended {
        /// The call.
        dialog: DialogId,
        /// Who or what ended it.
        by: EndedBy,
        /// The final status of the INVITE, where one was sent or received other than 2xx.
        status: Option<u16>,
        /// The peer's `Reason` header, where it sent one.
        reason_header: Option<String>,
    },
    /// The registrar has accepted or renewed a registration.
    Registered {
        /// Which one.
        id: RegistrationId,
        /// For how many seconds.
        expires: u32,
    },
    /// A registration has failed and is not tried again by us.
    RegistrationFailed {
        /// Which one.
        id: RegistrationId,
        /// The registrar's status; absent when none came.
        status: Option<u16>,
        /// Its reason phrase, or what happened.
        reason: String,
    },
    /// A registration was taken back on our wish.
    Unregistered {
        /// Which one.
        id: RegistrationId,
    },
    /// The peer asks us by REFER to call somebody in its stead (RFC 3515). Reply with
    /// [`accept_refer`](crate::UserAgent::accept_refer) or [`refuse_refer`](crate::UserAgent::refuse_refer).
    Refer {
        /// The call it came in.
        dialog: DialogId,
        /// The request itself.
        refer: ReferId,
        /// Whom to call, without the headers that the URI carried.
        target: String,
        /// Its user part, unescaped: the number.
        target_user: String,
        /// Its host, lower case; empty for a `tel:` URI.
        target_host: String,
        /// The dialog that the new call takes the place of, in an attended transfer.
        replaces: Option<Replaces>,
        /// The header `Referred-By`, which nobody has verified (RFC 3892).
        referred_by: Option<String>,
    },
    /// A request in a dialog has come by a flow of which nobody has proved anything, and not by the dialog's own: of a
    /// peer whose address has changed, or of somebody who has overheard the tags. It waits for
    /// [`UserAgent::admit`](crate::UserAgent::admit) or [`UserAgent::respond`](crate::UserAgent::respond).
    Unproved(DialogRequest),
    /// A MESSAGE waits for [`UserAgent::respond`](crate::UserAgent::respond).
    Message(MessageRequest),
    /// Somebody wants to be told about something.
    Subscribe(SubscribeRequest),
    /// The peer has asked for more time, and has it. It is to be told the present state once more.
    SubscriptionRefreshed {
        /// Which one.
        id: SubscriptionId,
    },
    /// A subscription is over: by its peer, by time, by a NOTIFY that found nobody, or by us. Comes exactly
    /// once per [`SubscriptionId`], and nothing about it follows.
    SubscriptionEnded {
        /// Which one.
        id: SubscriptionId,
    },
    /// Nobody has refreshed the session in time: the peer has not, or our own refresh got no answer (RFC 4028).
    /// Told once, until it is refreshed again. The dialog stands, and whether the call goes on is for the
    /// application to decide, by its media.
    Stale {
        /// The call.
        dialog: DialogId,
    },
    /// What became of our [`write`](crate::UserAgent::write).
    Delivered {
        /// Which one.
        id: RequestId,
        /// Whatever final status came; none when nothing did.
        status: Option<u16>,
    },
    /// Our [`ping`](crate::UserAgent::ping) has come back, or not.
    Pong {
        /// Which one.
        id: RequestId,
        /// Whatever final status came; none when nothing did.
        status: Option<u16>,
    },
}

/// Who or what ended a dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// Our application: `bye` or `refuse`.
    Local,
    /// The peer's BYE, or its answer that it knows no such dialog.
    Remote,
    /// The peer did not answer our INVITE at all.
    Timeout,
    /// The INVITE was cancelled, by us or by the peer.
    Cancelled,
    /// Our INVITE was refused, or could not be sent (400: bad target, 503: the flow is closed).
    Refused {
        /// The final status.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// Where to try instead after a 3xx, the most wanted first. Nobody has followed them.
        contacts: Vec<String>,
    },
    /// Our 2xx, or a reliable provisional response, was never acknowledged within 64·T1 (RFC 3261 §13.3.1.4,
    /// RFC 3262 §3).
    NoAck,
}

/// A request that waits for [`UserAgent::respond`](crate::UserAgent::respond).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PendingRequest(pub(crate) u64);

/// A REGISTER (RFC 3261 §10.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRequest {
    /// What to respond to.
    pub request: PendingRequest,
    /// Where it came from.
    pub flow: FlowId,
    /// The Request-URI, against which a digest is checked.
    pub request_uri: String,
    /// User part of the address of record (`To`), unescaped.
    pub aor_user: String,
    /// Its host, lower case.
    pub aor_host: String,
    /// User part of `From`, unescaped; differs from `aor_user` in a third-party registration.
    pub from_user: String,
    /// The bindings asked for; empty in a query.
    pub contacts: Vec<ContactBinding>,
    /// `Contact: *`, all bindings; valid with `expires` 0 only.
    pub wildcard: bool,
    /// The `Expires` header in seconds.
    pub expires: Option<u32>,
    /// The Call-ID, which with `cseq` orders a device's requests.
    pub sip_call_id: String,
    /// The sequence number.
    pub cseq: u32,
    /// The digest, where one was sent.
    pub authorization: Option<Authorization>,
    /// The peer's product, where it names one.
    pub user_agent: Option<String>,
}

/// A request in a dialog whose sender is to prove who he is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogRequest {
    /// What to admit or to respond to.
    pub request: PendingRequest,
    /// Which dialog it speaks of.
    pub dialog: DialogId,
    /// Where it came from.
    pub flow: FlowId,
    /// The method.
    pub method: String,
    /// The Request-URI, against which a digest is checked.
    pub request_uri: String,
    /// The Call-ID.
    pub sip_call_id: String,
    /// The digest, where one was sent.
    pub authorization: Option<Authorization>,
}

/// A MESSAGE (RFC 3428).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRequest {
    /// What to respond to.
    pub request: PendingRequest,
    /// Where it came from.
    pub flow: FlowId,
    /// User part of `From`, unescaped.
    pub from_user: String,
    /// Whom it is for, unescaped: the user part of the Request-URI, and inside of a dialog, of `To`.
    pub to_user: String,
    /// The Request-URI, against which a digest is checked.
    pub request_uri: String,
    /// The Call-ID.
    pub sip_call_id: String,
    /// How many hops it may still go.
    pub max_forwards: u8,
    /// The media type with its parameters, as it came; empty where there is none.
    pub content_type: String,
    /// The body as it came.
    pub body: Vec<u8>,
    /// The digest, where one was sent.
    pub authorization: Option<Authorization>,
}

/// One `Contact` of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactBinding {
    /// The URI; valid on the flow it came by only.
    pub uri: String,
    /// The parameter `expires` in seconds.
    pub expires: Option<u32>,
    /// The parameter `+sip.instance` without quotes and angle brackets.
    pub instance: Option<String>,
    /// The parameter `q` in thousandths.
    pub q: Option<u16>,
}

/// A call that comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundInvite {
    /// Our handle of it from now on.
    pub dialog: DialogId,
    /// Where it came from.
    pub flow: FlowId,
    /// The Request-URI, against which a digest is checked.
    pub request_uri: String,
    /// User part of the Request-URI, unescaped: what was dialled.
    pub request_user: String,
    /// Its host, lower case.
    pub request_host: String,
    /// User part of `From`, unescaped.
    pub from_user: String,
    /// Its host, lower case.
    pub from_host: String,
    /// The display name of `From`.
    pub from_name: Option<String>,
    /// User part of `To`, unescaped.
    pub to_user: String,
    /// The Call-ID.
    pub sip_call_id: String,
    /// The offer; absent when the caller wants ours.
    pub sdp: Option<String>,
    /// The header `Alert-Info`.
    pub alert_info: Option<String>,
    /// Whether the header asks a phone to answer by itself (`Alert-Info: xivo-autoanswer`).
    pub auto_answer: bool,
    /// The digest, where one was sent.
    pub authorization: Option<Authorization>,
    /// The dialog that the caller wants to take the place of (RFC 3891). To find and to permit it, and to end
    /// it after the answer, is the application's matter.
    pub replaces: Option<Replaces>,
    /// How many hops the call may still take; a back-to-back user agent passes on one less.
    pub max_forwards: u8,
    /// All headers but those with credentials, with their long names, control characters removed.
    pub headers: Vec<(String, String)>,
}

impl InboundInvite {
    /// The first header of this name, compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
