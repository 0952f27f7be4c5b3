//! What an application hands to a [`UserAgent`](crate::UserAgent): how it is set up, and its wishes.

/// One connection or one remote address that messages come from and go to; the shell numbers them.
///
/// Browsers write host names nobody can resolve into `Via` and `Contact` (RFC 7118 §5), so responses and
/// requests inside a dialog follow the flow and never an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// Our handle of one dialog, given out by [`UserAgent`](crate::UserAgent) and never used twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogId(pub u64);

/// Our handle of one request outside of dialogs, such as a [`ping`](crate::UserAgent::ping).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Our handle of one registration that we keep up at a registrar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationId(pub u64);

/// Who speaks on a flow, as far as the shell has proved it.
///
/// A request inside a dialog is taken from the dialog's own flow, and from any other flow of the same owner:
/// a phone that has come back, before anybody noticed that it was gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// Nobody has proved who he is, as on an open UDP port. Who speaks in a dialog by another such flow than it is on
    /// is asked for a proof: [`Event::Unproved`](crate::Event::Unproved).
    #[default]
    Unproved,
    /// The holder of this account.
    Account(String),
}

/// How a flow carries SIP (RFC 3261 §18, RFC 7118).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// SIP over WebSocket.
    #[default]
    Ws,
    /// SIP over WebSocket over TLS.
    Wss,
    /// One datagram per message; the only transport that loses messages.
    Udp,
    /// A stream; the shell frames it.
    Tcp,
    /// A stream over TLS; the shell frames it.
    Tls,
}

impl Transport {
    /// Whether the transport delivers what it is given, so that nothing is sent twice (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// Whether it is SIP over WebSocket, where one flow is one authenticated client.
    pub const fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The token of the `Via` header, e.g. `WSS`.
    pub const fn via_token(self) -> &'static str {
        match self {
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// The value of the URI parameter `transport` (RFC 3261 §19.1.1, RFC 7118 §5.2.4).
    pub const fn uri_token(self) -> &'static str {
        match self {
            Transport::Ws | Transport::Wss => "ws",
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }
}

/// The two ends of a flow over UDP, TCP or TLS.
///
/// A WebSocket needs none: its client names hosts that nobody can resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEnds {
    /// `host[:port]` by which the peer reaches us: our `Via` and `Contact` on this flow.
    pub local: String,
    /// Where its messages come from, for `received` and `rport` (RFC 3261 §18.2.1, RFC 3581 §4).
    pub remote: std::net::SocketAddr,
}

/// Bytes to put on a flow: one whole message, or an RFC 5626 keep-alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub flow: FlowId,
    /// What; one datagram or one WebSocket message.
    pub bytes: Vec<u8>,
}

/// How a [`UserAgent`](crate::UserAgent) presents itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The product token of `User-Agent` and `Server`, e.g. `Hotdesk/0.1`.
    pub user_agent: String,
    /// The `host[:port]` of our `Via` and `Contact`; a random name under `.invalid` for a browser.
    pub contact_host: String,
    /// The transport written into `Via` for flows that do not say otherwise.
    pub transport: Transport,
    /// Where tags, branches and Call-IDs come from; must be unpredictable in production.
    pub seed: [u8; 32],
    /// Whether we are a server: REGISTER, SUBSCRIBE, MESSAGE and REFER become events here, and reliable
    /// provisional responses and session timers are negotiated. A phone refuses the former with 405 and does
    /// without the latter, and so does everyone in a build without the cargo feature `server`.
    pub server: bool,
}

/// What proves us to a peer that answers 401 or 407.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The digest user, which need not be the user of the address.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The only realm that may have an answer made of the password, compared exactly; without it, any may.
    pub realm: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A call that we start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundInvite {
    /// Where to send it.
    pub flow: FlowId,
    /// The Request-URI: the registered contact of the callee, or `sip:number@host`.
    pub target: String,
    /// User part of `From`.
    pub from_user: String,
    /// Display name of `From`, any text.
    pub from_name: Option<String>,
    /// Host part of `From`.
    pub from_host: String,
    /// User part of `To`.
    pub to_user: String,
    /// Host part of `To`.
    pub to_host: String,
    /// The offer. An empty one asks the callee for its own, which [`Event::Answered`](crate::Event::Answered)
    /// brings, and [`UserAgent::ack`](crate::UserAgent::ack) answers (RFC 3261 §13.2.1).
    pub sdp: String,
    /// Asks the phone to answer by itself: adds `Alert-Info: xivo-autoanswer`.
    pub auto_answer: bool,
    /// Headers to add as they are. `Max-Forwards` replaces our 70, for a call that has come some way already.
    pub headers: Vec<(String, String)>,
    /// What to answer a challenge with; without them 401 and 407 end the call.
    pub credentials: Option<Credentials>,
}

/// A text message that we send outside of any dialog (RFC 3428).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundMessage {
    /// Where to send it.
    pub flow: FlowId,
    /// The Request-URI: the registered contact of whom it is for.
    pub target: String,
    /// User part of `From`.
    pub from_user: String,
    /// Display name of `From`, any text.
    pub from_name: Option<String>,
    /// Host part of `From`.
    pub from_host: String,
    /// User part of `To`.
    pub to_user: String,
    /// Host part of `To`.
    pub to_host: String,
    /// How many hops it may go.
    pub max_forwards: u8,
    /// The media type of the body, with its parameters.
    pub content_type: String,
    /// The body as it is.
    pub body: Vec<u8>,
}

/// A registration that we keep up (RFC 3261 §10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutboundRegister {
    /// The flow to the registrar.
    pub flow: FlowId,
    /// User part of the address of record.
    pub user: String,
    /// Its host part, and the host of the Request-URI.
    pub domain: String,
    /// The display name in `From` and `To`.
    pub name: Option<String>,
    /// The life time we ask for, in seconds; it is renewed at half of what is granted.
    pub expires: u32,
    /// What to answer the challenge with.
    pub credentials: Option<Credentials>,
    /// The `+sip.instance` of this device, e.g. `urn:uuid:…` (RFC 5626 §4.1).
    pub instance: Option<String>,
}
