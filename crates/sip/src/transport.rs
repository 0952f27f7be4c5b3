//! What stands between sockets and the [`UserAgent`](crate::UserAgent): how streams are cut into messages,
//! and which datagrams of strangers are worth its time (RFC 3261 §18, RFC 5626 §4.4).
//!
//! A shell owns the sockets. For a TCP or TLS connection it keeps a [`Framer`], for a UDP socket a
//! [`Datagrams`]; what these let through goes to the user agent as it is.

mod bucket;
mod datagrams;
mod framer;
mod stun;

pub use bucket::Rate;
pub use datagrams::{Arrival, DatagramLimits, Datagrams, Dropped, PeerFact};
pub use framer::{Framer, Overdue, PONG, Patience, Piece};
pub use stun::binding_request;
