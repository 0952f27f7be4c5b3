use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{Audio, Description, Direction, MediaSection, Payload};

/// Who we are in the descriptions of one leg.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Stays the same for the life of a leg (RFC 8866 §5.2).
    pub(crate) id: u64,
    /// Grows with each description (RFC 3264 §8).
    pub(crate) version: u64,
    /// The candidate to put into `m=` and `c=`: older stacks look nowhere else, and take 0.0.0.0 for hold.
    pub(crate) address: SocketAddr,
}

/// How the two sides arrange their descriptions, which stays the same while a leg lives (RFC 3264 §8).
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    profile: String,
    /// Of the audio stream; none where the peer does not name its streams.
    mid: Option<String>,
    bundled: bool,
    mux: bool,
    /// All m-lines: those refused, and `None` in the place of the audio stream.
    sections: Vec<Option<Refused>>,
}

/// An m-line that we cannot serve.
#[derive(Clone, Debug)]
struct Refused {
    line: String,
    mid: Option<String>,
    is_rtp: bool,
}

/// What a description of ours is made of, beside what the engine says.
pub(crate) struct Dress<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) layout: &'a Layout,
    pub(crate) direction: Direction,
    /// The payload types to name; of the engine's, the others are left out.
    pub(crate) payloads: &'a [Payload],
}

impl Layout {
    /// That of a first offer of ours, whose one stream is `mid`.
    pub(crate) fn ours(mid: &str) -> Layout {
        Layout {
            profile: "UDP/TLS/RTP/SAVPF".into(),
            mid: Some(mid.into()),
            bundled: true,
            mux: true,
            sections: vec![None],
        }
    }

    /// That of a peer's `offer`, whose audio stream is `audio`.
    pub(crate) fn of(offer: &Description<'_>, audio: &Audio) -> Layout {
        let media = &offer.media[audio.index];
        let bundled = audio
            .mid
            .as_deref()
            .is_some_and(|mid| offer.bundle().is_some_and(|bundle| bundle.contains(&mid)));
        let refuse = |media: &MediaSection<'_>| {
            let formats = if media.formats.is_empty() { "0".to_owned() } else { media.formats.join(" ") };
            Refused {
                line: format!("m={} 0 {} {formats}", media.kind, media.profile),
                mid: media.attribute("mid").map(str::to_owned),
                is_rtp: media.is_rtp(),
            }
        };
        let sections = offer.media.iter().enumerate();
        Layout {
            profile: media.profile.to_owned(),
            mid: audio.mid.clone(),
            bundled,
            mux: media.has_flag("rtcp-mux"),
            sections: sections.map(|(index, media)| (index != audio.index).then(|| refuse(media))).collect(),
        }
    }

    /// The mid that the peer knows the audio stream by.
    pub(crate) fn mid(&self) -> Option<&str> {
        self.mid.as_deref()
    }

    /// The place of the audio stream.
    pub(crate) fn index(&self) -> usize {
        self.sections.iter().position(Option::is_none).unwrap_or_default()
    }

    pub(crate) fn media_count(&self) -> usize {
        self.sections.len()
    }
}

impl Dress<'_> {
    /// Dresses a description of the engine's for the peer: real address and port, complete candidates, the
    /// peer's own profile, m-lines and mids.
    pub(crate) fn dress(&self, engine: &str) -> String {
        let mut sdp = self.session(engine);
        for section in &self.layout.sections {
            match section {
                None => self.audio(&mut sdp, engine),
                Some(refused) => self.refused(&mut sdp, refused),
            }
        }
        sdp
    }

    fn session(&self, engine: &str) -> String {
        let Origin { id, version, .. } = self.origin;
        let mut sdp = format!("v=0\r\no=- {id} {version} IN {}\r\ns=-\r\nt=0 0\r\n", address(self.origin));
        for line in engine.lines().take_while(|line| !line.starts_with("m=")) {
            if line.starts_with("a=group:") {
                if let Some(mid) = self.layout.mid().filter(|_| self.layout.bundled) {
                    let _ = write!(sdp, "a=group:BUNDLE {mid}\r\n");
                }
                continue;
            }
            // offered by nobody, used by nobody: our one header extension fits the one-byte form
            if line.starts_with("a=") && line != "a=extmap-allow-mixed" {
                let _ = write!(sdp, "{line}\r\n");
            }
        }
        sdp
    }

    fn audio(&self, sdp: &mut String, engine: &str) {
        let Dress { origin, layout, .. } = self;
        let lines = || engine.lines().skip_while(|line| !line.starts_with("m="));
        let last_candidate = lines().filter(|line| line.starts_with("a=candidate:")).last();
        for line in lines() {
            if line.starts_with("m=") {
                let formats = line.split_ascii_whitespace().skip(3).filter(|format| self.names(format));
                let formats: Vec<&str> = formats.collect();
                let port = origin.address.port();
                let _ = write!(sdp, "m=audio {port} {} {}\r\n", layout.profile, formats.join(" "));
                let _ = write!(sdp, "c={}\r\n", connection(origin));
            } else if line.starts_with("a=rtcp:") {
                let _ = write!(sdp, "a=rtcp:{} {}\r\n", origin.address.port(), connection(origin));
            } else if line.starts_with("a=mid:") {
                if let Some(mid) = layout.mid() {
                    let _ = write!(sdp, "a=mid:{mid}\r\n");
                }
            } else if Direction::from_attribute(line.strip_prefix("a=").unwrap_or_default()).is_some() {
                let _ = write!(sdp, "a={}\r\n", self.direction);
            } else if line == "a=rtcp-mux" && !layout.mux {
                continue;
            } else if self.keeps(line) {
                let _ = write!(sdp, "{line}\r\n");
            }
            if last_candidate == Some(line) {
                sdp.push_str("a=end-of-candidates\r\n");
            }
        }
    }

    fn keeps(&self, line: &str) -> bool {
        let Some(attribute) = line.strip_prefix("a=") else { return false };
        let of_payload =
            ["rtpmap:", "fmtp:", "rtcp-fb:"].iter().find_map(|name| attribute.strip_prefix(name));
        match of_payload {
            Some(value) => value.split(' ').next().is_some_and(|number| number == "*" || self.names(number)),
            None => attribute != "end-of-candidates" && !attribute.starts_with("ice-options:"),
        }
    }

    fn names(&self, number: &str) -> bool {
        self.payloads.iter().any(|payload| number.parse() == Ok(payload.number))
    }

    fn refused(&self, sdp: &mut String, refused: &Refused) {
        let _ = write!(sdp, "{}\r\nc={}\r\n", refused.line, connection(self.origin));
        if let Some(mid) = &refused.mid {
            let _ = write!(sdp, "a=mid:{mid}\r\n");
        }
        if refused.is_rtp {
            sdp.push_str("a=inactive\r\n");
        }
    }
}

pub(super) fn address(origin: &Origin) -> String {
    match origin.address.ip() {
        IpAddr::V4(ip) => format!("IP4 {ip}"),
        IpAddr::V6(ip) => format!("IP6 {ip}"),
    }
}

pub(super) fn connection(origin: &Origin) -> String {
    format!("IN {}", address(origin))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use crate::codec::{Codec, Content};

    /// An answer as the engine writes it.
    const ENGINE: &str = "v=0\r\no=engine 77 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        a=extmap-allow-mixed\r\na=msid-semantic: WMS x\r\na=ice-lite\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 110\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2130706175 192.0.2.7 7000 typ host\r\n\
        a=candidate:2 1 udp 2130706431 2001:db8::7 7000 typ host\r\na=ice-ufrag:ours\r\n\
        a=ice-options:trickle\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\n";

    fn origin() -> Origin {
        Origin { id: 5, version: 3, address: "192.0.2.7:7000".parse().expect("an address") }
    }

    fn answer(offer: &str) -> String {
        let description = Description::parse(offer).expect("a sample");
        let audio = Audio::find(&description).expect("a sample");
        let layout = Layout::of(&description, &audio);
        dress(&layout, Direction::SendRecv)
    }

    fn dress(layout: &Layout, direction: Direction) -> String {
        let payload = |number, usage| Payload { number, usage };
        let payloads = [payload(111, Content::Audio(Codec::Opus)), payload(110, Content::Events(48_000))];
        Dress { origin: &origin(), layout, direction, payloads: &payloads }.dress(ENGINE)
    }

    fn has(sdp: &str, line: &str) -> bool {
        sdp.split("\r\n").any(|known| known == line)
    }

    #[test]
    fn chromium_gets_its_group_and_mid_and_our_address() {
        let sdp = answer(samples::CHROMIUM);
        for line in [
            "o=- 5 3 IN IP4 192.0.2.7",
            "a=group:BUNDLE 0",
            "a=ice-lite",
            "m=audio 7000 UDP/TLS/RTP/SAVPF 111 110",
            "c=IN IP4 192.0.2.7",
            "a=rtcp:7000 IN IP4 192.0.2.7",
            "a=mid:0",
            "a=rtcp-mux",
            "a=end-of-candidates",
        ] {
            assert!(has(&sdp, line), "{line} missing in\n{sdp}");
        }
        assert_eq!(sdp.matches("a=end-of-candidates").count(), 1);
        assert!(!sdp.contains("0.0.0.0") && !sdp.contains("trickle"), "{sdp}");
        Description::parse(&sdp).expect("our own gate takes it");
    }

    #[test]
    fn an_older_phone_gets_its_profile_and_neither_group_nor_mid() {
        let sdp = answer(samples::SIPML5);
        assert!(has(&sdp, "m=audio 7000 RTP/SAVPF 111 110"), "{sdp}");
        assert!(!sdp.contains("a=group") && !sdp.contains("a=mid"), "{sdp}");
    }

    #[test]
    fn streams_that_we_cannot_serve_are_refused_in_their_place() {
        let sdp = answer(samples::FIREFOX);
        let media: Vec<&str> = sdp.split("\r\n").filter(|line| line.starts_with("m=")).collect();
        assert_eq!(media, ["m=audio 7000 UDP/TLS/RTP/SAVPF 111 110", "m=video 0 UDP/TLS/RTP/SAVPF 120 124"]);
        assert!(has(&sdp, "a=group:BUNDLE 0") && has(&sdp, "a=mid:1"), "{sdp}");
    }

    #[test]
    fn a_peer_without_rtcp_mux_is_not_told_of_it() {
        assert!(!answer(&samples::CHROMIUM.replace("a=rtcp-mux\r\n", "")).contains("rtcp-mux"));
    }

    #[test]
    fn a_later_offer_of_ours_keeps_the_arrangement_and_names_one_direction() {
        let description = Description::parse(samples::FIREFOX).expect("a sample");
        let audio = Audio::find(&description).expect("a sample");
        let layout = Layout::of(&description, &audio);
        let sdp = dress(&layout, Direction::SendOnly);
        assert_eq!((layout.media_count(), layout.index(), layout.mid()), (2, 0, Some("0")));
        assert!(has(&sdp, "a=sendonly") && !has(&sdp, "a=sendrecv"), "{sdp}");
        assert!(has(&sdp, "m=video 0 UDP/TLS/RTP/SAVPF 120 124"), "{sdp}");
        let narrow =
            Dress { origin: &origin(), layout: &layout, direction: Direction::Inactive, payloads: &[] };
        assert!(!narrow.dress(ENGINE).contains("rtpmap"));
    }

    #[test]
    fn an_ipv6_address_is_written_as_one() {
        let six = Origin { address: "[2001:db8::7]:7000".parse().expect("an address"), ..origin() };
        let layout = Layout::ours("0");
        let sdp = Dress { origin: &six, layout: &layout, direction: Direction::SendRecv, payloads: &[] }
            .dress(ENGINE);
        assert!(has(&sdp, "c=IN IP6 2001:db8::7") && has(&sdp, "o=- 5 3 IN IP6 2001:db8::7"), "{sdp}");
    }
}
