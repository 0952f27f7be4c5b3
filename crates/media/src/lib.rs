//! Media of one worker: browser legs over WebRTC, and what joins them.
//!
//! [`Plane`] is the one entry type. It is sans-IO: a worker thread owns the sockets and the clock, hands in
//! datagrams and [`Order`]s, and takes out [`Transmit`]s, [`Fact`]s and the next deadline. Both legs of a call
//! live on one plane, so a relayed packet never leaves its thread.
//!
//! ```
//! use media::{Certificate, CodecPreference, Config, Fact, LegId, Order, Plane};
//! use timing::Instant;
//!
//! let mut plane = Plane::new(Config {
//!     candidates: vec!["192.0.2.7:7000".parse().expect("an address")],
//!     epoch: std::time::Instant::now(),
//!     certificate: Certificate::generate().expect("a key pair"),
//!     seed: [7; 32],
//! });
//! plane.handle_order(Order::MakeOffer { leg: LegId(1), codecs: CodecPreference::Any }, Instant::ORIGIN);
//! assert!(matches!(plane.poll_fact(), Some(Fact::OfferMade { leg: LegId(1), .. })));
//! ```
//!
//! Offers and answers pass the gate and the normaliser of [`sdp`] before the WebRTC engine (str0m, behind
//! `leg::browser`) sees them. A panic in that engine ends one leg and is told as [`Fact::Crashed`].
//!
//! Left to others: signalling and what a call is (`switch`), sockets, threads and the clock (`server/media`).
#![warn(missing_docs)]

mod codec;
mod leg;
mod order;
mod plane;
pub mod sdp;

pub use codec::{Codec, CodecPreference};
pub use leg::{Certificate, CertificateError};
pub use order::{Fact, LegFigures, LegId, Order, Transmit};
pub use plane::{Config, Plane};
pub use sdp::Direction;
