use std::fmt::Write as _;

use super::{Description, Direction, MediaSection, Payload, Payloads, Unsupported};
use crate::codec::{Codec, Content};

/// DTLS-SRTP, and what older stacks call it.
const PROFILES: [&str; 4] = ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP"];
const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// What the engine keeps of a mid; a longer one is replaced on the way in and restored on the way out.
const ENGINE_MID_LEN: usize = 16;

/// The one audio stream of a description that we can serve, checked to be DTLS-SRTP.
#[derive(Clone, Debug)]
pub(crate) struct Audio {
    /// Its place among the m-lines.
    pub(crate) index: usize,
    pub(crate) mid: Option<String>,
    pub(crate) direction: Direction,
    pub(crate) ufrag: String,
    pub(crate) fingerprint: String,
    pub(crate) payloads: Payloads,
    password: String,
    setup: &'static str,
    /// The id of the one header extension that we use, where the peer has it.
    audio_level: Option<u8>,
}

impl Audio {
    /// Takes the audio stream out of a peer's description.
    pub(crate) fn find(description: &Description<'_>) -> Result<Audio, Unsupported> {
        if description.is_ice_lite() {
            return Err(Unsupported::NotWebRtc { what: "both sides would be ICE-lite" });
        }
        let audio = |media: &&MediaSection<'_>| media.kind == "audio" && !media.is_rejected();
        let Some(first) = description.media.iter().find(audio) else { return Err(Unsupported::NoAudio) };
        let serviceable = |media: &&MediaSection<'_>| audio(media) && PROFILES.contains(&media.profile);
        let Some((index, media)) = description.media.iter().enumerate().find(|(_, media)| serviceable(media))
        else {
            let what = if first.is_rtp() { "no DTLS-SRTP profile" } else { "not RTP" };
            return Err(Unsupported::NotWebRtc { what });
        };
        Audio::take(description, media, index)
    }

    fn take(
        description: &Description<'_>,
        media: &MediaSection<'_>,
        index: usize,
    ) -> Result<Audio, Unsupported> {
        let missing = |what| Unsupported::NotWebRtc { what };
        if media.values("crypto").next().is_some() {
            return Err(missing("SDES keys (RFC 8827 §6.5)"));
        }
        let carrier = description.transport_of(media);
        let one = |name| description.values_for(carrier, name).first().copied();
        let ufrag =
            one("ice-ufrag").filter(|value| is_ice(value, 4)).ok_or(missing("no ICE user fragment"))?;
        let password = one("ice-pwd").filter(|value| is_ice(value, 22)).ok_or(missing("no ICE password"))?;
        let fingerprint = fingerprint(&description.values_for(carrier, "fingerprint"))?;
        let setup = match one("setup") {
            Some("active") => "active",
            Some("passive") => "passive",
            Some("actpass") | None => "actpass",
            Some(_) => return Err(missing("unknown DTLS role")),
        };
        Ok(Audio {
            index,
            mid: media.attribute("mid").filter(|mid| is_token(mid)).map(str::to_owned),
            direction: description.direction_of(media),
            ufrag: ufrag.to_owned(),
            password: password.to_owned(),
            fingerprint,
            setup,
            payloads: Payloads::of(media)?,
            audio_level: audio_level(description, media),
        })
    }

    /// The mid under which the engine knows this stream: the peer's, if the engine can spell it.
    pub(crate) fn engine_mid(&self) -> &str {
        let spellable = |mid: &&String| {
            mid.len() <= ENGINE_MID_LEN && mid.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        self.mid.as_ref().filter(spellable).map_or("0", String::as_str)
    }

    /// What to answer as one who does no more than `own`.
    ///
    /// Nothing of a peer that holds is passed on, so a `sendonly` is answered with `inactive` (RFC 3264 §6.1).
    /// SIPml5 takes no other answer: it takes its own stream out of the connection while it says `sendonly`.
    pub(crate) fn answer_direction(&self, own: Direction) -> Direction {
        match self.direction {
            Direction::SendOnly => Direction::Inactive,
            other => other.mirrored().within(own),
        }
    }

    /// A description of this stream alone, for the engine, with these payload types.
    ///
    /// The engine is told of no direction but `sendrecv`: it gates nothing by it, and what it writes is dressed.
    ///
    /// There are no candidates in it: as ICE-lite we only answer checks, so that a peer cannot make us send
    /// anywhere by writing an address. Neither are the peer's RTP sources and the mid of its packets: the leg
    /// tells the engine itself which sources to expect.
    pub(crate) fn for_engine(&self, mid: &str, payloads: &[Payload]) -> String {
        let mut sdp = String::with_capacity(1024);
        let numbers: Vec<String> = payloads.iter().map(|payload| payload.number.to_string()).collect();
        let _ = write!(
            sdp,
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF {}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=ice-ufrag:{}\r\n\
             a=ice-pwd:{}\r\na=fingerprint:{}\r\na=setup:{}\r\na=rtcp-mux\r\na=sendrecv\r\n",
            numbers.join(" "),
            self.ufrag,
            self.password,
            self.fingerprint,
            self.setup,
        );
        if let Some(id) = self.audio_level {
            let _ = write!(sdp, "a=extmap:{id} {AUDIO_LEVEL_URI}\r\n");
        }
        for payload in payloads {
            let number = payload.number;
            let _ = match payload.usage {
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
        sdp
    }
}

impl<'a> Description<'a> {
    /// The m-line whose transport `media` uses: its own, or for a bundled one without, the first of the group.
    fn transport_of<'s>(&'s self, media: &'s MediaSection<'a>) -> &'s MediaSection<'a> {
        let has_own = media.attribute("ice-ufrag").is_some() || self.attribute("ice-ufrag").is_some();
        let bundle = self.bundle().unwrap_or_default();
        let bundled = media.attribute("mid").is_some_and(|mid| bundle.contains(&mid));
        if has_own || !bundled {
            return media;
        }
        let tagged = self.media.iter().find(|other| other.attribute("mid") == bundle.first().copied());
        tagged.unwrap_or(media)
    }
}

/// The id of the audio level in the one-byte form (RFC 6464, RFC 8285 §4.2).
fn audio_level(description: &Description<'_>, media: &MediaSection<'_>) -> Option<u8> {
    description.values_for(media, "extmap").into_iter().find_map(|extmap| {
        let mut words = extmap.split_ascii_whitespace();
        let id = words.next()?.split('/').next()?.parse::<u8>().ok()?;
        (words.next() == Some(AUDIO_LEVEL_URI) && (1..=14).contains(&id)).then_some(id)
    })
}

/// Exactly one SHA-256 fingerprint, in the engine's spelling.
fn fingerprint(values: &[&str]) -> Result<String, Unsupported> {
    let refused = |what| Unsupported::NotWebRtc { what };
    let [value] = values else {
        return Err(refused(if values.is_empty() { "no fingerprint" } else { "more than one fingerprint" }));
    };
    let (hash, digest) = value.split_once(' ').ok_or(refused("malformed fingerprint"))?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return Err(refused("the fingerprint is not SHA-256"));
    }
    let bytes: Vec<&str> = digest.trim().split(':').collect();
    let is_byte = |byte: &&str| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit());
    if bytes.len() != 32 || !bytes.iter().all(is_byte) {
        return Err(refused("malformed fingerprint"));
    }
    Ok(format!("sha-256 {}", bytes.join(":").to_ascii_uppercase()))
}

/// RFC 8839 §5.4: so many ice-chars, at most 256.
fn is_ice(value: &str, least: usize) -> bool {
    (least..=256).contains(&value.len())
        && value.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/' || byte == b'-' || byte == b'_'
        })
}

/// RFC 8866 §9 `token`, of a sane length.
fn is_token(value: &str) -> bool {
    (1..=64).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn find(sdp: &str) -> Result<Audio, Unsupported> {
        Audio::find(&Description::parse(sdp)?)
    }

    fn not_webrtc(sdp: &str) -> &'static str {
        match find(sdp) {
            Err(Unsupported::NotWebRtc { what }) => what,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn what_the_engine_needs_is_there_whatever_the_peer_left_out() {
        for sample in samples::ALL {
            let audio = find(sample).expect("a sample");
            let codec = audio.payloads.codecs()[0];
            let sdp = audio.for_engine(audio.engine_mid(), &audio.payloads.with(codec));
            let mid = audio.engine_mid();
            for line in [
                format!("a=group:BUNDLE {mid}"),
                format!("a=mid:{mid}"),
                "a=sendrecv".into(),
                "a=rtcp-mux".into(),
                "a=fingerprint:sha-256 4E:1F:C5:0D:9A:77:63:B2:0E:55:41:9C:8B:D3:2A:6F:10:98:E4:3B:7C:AF:21:5E:D6:04:8D:B9:72:33:FA:C8".into(),
            ] {
                assert_eq!(sdp.split("\r\n").filter(|known| **known == line).count(), 1, "{line} in\n{sdp}");
            }
            assert!(sdp.contains("m=audio 9 UDP/TLS/RTP/SAVPF "), "{sdp}");
            for absent in ["candidate", "a=ssrc", "sdes:mid"] {
                assert!(!sdp.contains(absent), "{sdp}");
            }
        }
    }

    #[test]
    fn only_events_on_the_codecs_own_clock_are_used() {
        let audio = find(samples::CHROMIUM).expect("a sample");
        let numbers =
            |codec| audio.payloads.with(codec).iter().map(|payload| payload.number).collect::<Vec<_>>();
        assert_eq!(numbers(Codec::Opus), [111, 110]);
        assert_eq!(numbers(Codec::Pcmu), [0, 126]);
        let firefox = find(samples::FIREFOX).expect("a sample");
        assert_eq!(firefox.payloads.with(Codec::Opus).len(), 1, "8000 beside Opus is not answered");
    }

    #[test]
    fn event_ranges_are_rewritten_to_what_the_engine_understands() {
        let audio = find(samples::SIPML5).expect("a sample");
        let sdp = audio.for_engine("0", &audio.payloads.with(Codec::Pcma));
        assert!(sdp.contains("a=fmtp:126 0-16\r\n"), "{sdp}");
    }

    #[test]
    fn the_audio_level_keeps_its_id_and_all_other_extensions_are_dropped() {
        let audio = find(samples::FIREFOX).expect("a sample");
        let sdp = audio.for_engine("0", &audio.payloads.with(Codec::Opus));
        assert!(sdp.contains(&format!("a=extmap:1 {AUDIO_LEVEL_URI}\r\n")), "{sdp}");
        assert_eq!(sdp.matches("a=extmap").count(), 1, "{sdp}");
    }

    #[test]
    fn what_is_not_dtls_srtp_is_refused() {
        let without = |prefix: &str| {
            let lines = samples::CHROMIUM.lines().filter(|line| !line.starts_with(prefix));
            lines.map(|line| format!("{line}\r\n")).collect::<String>()
        };
        assert_eq!(not_webrtc(&without("a=fingerprint")), "no fingerprint");
        assert_eq!(not_webrtc(&without("a=ice-ufrag")), "no ICE user fragment");
        assert_eq!(not_webrtc(&without("a=ice-pwd")), "no ICE password");
        let sdes = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n";
        assert_eq!(not_webrtc(&format!("{}{sdes}", samples::CHROMIUM)), "SDES keys (RFC 8827 §6.5)");
        let plain = samples::CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
        assert_eq!(not_webrtc(&plain), "no DTLS-SRTP profile");
        let sha1 = samples::CHROMIUM.replace("sha-256", "sha-1");
        assert_eq!(not_webrtc(&sha1), "the fingerprint is not SHA-256");
        let two = "a=fingerprint:sha-256 00:11\r\n";
        assert_eq!(not_webrtc(&format!("{}{two}", samples::CHROMIUM)), "more than one fingerprint");
        let lite = samples::CHROMIUM.replace("s=-", "s=-\r\na=ice-lite");
        assert_eq!(not_webrtc(&lite), "both sides would be ICE-lite");
    }

    #[test]
    fn a_description_without_usable_audio_has_none() {
        let video = samples::CHROMIUM.replace("m=audio", "m=video");
        assert_eq!(find(&video).expect_err("no audio"), Unsupported::NoAudio);
        let refused = samples::CHROMIUM.replace("m=audio 54011", "m=audio 0");
        assert_eq!(find(&refused).expect_err("refused audio"), Unsupported::NoAudio);
    }

    #[test]
    fn a_mid_that_the_engine_cannot_spell_is_replaced() {
        for mid in ["audio-1", "a-mid-that-is-quite-long"] {
            let audio = find(&samples::CHROMIUM.replace("a=mid:0", &format!("a=mid:{mid}"))).expect("fine");
            assert_eq!(audio.engine_mid(), "0");
        }
    }

    #[test]
    fn candidates_of_any_kind_do_no_harm() {
        let odd = "a=candidate:1 1 udp 1 nowhere.example 0 typ host\r\na=candidate:\r\na=candidate:2 1 tcp 1 ::1 9 typ host\r\n";
        find(&format!("{}{odd}", samples::CHROMIUM)).expect("ignored");
    }
}
