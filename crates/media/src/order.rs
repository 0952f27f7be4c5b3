use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::codec::CodecPreference;
use crate::sdp::Direction;
use crate::sound::Sound;

/// One party's media stream on a plane. The switch numbers legs; a number is not used twice on one plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub u64);

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What kind of leg an offer begins. A leg keeps its kind: a WebRTC leg is never talked down to plain RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Style {
    /// A browser: ICE and DTLS-SRTP, nothing less.
    #[default]
    WebRtc,
    /// A phone, an exchange or a carrier: RTP at an address of its own (RFC 3550), or SRTP with keys from the
    /// description (RFC 4568).
    Rtp(Plain),
}

/// What is to be known of the peer of a plain leg beside its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// Whether the stream is to be protected.
    pub secure: Sdes,
    /// Where the peer's signalling comes from or is sent to. Sound is taken from and sent to there, or to
    /// the address in the peer's description, and never to anyone else.
    pub signalled: IpAddr,
    /// How keys reach the peer.
    pub keys: Keys,
}

/// How the keys of a telephone reach a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Keys {
    /// Beside its sound, as telephone events (RFC 4733), or in it, as tones.
    #[default]
    Sound,
    /// By signalling alone: nothing of them goes out here, or they would come twice.
    Signalling,
}

/// How far a plain leg is protected by keys in the description (RFC 4568).
///
/// Such keys are as secret as the signalling that carries them: TLS, or a network of one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Sdes {
    /// RTP as it is.
    #[default]
    Never,
    /// SRTP where the peer does it: an offer of ours is `RTP/AVP` with keys.
    Optional,
    /// SRTP or nothing: an offer of ours is `RTP/SAVP`.
    Required,
}

/// What a plane is asked to do. Orders are never refused on the spot; failure comes back as a [`Fact`].
#[derive(Clone, PartialEq, Eq)]
pub enum Order {
    /// Makes a leg from a peer's first offer: [`Fact::AnswerMade`] or [`Fact::Refused`] follows.
    AcceptOffer {
        /// The new leg.
        leg: LegId,
        /// The peer's offer, as it came.
        offer: String,
        /// Of the offered codecs the one chosen by this is answered, and no other.
        codecs: CodecPreference,
        /// What kind of leg.
        style: Style,
    },
    /// Makes a leg and an offer for it: [`Fact::OfferMade`] or [`Fact::Refused`] follows.
    MakeOffer {
        /// The new leg.
        leg: LegId,
        /// The codecs to offer.
        codecs: CodecPreference,
        /// What kind of leg.
        style: Style,
    },
    /// Completes a leg that we offered: [`Fact::AnswerAccepted`] or [`Fact::Refused`] follows.
    ///
    /// A refused leg is of no more use and waits to be closed.
    AcceptAnswer {
        /// The leg that made the offer.
        leg: LegId,
        /// The peer's answer, as it came.
        answer: String,
    },
    /// Takes a later offer of the peer (RFC 3264 §8): hold, resume, ICE restart, or a new page with a new
    /// certificate. [`Fact::AnswerMade`] follows, or [`Fact::Refused`], in which case the old media goes on.
    AcceptReoffer {
        /// A leg that was negotiated before.
        leg: LegId,
        /// The peer's new offer, as it came.
        offer: String,
    },
    /// Makes a later offer on a leg that was negotiated before: our own hold and resume, or the answer to a
    /// re-INVITE without an offer. [`Fact::OfferMade`] follows, and [`Order::AcceptAnswer`] completes it; until
    /// then, the old media goes on. [`Fact::Refused`] follows while another offer waits for its answer.
    ///
    /// In the same way, an offer of the peer is refused meanwhile (RFC 3261 §14.2: SIP 491).
    MakeReoffer {
        /// A leg that was negotiated before.
        leg: LegId,
        /// Which way we want sound to flow from now on: `sendonly` or `inactive` holds the peer, whatever it
        /// offers itself, until the next offer of ours.
        direction: Direction,
        /// The codecs to offer; with [`CodecPreference::Any`] the one in use first. A WebRTC leg keeps its own.
        codecs: CodecPreference,
    },
    /// The peer has not taken our later offer: all is as before. Does nothing where none waits.
    ///
    /// An answer that was refused here leaves the offer standing as well, unless the WebRTC engine refused it.
    Retract {
        /// The leg that made the offer.
        leg: LegId,
    },
    /// The peer's signalling comes from another address now. To be told before the description that came from
    /// there: a plain leg takes sound from where its signalling is, while that description is new.
    Signalled {
        /// The leg.
        leg: LegId,
        /// Where signalling comes from.
        from: IpAddr,
    },
    /// Sends a leg its own audio back. Ends whatever joined this leg before.
    Echo {
        /// The leg that hears itself.
        leg: LegId,
    },
    /// Joins two legs so that each hears the other. Ends whatever joined either before.
    ///
    /// With one codec on both, packets pass as they are; with two, sound is decoded and encoded on the way. Keys
    /// are pressed anew for the other party (RFC 4733).
    Bridge {
        /// One leg.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// Lets a leg hear a sound of ours until it is joined to something else; what it says goes nowhere. Ends
    /// whatever joined this leg before.
    Play {
        /// The leg that hears it.
        leg: LegId,
        /// What it hears, from its beginning.
        sound: Sound,
    },
    /// Lets three or more legs hear each other, whatever their codecs; each hears all others and not itself.
    /// Ends whatever joined them before, except that legs of one mix go on in it without a seam; whoever else
    /// was in that one leaves it. A leg that is closed or joined to something else leaves the others as they are.
    Mix {
        /// Who is in it from now on.
        legs: Vec<LegId>,
    },
    /// Presses a key for the peer of a leg, after those that wait: a telephone event (RFC 4733), or its two tones
    /// in the sound where no events are agreed on with the peer (ITU-T Q.23).
    Press {
        /// The leg whose peer hears it.
        leg: LegId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        key: char,
        /// For how long, in milliseconds; at least 60 and at most 1360.
        ms: u32,
    },
    /// Ends the bridge, echo, sound or mix of this leg; both legs of a bridge fall silent.
    Unbridge {
        /// Either leg of the bridge.
        leg: LegId,
    },
    /// Server-side hold: while closed, nothing of this leg passes on in either direction.
    Gate {
        /// The leg to hold or resume.
        leg: LegId,
        /// `false` holds, `true` resumes.
        open: bool,
    },
    /// Ends a leg. Its last [`Fact::Figures`] follows, then nothing more of this leg.
    Close {
        /// The leg that is over.
        leg: LegId,
    },
}

impl Order {
    /// The leg that the order is about; of a bridge or mix, its first.
    pub fn leg(&self) -> LegId {
        match self {
            Order::AcceptOffer { leg, .. }
            | Order::MakeOffer { leg, .. }
            | Order::AcceptAnswer { leg, .. }
            | Order::AcceptReoffer { leg, .. }
            | Order::MakeReoffer { leg, .. }
            | Order::Retract { leg }
            | Order::Signalled { leg, .. }
            | Order::Echo { leg }
            | Order::Bridge { a: leg, .. }
            | Order::Play { leg, .. }
            | Order::Press { leg, .. }
            | Order::Unbridge { leg }
            | Order::Gate { leg, .. }
            | Order::Close { leg } => *leg,
            // of a mix of nobody, nobody
            Order::Mix { legs } => legs.first().copied().unwrap_or(LegId(0)),
        }
    }
}

/// Session descriptions carry ICE passwords, so that only their length is shown.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::AcceptOffer { leg, offer, codecs, style } => {
                let length = offer.len();
                write!(
                    f,
                    "AcceptOffer {{ leg: {leg}, offer: {length} bytes, codecs: {codecs:?}, {style:?} }}"
                )
            }
            Order::MakeOffer { leg, codecs, style } => {
                write!(f, "MakeOffer {{ leg: {leg}, codecs: {codecs:?}, {style:?} }}")
            }
            Order::AcceptAnswer { leg, answer } => {
                write!(f, "AcceptAnswer {{ leg: {leg}, answer: {} bytes }}", answer.len())
            }
            Order::AcceptReoffer { leg, offer } => {
                write!(f, "AcceptReoffer {{ leg: {leg}, offer: {} bytes }}", offer.len())
            }
            Order::MakeReoffer { leg, direction, codecs } => {
                write!(f, "MakeReoffer {{ leg: {leg}, {direction}, codecs: {codecs:?} }}")
            }
            Order::Retract { leg } => write!(f, "Retract {{ leg: {leg} }}"),
            Order::Signalled { leg, from } => write!(f, "Signalled {{ leg: {leg}, from: {from} }}"),
            Order::Echo { leg } => write!(f, "Echo {{ leg: {leg} }}"),
            Order::Bridge { a, b } => write!(f, "Bridge {{ a: {a}, b: {b} }}"),
            Order::Play { leg, sound } => write!(f, "Play {{ leg: {leg}, {sound:?} }}"),
            Order::Mix { legs } => write!(f, "Mix {{ legs: {legs:?} }}"),
            // a key may be part of a card number or a code
            Order::Press { leg, ms, .. } => write!(f, "Press {{ leg: {leg}, {ms} ms }}"),
            Order::Unbridge { leg } => write!(f, "Unbridge {{ leg: {leg} }}"),
            Order::Gate { leg, open } => write!(f, "Gate {{ leg: {leg}, open: {open} }}"),
            Order::Close { leg } => write!(f, "Close {{ leg: {leg} }}"),
        }
    }
}

/// Bytes to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// The candidate or port of ours that they leave from.
    pub source: SocketAddr,
    /// Where they go: an address that ICE has validated, or the peer of a plain leg.
    pub destination: SocketAddr,
    /// One datagram.
    pub bytes: Vec<u8>,
}

/// What the shell is asked to do about the ports of plain legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOrder {
    /// Opens `rtp` and the next higher port for RTCP, and answers with [`Plane::handle_socket`].
    ///
    /// [`Plane::handle_socket`]: crate::Plane::handle_socket
    Open {
        /// An address of ours with an even port.
        rtp: SocketAddr,
    },
    /// Closes both, once what was to be sent from them has been sent.
    Close {
        /// As it was opened.
        rtp: SocketAddr,
    },
}
