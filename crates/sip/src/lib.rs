//! SIP without sockets: a user agent for the server's call legs and for the page's phone alike.
//!
//! [`UserAgent`] is the one entry. A shell gives it the bytes that come by its flows and the time; it gives
//! back bytes to send, events, and when it wants to be woken. Transactions follow RFC 3261 §17 and RFC 6026,
//! dialogs §12 to §15, registrations §10, digest authentication RFC 7616 and RFC 8760, and what browsers
//! need of RFC 7118 and RFC 5626.
//!
//! ```
//! use sip::{Config, FlowId, OutboundInvite, Owner, Transport, UserAgent};
//! use timing::Instant;
//!
//! let mut phone = UserAgent::new(Config {
//!     user_agent: "example/1".into(),
//!     contact_host: "a1b2c3.invalid".into(),
//!     transport: Transport::Wss,
//!     seed: [7; 32],
//!     server: false,
//! });
//! let (flow, now) = (FlowId(1), Instant::ORIGIN);
//! phone.open_flow(flow, Transport::Wss, Owner::Unproved, now);
//! phone.invite(
//!     OutboundInvite {
//!         flow,
//!         target: "sip:*55@example.org".into(),
//!         from_user: "anna".into(),
//!         from_host: "example.org".into(),
//!         to_user: "*55".into(),
//!         to_host: "example.org".into(),
//!         sdp: "v=0\r\n".into(),
//!         ..OutboundInvite::default()
//!     },
//!     now,
//! );
//! let sent = phone.poll_transmit().expect("an INVITE");
//! assert!(sent.bytes.starts_with(b"INVITE sip:*55@example.org SIP/2.0\r\n"));
//! ```
//!
//! What comes by TCP, TLS or UDP passes [`transport`] first.
//!
//! The cargo feature `server`, on by default, adds what no phone needs: that module, the registrar, REFER,
//! subscriptions, reliable provisional responses and session timers.
//!
//! Left to others: sockets (`server/signalling`), who may register or call whom
//! (`switch`), and session descriptions, which pass through as text (`media`).
#![warn(missing_docs)]

mod config;
mod dialog;
pub mod digest;
pub mod dtmf;
mod error;
mod event;
#[cfg(feature = "server")]
pub mod package;
mod reason;
mod refer;
mod subscription;
#[cfg(feature = "server")]
pub mod transport;
mod ua;
mod wire;

pub use config::{
    Config, Credentials, DialogId, FlowEnds, FlowId, OutboundInvite, OutboundMessage, OutboundRegister,
    Owner, RegistrationId, RequestId, Transmit, Transport,
};
pub use dialog::{DialogInfo, DialogState, Direction};
pub use error::{Malformed, WrongState};
pub use event::{
    ContactBinding, DialogRequest, EndedBy, Event, InboundInvite, MessageRequest, PendingRequest,
    RegisterRequest,
};
pub use reason::Reason;
pub use refer::{ReferId, Replaces};
pub use subscription::{SubscribeRequest, SubscriptionId, SubscriptionReason, SubscriptionState};
pub use ua::UserAgent;
pub use wire::same_uri;
