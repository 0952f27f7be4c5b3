use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use super::dress::{address, connection};
use super::{Crypto, Description, Direction, MediaSection, Origin, Payload, Payloads, Unsupported};
use crate::codec::{Codec, Content};
use crate::order::Sdes;

/// The profiles of plain RTP; kept in the answer as they were offered (RFC 3264 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Avp,
    Avpf,
    Savp,
    Savpf,
}

impl Profile {
    fn parse(name: &str) -> Option<Profile> {
        match name {
            "RTP/AVP" => Some(Profile::Avp),
            "RTP/AVPF" => Some(Profile::Avpf),
            "RTP/SAVP" => Some(Profile::Savp),
            "RTP/SAVPF" => Some(Profile::Savpf),
            _ => None,
        }
    }

    const fn is_secure(self) -> bool {
        matches!(self, Profile::Savp | Profile::Savpf)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Profile::Avp => "RTP/AVP",
            Profile::Avpf => "RTP/AVPF",
            Profile::Savp => "RTP/SAVP",
            Profile::Savpf => "RTP/SAVPF",
        })
    }
}

/// The one audio stream of a peer's description that a plain leg can serve.
#[derive(Clone, Debug)]
pub(crate) struct PlainAudio {
    pub(crate) profile: Profile,
    /// Where the peer wants RTP; `None` while it names no IP address or holds the old way.
    pub(crate) rtp: Option<SocketAddr>,
    /// Where it wants RTCP, unless that is [`PlainAudio::mux`]ed.
    pub(crate) rtcp: Option<SocketAddr>,
    pub(crate) mux: bool,
    /// With a hold by an address of zeros in it (RFC 3264 §8.4).
    pub(crate) direction: Direction,
    pub(crate) payloads: Payloads,
    /// Keys that we can use; empty where the stream shall stay unprotected.
    pub(crate) crypto: Vec<Crypto>,
    /// An answer's other m-lines, refused; `None` in the place of this stream.
    sections: Vec<Option<String>>,
}

impl PlainAudio {
    /// Takes the audio stream out of a peer's description.
    pub(crate) fn find(description: &Description<'_>, secure: Sdes) -> Result<PlainAudio, Unsupported> {
        let mut refused = Unsupported::NoAudio;
        for (index, media) in description.media.iter().enumerate() {
            if media.kind != "audio" || media.is_rejected() || media.port == 0 {
                continue;
            }
            match protection(media, secure) {
                Ok((profile, crypto)) => return PlainAudio::take(description, index, profile, crypto),
                Err(what) if refused == Unsupported::NoAudio => refused = Unsupported::Protection { what },
                Err(_) => {}
            }
        }
        Err(refused)
    }

    fn take(
        description: &Description<'_>,
        index: usize,
        profile: Profile,
        crypto: Vec<Crypto>,
    ) -> Result<PlainAudio, Unsupported> {
        let media = &description.media[index];
        let connection = description.connection_of(media);
        let ip = connection.and_then(ip_of);
        let held = ip.is_some_and(|ip| ip.is_unspecified());
        let ip = ip.filter(|ip| !ip.is_unspecified());
        let named_rtcp = media.attribute("rtcp").and_then(|value| rtcp_of(value, ip));
        let next_port = || Some(SocketAddr::new(ip?, media.port.checked_add(1)?));
        Ok(PlainAudio {
            profile,
            rtp: ip.map(|ip| SocketAddr::new(ip, media.port)),
            rtcp: named_rtcp.or_else(next_port),
            mux: media.has_flag("rtcp-mux"),
            direction: with_hold(description.direction_of(media), held),
            payloads: Payloads::of(media)?,
            crypto,
            sections: sections(description, index),
        })
    }

    /// Its m-lines, to be written into descriptions of ours: `None` in the place of the audio stream.
    pub(crate) fn sections(&self) -> &[Option<String>] {
        &self.sections
    }
}

/// Our side of a stream, to be written.
pub(crate) struct PlainStream<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) profile: Profile,
    pub(crate) payloads: &'a [Payload],
    pub(crate) direction: Direction,
    pub(crate) crypto: &'a [Crypto],
    pub(crate) mux: bool,
}

impl PlainStream<'_> {
    /// A description with m-lines that are there already, in their order: all others are refused
    /// (RFC 3264 §6, §8).
    pub(crate) fn among(&self, sections: &[Option<String>]) -> String {
        let mut sdp = self.session();
        for section in sections {
            match section {
                Some(refused) => sdp.push_str(refused),
                None => self.section(&mut sdp),
            }
        }
        sdp
    }

    fn session(&self) -> String {
        let Origin { id, version, .. } = self.origin;
        let (address, connection) = (address(self.origin), connection(self.origin));
        format!("v=0\r\no=- {id} {version} IN {address}\r\ns=-\r\nc={connection}\r\nt=0 0\r\n")
    }

    fn section(&self, sdp: &mut String) {
        let numbers: Vec<String> = self.payloads.iter().map(|payload| payload.number.to_string()).collect();
        let port = self.origin.address.port();
        let _ = write!(sdp, "m=audio {port} {} {}\r\n", self.profile, numbers.join(" "));
        for Payload { number, usage } in self.payloads {
            let _ = match usage {
                Content::Audio(Codec::Opus) => write!(
                    sdp,
                    "a=rtpmap:{number} opus/48000/2\r\na=fmtp:{number} minptime=10;useinbandfec=1\r\n"
                ),
                Content::Audio(Codec::G722) => write!(sdp, "a=rtpmap:{number} G722/8000\r\n"),
                Content::Audio(Codec::Pcmu) => write!(sdp, "a=rtpmap:{number} PCMU/8000\r\n"),
                Content::Audio(Codec::Pcma) => write!(sdp, "a=rtpmap:{number} PCMA/8000\r\n"),
                Content::Events(rate) => {
                    write!(sdp, "a=rtpmap:{number} telephone-event/{rate}\r\na=fmtp:{number} 0-16\r\n")
                }
            };
        }
        sdp.push_str("a=ptime:20\r\n");
        for crypto in self.crypto {
            crypto.write(sdp);
        }
        if self.mux {
            sdp.push_str("a=rtcp-mux\r\n");
        }
        let _ = write!(sdp, "a={}\r\n", self.direction);
    }
}

/// The payload types of our own offers: those `known` already, which keep their meaning (RFC 3264 §8.3.2), else
/// the static ones where there are; and events on every clock in use.
pub(crate) fn plain_payloads(codecs: &[Codec], known: &[Payload]) -> Vec<Payload> {
    let usual = |usage| match usage {
        Content::Audio(Codec::Opus) => 111,
        Content::Audio(Codec::G722) => 9,
        Content::Audio(Codec::Pcmu) => 0,
        Content::Audio(Codec::Pcma) => 8,
        Content::Events(8_000) => 101,
        Content::Events(_) => 110,
    };
    let clocks = [8_000, 48_000].into_iter();
    let clocks = clocks.filter(|rate| codecs.iter().any(|codec| codec.clock_rate() == *rate));
    let usages = codecs.iter().copied().map(Content::Audio).chain(clocks.map(Content::Events));
    let mut payloads: Vec<Payload> = Vec::new();
    for usage in usages {
        let kept = known.iter().find(|payload| payload.usage == usage).map(|payload| payload.number);
        let is_free = |number: &u8| !known.iter().chain(&payloads).any(|payload| payload.number == *number);
        let number = kept.or_else(|| std::iter::once(usual(usage)).chain(96..=127).find(is_free));
        payloads.extend(number.map(|number| Payload { number, usage }));
    }
    payloads
}

/// Whether the profile and keys of `media` are what is asked for, and the keys to use.
fn protection(media: &MediaSection<'_>, secure: Sdes) -> Result<(Profile, Vec<Crypto>), &'static str> {
    let Some(profile) = Profile::parse(media.profile) else {
        return Err(if media.is_rtp() { "an unknown profile, or DTLS-SRTP" } else { "not RTP" });
    };
    let crypto = Crypto::all_of(media);
    match secure {
        Sdes::Never if profile.is_secure() => Err("SRTP is not wanted"),
        Sdes::Never => Ok((profile, Vec::new())),
        Sdes::Optional if profile.is_secure() && crypto.is_empty() => Err("no usable keys"),
        Sdes::Required if crypto.is_empty() => Err("SRTP is wanted, and there are no usable keys"),
        Sdes::Optional | Sdes::Required => Ok((profile, crypto)),
    }
}

/// `IN IP4 192.0.2.1[/<ttl>]`; nothing for a name, which nobody here resolves.
fn ip_of(connection: &str) -> Option<IpAddr> {
    let mut words = connection.split_ascii_whitespace();
    let (Some("IN"), Some("IP4" | "IP6"), Some(address)) = (words.next(), words.next(), words.next()) else {
        return None;
    };
    address.split('/').next()?.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// `<port> [IN IP4 192.0.2.1]` (RFC 3605 §2.1).
fn rtcp_of(value: &str, ip: Option<IpAddr>) -> Option<SocketAddr> {
    let (port, connection) = value.split_once(' ').unwrap_or((value, ""));
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some(SocketAddr::new(ip_of(connection).or(ip).filter(|ip| !ip.is_unspecified())?, port))
}

/// A peer whose address is all zeros can be sent nothing (RFC 3264 §8.4).
fn with_hold(direction: Direction, held: bool) -> Direction {
    match direction {
        Direction::SendRecv if held => Direction::SendOnly,
        Direction::RecvOnly if held => Direction::Inactive,
        other => other,
    }
}

fn sections(description: &Description<'_>, ours: usize) -> Vec<Option<String>> {
    let refuse = |media: &MediaSection<'_>| {
        let formats = if media.formats.is_empty() { "0".to_owned() } else { media.formats.join(" ") };
        format!("m={} 0 {} {formats}\r\n", media.kind, media.profile)
    };
    let media = description.media.iter().enumerate();
    media.map(|(index, media)| (index != ours).then(|| refuse(media))).collect()
}

#[cfg(test)]
mod tests;
