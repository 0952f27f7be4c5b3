//! The words of the house: ids, numbers and reasons that several engines share.
//!
//! Everything here is parsed once at the edge into a type that cannot be wrong; nobody checks it again.
//!
//! ```
//! use model::PhoneNumber;
//!
//! assert_eq!("+33 1 44 50 02 10".parse::<PhoneNumber>().unwrap().as_str(), "+33144500210");
//! assert!("x@evil.example".parse::<PhoneNumber>().is_err());
//! ```
#![warn(missing_docs)]

mod cause;
mod class;
mod id;
mod number;
mod role;
mod services;

pub use cause::EndCause;
pub use class::CallClass;
pub use id::{AgentId, CallId, LegId, LineId, SessionId, UserId};
pub use number::{NotANumber, PhoneNumber};
pub use role::Role;
pub use services::{Forward, UserServices};
