//! Calls and their legs: the dial plan, the registrar and the two dialogs of every call.
//!
//! [`Switch`] is a back-to-back user agent (RFC 7092): each party of a call has a SIP dialog and a media leg of
//! its own, so that the server can hold, re-home or replace one side without asking the other. It owns the
//! [`sip::UserAgent`], asks the media plane to act through [`Order`]s and tells what happened in [`Fact`]s. It
//! knows no socket and no clock; a shell feeds it SIP messages, media facts, wishes and the time.
//!
//! ```
//! use switch::{Config, Switch};
//! use timing::Instant;
//!
//! let mut switch = Switch::new(Config::default());
//! switch.handle_timeout(Instant::ORIGIN);
//! assert!(switch.poll_fact().is_none());
//! ```
//!
//! Left to others: who may log in (`server`), what the CTI wire looks like (`gateway`), sound (`media`).
#![warn(missing_docs)]

mod answering;
mod audit;
mod call;
mod command;
mod control;
mod directory;
mod diverting;
mod early;
mod ending;
mod fact;
mod features;
mod flows;
mod guesses;
mod holding;
mod inward;
mod lamps;
mod media_facts;
mod messaging;
mod numbering;
mod outward;
mod proving;
mod referring;
mod registering;
mod registrar;
mod resume;
mod setup;
mod switch;
mod transfer;
mod trunk;
mod trunks;

pub use command::{Command, PhoneAct, Refusal, ServiceChange};
pub use directory::{Destination, Device, Directory, Identity, Line};
pub use fact::{CallBegan, CallDirection, CallEnded, Fact, LineStatus, PartyInfo, PhoneFact, PhoneFactKind};
pub use features::Feature;
pub use numbering::{Fare, NotAPattern, NumberFormat, Numbering, Outside, Pattern};
pub use switch::{Config, Order, Switch};
pub use trunk::{
    Attempt, CallerIds, Did, DtmfMode, Identify, Limited, Limits, NotLet, Origin, Plan, Registers, Rights,
    Route, Trunk, TrunkId, TrunkStatus,
};
