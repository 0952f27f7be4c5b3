//! The CTI wire: what a page sends to the server and what the server tells the page, as JSON text frames.
//!
//! [`Command`] goes from the page to the server, [`Event`] the other way. Both sides use this crate, so each
//! type is written and read here: writing is exact to the letter, reading is lenient (see [`Command::parse`]).
//! The bodies of the login routes stand in [`auth`].
//!
//! ```
//! use cti::{Command, Event};
//!
//! let command = Command::parse(r#"{"claz":"web","command":"dial","destination":1001}"#).unwrap();
//! assert_eq!(command.to_json(), r#"{"claz":"web","command":"dial","destination":"1001"}"#);
//! assert_eq!(Event::LoggedOn.to_json(), r#"{"msgType":"LoggedOn","ctiMessage":{}}"#);
//! ```
//!
//! Frame size, rate limits and rights are left to the gateway and its socket; the crate knows no sockets and no
//! calls. Codecs are written over [`serde_json::Value`] by hand rather than derived: the page links this crate,
//! and a derived reader costs several kilobytes of WASM per message.
#![warn(missing_docs)]

pub mod auth;
mod command;
mod event;
mod json;
mod line;
mod list;
mod malformed;
mod phone;
pub mod session;
mod user;

pub use command::{Command, parse};
pub use event::Event;
pub use line::{IceConfig, LineConfig, StunConfig, TurnConfig, WebRtcCommand};
pub use list::{ConfigObject, List};
pub use malformed::Malformed;
pub use phone::{CallDirection, EventType, PhoneEvent, PhoneStatus};
pub use session::LoggedOnError;
pub use user::{
    CtiStatus, Forward, Preference, Profile, RightProfile, StatusAction, UserConfigUpdate, UserStatus,
    VoiceMailStatus,
};
