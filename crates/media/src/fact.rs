use std::fmt;

use crate::codec::Codec;
use crate::order::LegId;
use crate::sdp::{Direction, Unsupported};

/// What has happened on a plane.
#[derive(Clone, PartialEq, Eq)]
pub enum Fact {
    /// An offer was taken; `sdp` is the answer to send.
    AnswerMade {
        /// The leg.
        leg: LegId,
        /// Our answer, in the peer's own style.
        sdp: String,
        /// The codec that the leg carries from now on.
        codec: Codec,
        /// The peer's direction: `sendonly` and `inactive` are a hold, and `recvonly` only listens.
        direction: Direction,
    },
    /// Our offer is ready to be sent, candidates complete.
    OfferMade {
        /// The leg.
        leg: LegId,
        /// Our offer.
        sdp: String,
    },
    /// The peer's answer to our offer was taken.
    AnswerAccepted {
        /// The leg.
        leg: LegId,
        /// The codec that the leg carries from now on.
        codec: Codec,
        /// The peer's direction: `sendonly` and `inactive` are a hold, and `recvonly` only listens.
        direction: Direction,
    },
    /// An offer or answer was not taken; a SIP 488 or 503 for the peer.
    Refused {
        /// The leg. After a refused first offer it does not exist.
        leg: LegId,
        /// What is wrong with it.
        why: Unsupported,
    },
    /// Audio can flow: ICE and DTLS are up, or a plain leg knows where its peer is. Comes again when a lost
    /// leg is back.
    Connected {
        /// The leg.
        leg: LegId,
    },
    /// No audio has come for ten seconds from a leg that should send.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// Audio has come again from a leg that was [`Fact::Silent`].
    Audible {
        /// The leg.
        leg: LegId,
    },
    /// Nothing at all comes from the peer any more, or it closed its side. Also told when a new page takes over a
    /// connected leg, which is not connected until that page is. A browser leg sends nothing until it is
    /// [`Fact::Connected`] again (RFC 7675 §5.1); a plain one, of which nothing has come for a minute, goes on,
    /// since it has no consent to lose.
    Lost {
        /// The leg.
        leg: LegId,
    },
    /// The party pressed a key: one fact for each press (RFC 4733).
    Dtmf {
        /// The leg.
        leg: LegId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        key: char,
    },
    /// The engine of this leg panicked. The leg is gone, all others go on.
    Crashed {
        /// The leg.
        leg: LegId,
    },
    /// How well the leg does; every five seconds while it lives, and once when it is closed.
    Figures {
        /// The leg.
        leg: LegId,
        /// Totals since the leg began.
        figures: LegFigures,
    },
}

impl Fact {
    /// The leg that the fact is about.
    pub fn leg(&self) -> LegId {
        match self {
            Fact::AnswerMade { leg, .. }
            | Fact::OfferMade { leg, .. }
            | Fact::AnswerAccepted { leg, .. }
            | Fact::Refused { leg, .. }
            | Fact::Connected { leg }
            | Fact::Silent { leg }
            | Fact::Audible { leg }
            | Fact::Lost { leg }
            | Fact::Dtmf { leg, .. }
            | Fact::Crashed { leg }
            | Fact::Figures { leg, .. } => *leg,
        }
    }
}

/// Session descriptions carry ICE passwords, so that only their length is shown.
impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::AnswerMade { leg, sdp, codec, direction } => {
                write!(f, "AnswerMade {{ leg: {leg}, sdp: {} bytes, {codec:?}, {direction} }}", sdp.len())
            }
            Fact::OfferMade { leg, sdp } => write!(f, "OfferMade {{ leg: {leg}, sdp: {} bytes }}", sdp.len()),
            Fact::AnswerAccepted { leg, codec, direction } => {
                write!(f, "AnswerAccepted {{ leg: {leg}, {codec:?}, {direction} }}")
            }
            Fact::Refused { leg, why } => write!(f, "Refused {{ leg: {leg}, why: {why:?} }}"),
            Fact::Connected { leg } => write!(f, "Connected {{ leg: {leg} }}"),
            Fact::Silent { leg } => write!(f, "Silent {{ leg: {leg} }}"),
            Fact::Audible { leg } => write!(f, "Audible {{ leg: {leg} }}"),
            Fact::Lost { leg } => write!(f, "Lost {{ leg: {leg} }}"),
            // a key may be part of a card number or a code
            Fact::Dtmf { leg, .. } => write!(f, "Dtmf {{ leg: {leg} }}"),
            Fact::Crashed { leg } => write!(f, "Crashed {{ leg: {leg} }}"),
            Fact::Figures { leg, figures } => write!(f, "Figures {{ leg: {leg}, {figures:?} }}"),
        }
    }
}

/// Totals of one leg since it began, as seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LegFigures {
    /// RTP packets received and authenticated.
    pub packets_in: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// RTP packets sent.
    pub packets_out: u64,
    /// Payload bytes sent.
    pub bytes_out: u64,
    /// Packets that the peer sent and that never came (RFC 3550 §6.4.1).
    pub lost: u64,
    /// Packets that we sent and that the peer says it never received.
    pub lost_by_peer: u64,
    /// Interarrival jitter of what comes in, in microseconds (RFC 3550 §6.4.1).
    pub jitter_us: u64,
    /// Round-trip time from the peer's receiver reports, in microseconds, once there is one.
    pub rtt_us: Option<u64>,
}
