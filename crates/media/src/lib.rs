//! Media of one worker: browser legs over WebRTC, plain legs over RTP and SRTP, what joins them, and what they are
//! played.
//!
//! [`Plane`] is the one entry type. It is sans-IO: a worker thread owns the sockets and the clock, hands in
//! datagrams and [`Order`]s, and takes out [`Transmit`]s, [`Fact`]s and the next deadline. Both legs of a call
//! live on one plane, so a relayed packet never leaves its thread.
//!
//! ```
//! use media::{Certificate, CodecPreference, Config, Fact, LegId, Order, Plane, Style};
//! use timing::Instant;
//!
//! let mut plane = Plane::new(Config {
//!     candidates: vec!["192.0.2.7:7000".parse().expect("an address")],
//!     epoch: std::time::Instant::now(),
//!     certificate: Certificate::generate().expect("a key pair"),
//!     seed: [7; 32],
//! });
//! let order = Order::MakeOffer { leg: LegId(1), codecs: CodecPreference::Any, style: Style::WebRtc };
//! plane.handle_order(order, Instant::ORIGIN);
//! assert!(matches!(plane.poll_fact(), Some(Fact::OfferMade { leg: LegId(1), .. })));
//! ```
//!
//! Offers and answers pass the gate and the normaliser of [`sdp`] before the WebRTC engine (str0m, behind
//! `leg::browser`) sees them. A panic in that engine ends one leg and is told as [`Fact::Crashed`].
//!
//! Where two legs have the same codec, packets pass from one to the other as they are. Only where sound has to
//! change is it decoded, behind a jitter buffer (`ear`), and encoded again (`voice`): between two codecs, in a mix
//! of three and more, and for the tones and the music that are made here (`sound`), all at a pace of 20 ms that
//! `plane::studio` keeps while there is something to make.
//!
//! A plain leg has two UDP ports of its own. [`Plane::poll_socket`] tells which to open and close, and its
//! description comes only when the shell has said that they are open.
//!
//! Left to others: signalling and what a call is (`switch`), sockets, threads and the clock (`server/media`).
#![warn(missing_docs)]

mod codec;
mod ear;
mod fact;
mod leg;
mod order;
mod plane;
mod rtp;
pub mod sdp;
mod sound;
mod srtp;
mod voice;

pub use codec::{Codec, CodecPreference};
pub use fact::{Fact, LegFigures};
pub use leg::{Certificate, CertificateError};
pub use order::{Keys, LegId, Order, Plain, Sdes, SocketOrder, Style, Transmit};
pub use plane::{Config, Plane, RtpConfig};
pub use sdp::Direction;
pub use sound::Sound;
