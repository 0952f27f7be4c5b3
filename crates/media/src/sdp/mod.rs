//! Session descriptions: the gate in front of the WebRTC engine, and the normaliser on both sides of it.
//!
//! What a peer writes never reaches the engine. It is parsed within limits (`gate`), the one audio stream that
//! we can serve is taken out of it (`audio`), and the engine is given a description of that stream alone,
//! written by us. What the engine writes is dressed for the peer (`dress`): its own profile, its m-lines, its
//! mids, or none where it had none.
//!
//! Plain RTP needs no engine: `plain` reads such descriptions behind the same gate and writes ours.

mod audio;
mod crypto;
mod dress;
mod gate;
mod payloads;
mod plain;
mod unsupported;

use std::fmt;

pub(crate) use audio::Audio;
pub(crate) use crypto::Crypto;
pub(crate) use dress::{Dress, Layout, Origin};
pub(crate) use gate::{Description, MediaSection};
pub(crate) use payloads::{Payload, Payloads};
pub(crate) use plain::{PlainAudio, PlainStream, Profile, plain_payloads};
pub use unsupported::Unsupported;

use crate::codec::Codec;
use crate::order::Sdes;

/// Which way audio flows, seen from the side that wrote the description (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both ways; what an absent attribute means.
    #[default]
    SendRecv,
    /// The writer only sends: the usual hold.
    SendOnly,
    /// The writer only listens.
    RecvOnly,
    /// Nothing flows.
    Inactive,
}

impl Direction {
    const fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the writer wants to be sent something.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same seen from the other side (RFC 3264 §6.1).
    pub(crate) const fn mirrored(self) -> Direction {
        Direction::of(self.receives(), self.sends())
    }

    /// What is left of it for one who does no more than `limit`.
    pub(crate) const fn within(self, limit: Direction) -> Direction {
        Direction::of(self.sends() && limit.sends(), self.receives() && limit.receives())
    }

    fn from_attribute(name: &str) -> Option<Direction> {
        match name {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        })
    }
}

/// The audio codecs of a description that we know, in its writer's order.
///
/// # Errors
/// [`Unsupported`] when the description could not be taken as an offer or answer of a browser leg.
pub fn offered_codecs(sdp: &str) -> Result<Vec<Codec>, Unsupported> {
    Ok(Audio::find(&Description::parse(sdp)?)?.payloads.codecs())
}

/// The audio codecs of a description that we know and that a plain leg could carry, in its writer's order.
///
/// # Errors
/// [`Unsupported`] when the description could not be taken as an offer or answer of a plain leg that is
/// `secure` to this degree.
pub fn plain_offered_codecs(sdp: &str, secure: Sdes) -> Result<Vec<Codec>, Unsupported> {
    Ok(PlainAudio::find(&Description::parse(sdp)?, secure)?.payloads.codecs())
}

/// The direction of the audio stream, as written by the peer; `sendrecv` where nothing is said.
///
/// An address of 0.0.0.0 says nothing here: browsers write it into every offer whose candidates are not yet
/// gathered, so that it cannot mean hold (RFC 8829 §5.2.1).
pub fn audio_direction(sdp: &str) -> Direction {
    let Ok(description) = Description::parse(sdp) else { return Direction::default() };
    let usable = description.media.iter().find(|media| media.kind == "audio" && !media.is_rejected());
    let Some(audio) = usable.or(description.media.iter().find(|media| media.kind == "audio")) else {
        return Direction::default();
    };
    description.direction_of(audio)
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_come_in_the_writers_order() {
        use Codec::{G722, Opus, Pcma, Pcmu};
        assert_eq!(offered_codecs(samples::CHROMIUM), Ok(vec![Opus, G722, Pcmu, Pcma]));
        assert_eq!(offered_codecs(samples::FIREFOX), Ok(vec![Opus, G722, Pcmu, Pcma]));
        assert_eq!(offered_codecs(samples::SIPML5), Ok(vec![Opus, Pcmu, Pcma]));
        assert_eq!(offered_codecs(samples::PCMU_ONLY), Ok(vec![Pcmu]));
    }

    #[test]
    fn a_direction_is_mirrored_and_limited_way_by_way() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        let all = [SendRecv, SendOnly, RecvOnly, Inactive];
        assert_eq!(all.map(Direction::mirrored), [SendRecv, RecvOnly, SendOnly, Inactive]);
        assert_eq!(all.map(|direction| direction.within(SendOnly)), [SendOnly, SendOnly, Inactive, Inactive]);
        assert_eq!(all.map(|direction| direction.within(SendRecv)), all);
        assert_eq!(all.map(|direction| direction.within(Inactive)), [Inactive; 4]);
    }

    #[test]
    fn the_direction_is_that_of_the_stream_else_of_the_session_else_both_ways() {
        assert_eq!(audio_direction(samples::CHROMIUM), Direction::SendRecv);
        let held = samples::CHROMIUM.replace("a=sendrecv", "a=sendonly");
        assert_eq!(audio_direction(&held), Direction::SendOnly);
        assert_eq!(audio_direction(&samples::CHROMIUM.replace("a=sendrecv\r\n", "")), Direction::SendRecv);
        let session_wide = samples::FIREFOX.replace("a=sendrecv\r\nm=", "a=inactive\r\nm=");
        let session_wide = session_wide.replacen("a=sendrecv\r\n", "", 1);
        assert_eq!(audio_direction(&session_wide), Direction::Inactive);
        assert_eq!(audio_direction("nonsense"), Direction::SendRecv);
    }
}
