use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::{Audio, Description};

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

/// Dresses the engine's offer: real address and port, complete candidates.
pub(crate) fn dress_offer(engine: &str, origin: &Origin) -> String {
    let mut sdp = session(engine, origin, None);
    sdp.push_str(&audio_section(engine, origin, None));
    sdp
}

/// Dresses the engine's answer in the style of the peer's `offer`, whose audio stream is `audio`.
pub(crate) fn dress_answer(engine: &str, origin: &Origin, offer: &Description<'_>, audio: &Audio) -> String {
    let mut sdp = session(engine, origin, Some((offer, audio)));
    for (index, media) in offer.media.iter().enumerate() {
        if index == audio.index {
            sdp.push_str(&audio_section(engine, origin, Some((offer, audio))));
            continue;
        }
        let formats = if media.formats.is_empty() { "0".to_owned() } else { media.formats.join(" ") };
        let _ = write!(sdp, "m={} 0 {} {formats}\r\nc={}\r\n", media.kind, media.profile, connection(origin));
        if let Some(mid) = media.attribute("mid") {
            let _ = write!(sdp, "a=mid:{mid}\r\n");
        }
        if media.is_rtp() {
            sdp.push_str("a=inactive\r\n");
        }
    }
    sdp
}

fn session(engine: &str, origin: &Origin, answered: Option<(&Description<'_>, &Audio)>) -> String {
    let Origin { id, version, .. } = origin;
    let mut sdp = format!("v=0\r\no=- {id} {version} IN {}\r\ns=-\r\nt=0 0\r\n", address(origin));
    for line in engine.lines().take_while(|line| !line.starts_with("m=")) {
        let keep = match answered {
            _ if line.starts_with("a=group:") => {
                let mid = group_mid(engine, answered);
                if let Some(mid) = mid {
                    let _ = write!(sdp, "a=group:BUNDLE {mid}\r\n");
                }
                false
            }
            // offered by nobody, used by nobody: our two header extensions fit the one-byte form
            _ if line == "a=extmap-allow-mixed" => false,
            _ => line.starts_with("a="),
        };
        if keep {
            let _ = write!(sdp, "{line}\r\n");
        }
    }
    sdp
}

/// The mid to bundle: none where the peer's offer had no group with its audio stream in it.
fn group_mid<'a>(engine: &'a str, answered: Option<(&Description<'_>, &'a Audio)>) -> Option<&'a str> {
    match answered {
        Some((offer, audio)) => {
            let mid = audio.mid.as_deref()?;
            offer.bundle()?.contains(&mid).then_some(mid)
        }
        None => engine.lines().find_map(|line| line.strip_prefix("a=mid:")),
    }
}

fn audio_section(engine: &str, origin: &Origin, answered: Option<(&Description<'_>, &Audio)>) -> String {
    let mut sdp = String::with_capacity(engine.len());
    let lines = || engine.lines().skip_while(|line| !line.starts_with("m="));
    let last_candidate = lines().filter(|line| line.starts_with("a=candidate:")).last();
    for line in lines() {
        let words = || line.split_ascii_whitespace();
        if line.starts_with("m=") {
            let own = words().nth(2).unwrap_or_default();
            let profile = answered.map_or(own, |(offer, audio)| offer.media[audio.index].profile);
            let formats: Vec<&str> = words().skip(3).collect();
            let _ = write!(sdp, "m=audio {} {profile} {}\r\n", origin.address.port(), formats.join(" "));
            let _ = write!(sdp, "c={}\r\n", connection(origin));
        } else if line.starts_with("a=rtcp:") {
            let _ = write!(sdp, "a=rtcp:{} {}\r\n", origin.address.port(), connection(origin));
        } else if line.starts_with("a=mid:") && answered.is_some() {
            if let Some(mid) = answered.and_then(|(_, audio)| audio.mid.as_deref()) {
                let _ = write!(sdp, "a=mid:{mid}\r\n");
            }
        } else if line == "a=rtcp-mux" {
            if answered.is_none_or(|(offer, audio)| offer.media[audio.index].has_flag("rtcp-mux")) {
                sdp.push_str("a=rtcp-mux\r\n");
            }
        } else if line.starts_with("a=")
            && line != "a=end-of-candidates"
            && !line.starts_with("a=ice-options:")
        {
            let _ = write!(sdp, "{line}\r\n");
        }
        if last_candidate == Some(line) {
            sdp.push_str("a=end-of-candidates\r\n");
        }
    }
    sdp
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
        dress_answer(ENGINE, &origin(), &description, &audio)
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
    fn an_ipv6_address_is_written_as_one() {
        let six = Origin { address: "[2001:db8::7]:7000".parse().expect("an address"), ..origin() };
        let sdp = dress_offer(ENGINE, &six);
        assert!(has(&sdp, "c=IN IP6 2001:db8::7") && has(&sdp, "o=- 5 3 IN IP6 2001:db8::7"), "{sdp}");
    }
}
