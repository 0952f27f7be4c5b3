//! The loop round the gateway, and its WebSockets.

mod run;
mod socket;

pub use run::{Cti, Wish, spawn};
pub use socket::socket;
