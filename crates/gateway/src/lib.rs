//! CTI sessions: who is connected, what he may ask, and what he is told.
//!
//! [`Gateway`] is where the CTI wire meets the calls. It reads frames, holds each user to the throttle, turns
//! wishes into [`switch::Command`]s and the switch's facts into events for every session of the user concerned.
//! The words of the wire stop in `translate`; nothing below knows them.
//!
//! ```
//! use gateway::Gateway;
//!
//! let mut gateway = Gateway::new(gateway::Config::default());
//! assert!(gateway.poll_transmit().is_none());
//! ```
//!
//! Left to others: sockets, tokens and Origin (`server/cti`), calls (`switch`).
#![warn(missing_docs)]

mod gateway;
mod mirror;
mod profile;
mod throttle;
mod translate;

pub use gateway::{CloseReason, Config, Gateway, Order, Transmit};
pub use profile::{IceServers, LineProfile, Profile, Turn};
pub use throttle::Throttle;
