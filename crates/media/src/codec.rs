mod coder;
mod conceal;
pub(crate) mod g711;
#[cfg(test)]
pub(crate) mod probe;
mod resample;

pub(crate) use coder::{Decoder, Encoder, NoCoder};

/// An audio codec that a leg can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Opus, 48 kHz clock, two channels in the rtpmap (RFC 7587).
    Opus,
    /// G.722, sampled at 16 kHz under an 8 kHz RTP clock (RFC 3551 §4.5.2).
    G722,
    /// G.711 µ-law, 8 kHz (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law, 8 kHz (RFC 3551 §4.5.14).
    Pcma,
}

impl Codec {
    /// Every codec, the best sounding first: the order in which we offer.
    pub const ALL: [Codec; 4] = [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma];

    /// Ticks a second of the RTP timestamp, which for G.722 is not its sampling rate.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            Codec::G722 | Codec::Pcmu | Codec::Pcma => 8_000,
        }
    }

    /// The codec that an SDP `a=rtpmap` names, for example `opus/48000/2` (RFC 8866 §6.6).
    pub(crate) fn from_rtpmap(encoding: &str) -> Option<Codec> {
        let mut parts = encoding.split('/');
        let name = parts.next().unwrap_or_default();
        let rate = parts.next()?.parse::<u32>().ok()?;
        let channels = parts.next().unwrap_or("1");
        let codec = match name.to_ascii_lowercase().as_str() {
            "opus" => Codec::Opus,
            "g722" => Codec::G722,
            "pcmu" => Codec::Pcmu,
            "pcma" => Codec::Pcma,
            _ => return None,
        };
        let wanted = if codec == Codec::Opus { "2" } else { "1" };
        (rate == codec.clock_rate() && channels == wanted).then_some(codec)
    }

    /// The codec of a static payload type, valid without an rtpmap (RFC 3551 §6, table 4).
    pub(crate) const fn from_static_payload_type(payload_type: u8) -> Option<Codec> {
        match payload_type {
            0 => Some(Codec::Pcmu),
            8 => Some(Codec::Pcma),
            9 => Some(Codec::G722),
            _ => None,
        }
    }
}

/// What an RTP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Audio(Codec),
    /// Telephone events on a clock of so many ticks a second (RFC 4733).
    Events(u32),
}

impl Content {
    pub(crate) const fn clock_rate(self) -> u32 {
        match self {
            Content::Audio(codec) => codec.clock_rate(),
            Content::Events(rate) => rate,
        }
    }
}

/// Which codecs a leg may use.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum CodecPreference {
    /// All of [`Codec::ALL`]; of an offer, the codec that the peer put first.
    #[default]
    Any,
    /// Only these, the most wanted first.
    Only(Vec<Codec>),
}

impl CodecPreference {
    /// The codecs to put into an offer of ours, best first, none twice.
    pub(crate) fn to_offer(&self) -> Vec<Codec> {
        match self {
            CodecPreference::Any => Codec::ALL.to_vec(),
            CodecPreference::Only(wanted) => {
                let mut codecs = Vec::with_capacity(wanted.len());
                for codec in wanted {
                    if !codecs.contains(codec) {
                        codecs.push(*codec);
                    }
                }
                codecs
            }
        }
    }

    /// The same codecs, with the one in use as the most wanted.
    pub(crate) fn keeping(&self, in_use: Codec) -> CodecPreference {
        let others = self.to_offer().into_iter().filter(|codec| *codec != in_use);
        CodecPreference::Only(std::iter::once(in_use).chain(others).collect())
    }

    /// The codec to answer with, of those `offered` in the peer's order.
    pub(crate) fn choose(&self, offered: &[Codec]) -> Option<Codec> {
        match self {
            CodecPreference::Any => offered.first().copied(),
            CodecPreference::Only(wanted) => wanted.iter().copied().find(|codec| offered.contains(codec)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rtpmap_names_a_codec_only_with_its_own_rate_and_channels() {
        assert_eq!(Codec::from_rtpmap("OPUS/48000/2"), Some(Codec::Opus));
        assert_eq!(Codec::from_rtpmap("opus/48000"), None);
        assert_eq!(Codec::from_rtpmap("PCMU/8000"), Some(Codec::Pcmu));
        assert_eq!(Codec::from_rtpmap("pcma/8000/1"), Some(Codec::Pcma));
        assert_eq!(Codec::from_rtpmap("G722/16000"), None);
        assert_eq!(Codec::from_rtpmap("G722"), None);
    }

    #[test]
    fn any_follows_the_peer_and_only_follows_us() {
        let offered = [Codec::Pcma, Codec::Opus];
        assert_eq!(CodecPreference::Any.choose(&offered), Some(Codec::Pcma));
        assert_eq!(CodecPreference::Only(vec![Codec::Opus, Codec::Pcma]).choose(&offered), Some(Codec::Opus));
        assert_eq!(CodecPreference::Only(vec![Codec::G722]).choose(&offered), None);
        assert_eq!(CodecPreference::Any.keeping(Codec::Opus).choose(&offered), Some(Codec::Opus));
        let kept = CodecPreference::Only(vec![Codec::G722, Codec::Pcmu]).keeping(Codec::Pcmu);
        assert_eq!(kept, CodecPreference::Only(vec![Codec::Pcmu, Codec::G722]));
        assert_eq!(CodecPreference::Only(vec![Codec::G722, Codec::G722]).to_offer(), [Codec::G722]);
    }
}
