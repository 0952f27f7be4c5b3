//! Legs: one party's media stream each. What the plane needs of any leg is [`Leg`]; the WebRTC one is
//! `browser`, the plain one `rtp`.

mod any;
mod browser;
mod certificate;
mod keypad;
mod reception;
mod rtp;
mod splice;
mod telephone_event;

use std::net::SocketAddr;
use std::sync::Arc;

use timing::{Duration, Instant};

pub(crate) use any::AnyLeg;
pub(crate) use browser::{BrowserLeg, Fresh, Shared};
pub use certificate::{Certificate, CertificateError};
pub(crate) use keypad::Keypad;
pub(crate) use rtp::{Policy, Reach, RtpLeg, Setup};
pub(crate) use telephone_event::event;

use crate::codec::{Codec, Content};
use crate::fact::LegFigures;
use crate::order::Transmit;
use crate::sdp::Direction;

/// The data path of a leg. Every call may fill the outbox; [`Leg::poll`] empties it.
pub(crate) trait Leg {
    /// Takes a datagram that was found to be for this leg; what does not authenticate is dropped silently.
    fn handle_datagram(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant);
    fn handle_timeout(&mut self, now: Instant);
    /// Sends a frame that another leg received. Nothing is sent before the leg is up, or in another codec.
    fn send(&mut self, frame: &Frame, now: Instant);
    /// Leaves out a frame of a source whose other frames are sent.
    fn skip(&mut self, frame: &Frame);
    /// Whether keys are for the leg to send, or to leave to signalling; else the peer must hear them as tones.
    fn takes_keys(&self) -> bool;
    /// Presses a key for the peer to hear, by its event code (RFC 4733 §3.2); without events agreed on, nothing.
    fn press(&mut self, event: u8, held: Duration, now: Instant);
    /// The next frame to send begins a new run: whatever was sent until now has been cut off.
    fn interrupt(&mut self);
    /// Says goodbye to the peer.
    fn close(&mut self, now: Instant);
    fn poll(&mut self) -> Option<Output>;
    fn poll_timeout(&self) -> Option<Instant>;
    /// Whether the peer is up and wants to be sent audio.
    fn hears(&self) -> bool;
    /// Whether the peer is up and what it sends is meant for others.
    fn speaks(&self) -> bool;
    fn figures(&self) -> LegFigures;
}

/// One RTP packet on its way from one leg to another, without what belongs to either's own stream.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) content: Content,
    pub(crate) payload: Arc<[u8]>,
    /// Synchronisation source, sequence number (extended) and timestamp as received.
    pub(crate) ssrc: u32,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// RFC 6464, in -dBov, and whether there is voice in it.
    pub(crate) audio_level: Option<(i8, Option<bool>)>,
}

/// What comes out of a leg.
#[derive(Debug)]
pub(crate) enum Output {
    Transmit(Transmit),
    /// A connectivity check from this address was in order.
    Validated(SocketAddr),
    Frame(Frame),
    Key(char),
    Connected,
    Lost,
    Silent,
    Audible,
    Figures(LegFigures),
}

/// What an offer and answer have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) codec: Codec,
    /// As the peer wrote it.
    pub(crate) direction: Direction,
}
