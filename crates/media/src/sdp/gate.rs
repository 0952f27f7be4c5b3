use std::collections::BTreeMap;

use super::{Direction, Unsupported};

/// No browser writes a description a tenth of this size.
const MAX_BYTES: usize = 64 * 1024;
const MAX_LINES: usize = 512;
const MAX_MEDIA: usize = 8;
const MAX_CANDIDATES: usize = 64;
/// There are no more payload types (RFC 3551 §6).
const MAX_FORMATS: usize = 128;
/// Longer attribute lines are skipped: nothing that we use comes near it (a fingerprint has 103 bytes).
const MAX_ATTRIBUTE: usize = 2048;

/// A session description that has passed the gate: within limits, well-formed, and without a payload type that
/// stands for two codecs in one BUNDLE.
#[derive(Debug)]
pub(crate) struct Description<'a> {
    /// Session-level attributes, without `a=`.
    attributes: Vec<&'a str>,
    /// Session-level, without `c=`.
    connection: Option<&'a str>,
    pub(crate) media: Vec<MediaSection<'a>>,
}

/// One m-line and what belongs to it (RFC 8866 §5.14).
#[derive(Debug)]
pub(crate) struct MediaSection<'a> {
    pub(crate) kind: &'a str,
    pub(crate) port: u16,
    pub(crate) profile: &'a str,
    pub(crate) formats: Vec<&'a str>,
    attributes: Vec<&'a str>,
    connection: Option<&'a str>,
}

impl<'a> Description<'a> {
    /// Parses `sdp` (RFC 8866 §5); LF alone ends a line too.
    pub(crate) fn parse(sdp: &'a str) -> Result<Self, Unsupported> {
        if sdp.len() > MAX_BYTES {
            return Err(Unsupported::TooLarge { what: "bytes", limit: MAX_BYTES });
        }
        let mut description = Description { attributes: Vec::new(), connection: None, media: Vec::new() };
        let mut candidates = 0;
        for (index, line) in sdp.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if index >= MAX_LINES {
                return Err(Unsupported::TooLarge { what: "lines", limit: MAX_LINES });
            }
            let malformed = |what| Unsupported::Malformed { line: index + 1, what };
            if line.contains(['\0', '\r']) {
                return Err(malformed("control character"));
            }
            let Some((letter, value)) = line.split_once('=') else { return Err(malformed("no type=value")) };
            if index == 0 && line != "v=0" {
                return Err(malformed("v=0 expected"));
            }
            match letter {
                "m" if description.media.len() == MAX_MEDIA => {
                    return Err(Unsupported::TooLarge { what: "m-lines", limit: MAX_MEDIA });
                }
                "m" => {
                    let media = MediaSection::parse(value).map_err(malformed)?;
                    if media.formats.len() > MAX_FORMATS {
                        return Err(Unsupported::TooLarge { what: "formats", limit: MAX_FORMATS });
                    }
                    description.media.push(media);
                }
                "c" => match description.media.last_mut() {
                    Some(media) => media.connection = Some(value),
                    None => description.connection = Some(value),
                },
                "a" if value.len() > MAX_ATTRIBUTE => {}
                "a" => {
                    candidates += usize::from(value.starts_with("candidate:"));
                    if candidates > MAX_CANDIDATES {
                        return Err(Unsupported::TooLarge { what: "candidates", limit: MAX_CANDIDATES });
                    }
                    match description.media.last_mut() {
                        Some(media) => media.attributes.push(value),
                        None => description.attributes.push(value),
                    }
                }
                _ if letter.len() == 1 && letter.as_bytes()[0].is_ascii_lowercase() => {}
                _ => return Err(malformed("unknown type")),
            }
        }
        if description.media.is_empty() {
            return Err(Unsupported::NoAudio);
        }
        description.check_payload_types()?;
        Ok(description)
    }

    /// The value of the session-level attribute `name`.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'a str> {
        value_of(&self.attributes, name).next()
    }

    /// The connection line of `media`, else that of the session (RFC 8866 §5.7).
    pub(crate) fn connection_of(&self, media: &MediaSection<'a>) -> Option<&'a str> {
        media.connection.or(self.connection)
    }

    pub(crate) fn is_ice_lite(&self) -> bool {
        self.attributes.contains(&"ice-lite")
    }

    /// The values of `name` in `media`, or those of the session where it has none (RFC 8866 §5.13).
    pub(crate) fn values_for(&self, media: &MediaSection<'a>, name: &str) -> Vec<&'a str> {
        let own: Vec<_> = value_of(&media.attributes, name).collect();
        if own.is_empty() { value_of(&self.attributes, name).collect() } else { own }
    }

    /// The direction of `media`, else that of the session, else `sendrecv`.
    pub(crate) fn direction_of(&self, media: &MediaSection<'a>) -> Direction {
        let of = |attributes: &[&str]| attributes.iter().find_map(|name| Direction::from_attribute(name));
        of(&media.attributes).or_else(|| of(&self.attributes)).unwrap_or_default()
    }

    /// The mids of the first BUNDLE group (RFC 9143).
    pub(crate) fn bundle(&self) -> Option<Vec<&'a str>> {
        self.bundles().next()
    }

    fn bundles(&self) -> impl Iterator<Item = Vec<&'a str>> {
        value_of(&self.attributes, "group")
            .filter_map(|group| group.strip_prefix("BUNDLE"))
            .map(|mids| mids.split_ascii_whitespace().collect())
    }

    /// RFC 9143 §9.1: the streams of one BUNDLE group share one payload type space. Others have their own.
    fn check_payload_types(&self) -> Result<(), Unsupported> {
        let bundles: Vec<Vec<&str>> = self.bundles().collect();
        let mut meanings: BTreeMap<(usize, u8), String> = BTreeMap::new();
        for media in self.media.iter().filter(|media| media.is_rtp()) {
            let encodings = media.encodings()?;
            let mid = media.attribute("mid");
            let Some(bundle) = bundles.iter().position(|mids| mid.is_some_and(|mid| mids.contains(&mid)))
            else {
                continue;
            };
            for (payload_type, encoding) in encodings {
                let known = meanings.entry((bundle, payload_type)).or_insert_with(|| encoding.clone());
                if *known != encoding {
                    return Err(Unsupported::PayloadTypeConflict { payload_type });
                }
            }
        }
        Ok(())
    }
}

impl<'a> MediaSection<'a> {
    /// `<media> <port>[/<n>] <proto> <fmt> …`
    fn parse(value: &'a str) -> Result<Self, &'static str> {
        let mut words = value.split_ascii_whitespace();
        let (Some(kind), Some(port), Some(profile)) = (words.next(), words.next(), words.next()) else {
            return Err("m-line too short");
        };
        let port = port.split('/').next().unwrap_or_default().parse().map_err(|_| "port out of range")?;
        Ok(MediaSection {
            kind,
            port,
            profile,
            formats: words.collect(),
            attributes: Vec::new(),
            connection: None,
        })
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&'a str> {
        value_of(&self.attributes, name).next()
    }

    pub(crate) fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        value_of(&self.attributes, name)
    }

    pub(crate) fn has_flag(&self, name: &str) -> bool {
        self.attributes.contains(&name)
    }

    /// What each payload type of this m-line stands for, in one spelling.
    fn encodings(&self) -> Result<BTreeMap<u8, String>, Unsupported> {
        let mut encodings: BTreeMap<u8, String> = BTreeMap::new();
        for rtpmap in self.values("rtpmap") {
            let (payload_type, encoding) = payload_attribute(rtpmap)?;
            let encoding = encoding.trim().to_ascii_lowercase();
            // one channel is what goes without saying (RFC 8866 §6.6)
            let encoding = encoding.strip_suffix("/1").map(str::to_owned).unwrap_or(encoding);
            if encodings.insert(payload_type, encoding).is_some() {
                return Err(Unsupported::PayloadTypeConflict { payload_type });
            }
        }
        for format in &self.formats {
            let payload_type = payload_type(format)?;
            if let Some(encoding) = static_encoding(payload_type) {
                encodings.entry(payload_type).or_insert_with(|| encoding.into());
            }
        }
        for fmtp in self.values("fmtp") {
            payload_attribute(fmtp)?;
        }
        Ok(encodings)
    }

    /// Port zero refuses a stream (RFC 3264 §6), unless the stream rides on another one (RFC 9143 §6).
    pub(crate) fn is_rejected(&self) -> bool {
        self.port == 0 && !self.has_flag("bundle-only")
    }

    pub(crate) fn is_rtp(&self) -> bool {
        self.profile.contains("RTP/")
    }
}

fn value_of<'a>(attributes: &[&'a str], name: &str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter_map(move |attribute| attribute.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// Splits `<payload type> <rest>` of an rtpmap or fmtp.
pub(crate) fn payload_attribute(value: &str) -> Result<(u8, &str), Unsupported> {
    let (number, rest) = value.split_once(' ').unwrap_or((value, ""));
    Ok((payload_type(number)?, rest))
}

fn payload_type(number: &str) -> Result<u8, Unsupported> {
    match number.parse::<u8>() {
        Ok(payload_type @ 0..=127) => Ok(payload_type),
        _ => Err(Unsupported::Malformed { line: 0, what: "payload type out of range" }),
    }
}

/// What a static payload type stands for without an rtpmap (RFC 3551 §6).
fn static_encoding(payload_type: u8) -> Option<&'static str> {
    match payload_type {
        0 => Some("pcmu/8000"),
        8 => Some("pcma/8000"),
        9 => Some("g722/8000"),
        13 => Some("cn/8000"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn refused(sdp: &str) -> Unsupported {
        Description::parse(sdp).expect_err("must not pass the gate")
    }

    #[test]
    fn what_browsers_and_their_libraries_write_passes() {
        for sample in samples::ALL {
            Description::parse(sample).expect("a genuine offer");
        }
    }

    #[test]
    fn line_ends_may_be_bare_and_the_last_may_be_missing() {
        let bare = samples::CHROMIUM.replace("\r\n", "\n");
        assert_eq!(Description::parse(bare.trim_end()).expect("lenient").media.len(), 1);
    }

    #[test]
    fn one_payload_type_for_two_codecs_is_refused() {
        assert_eq!(
            refused(samples::TWO_CODECS_ON_111),
            Unsupported::PayloadTypeConflict { payload_type: 111 }
        );
        let twice = samples::CHROMIUM.replace("a=rtpmap:9 G722", "a=rtpmap:111 G722");
        assert_eq!(refused(&twice), Unsupported::PayloadTypeConflict { payload_type: 111 });
        let hidden = samples::CHROMIUM.replace("a=rtpmap:0 PCMU/8000", "a=rtpmap:0 opus/48000/2");
        let second = "m=audio 9 RTP/AVP 0\r\na=mid:1\r\n";
        let bundled = hidden.replace("BUNDLE 0", "BUNDLE 0 1");
        assert_eq!(
            refused(&format!("{bundled}{second}")),
            Unsupported::PayloadTypeConflict { payload_type: 0 }
        );
        for apart in [hidden.clone(), hidden.replace("BUNDLE 0", "BUNDLE 0\r\na=group:BUNDLE 1")] {
            Description::parse(&format!("{apart}{second}")).expect("streams of their own");
        }
    }

    #[test]
    fn one_channel_said_and_unsaid_is_the_same_codec() {
        let bundled = samples::CHROMIUM.replace("BUNDLE 0", "BUNDLE 0 1");
        let second = "m=audio 9 RTP/AVP 0\r\na=mid:1\r\na=rtpmap:0 PCMU/8000/1\r\n";
        Description::parse(&format!("{bundled}{second}")).expect("no conflict");
    }

    #[test]
    fn payload_types_over_127_are_refused() {
        for bad in ["4294967296", "128", "-1", "x"] {
            let sdp = samples::CHROMIUM.replace("SAVPF 111 ", &format!("SAVPF {bad} "));
            assert!(matches!(refused(&sdp), Unsupported::Malformed { .. }), "{bad}");
        }
        let sdp = samples::CHROMIUM.replace("a=rtpmap:111 ", "a=rtpmap:1111 ");
        assert!(matches!(refused(&sdp), Unsupported::Malformed { .. }));
    }

    #[test]
    fn bombs_are_refused_by_their_size() {
        let large = |sdp: String| matches!(refused(&sdp), Unsupported::TooLarge { .. });
        assert!(large(format!("{}a=x:{}\r\n", samples::CHROMIUM, "y".repeat(70_000))));
        assert!(large(format!("{}{}", samples::CHROMIUM, "a=x\r\n".repeat(10_000))));
        assert!(large(format!("{}{}", samples::CHROMIUM, "m=audio 9 RTP/AVP 0\r\n".repeat(9))));
        let formats = format!("m=audio 9 RTP/AVP{}\r\n", " 0".repeat(129));
        assert!(large(format!("{}{formats}", samples::CHROMIUM)));
        let candidates = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n".repeat(100);
        assert!(large(format!("{}{candidates}", samples::CHROMIUM)));
    }

    #[test]
    fn an_overlong_attribute_is_skipped() {
        let sdp = format!("{}a=fmtp:111 {}\r\n", samples::CHROMIUM, "x=1;".repeat(2560));
        let description = Description::parse(&sdp).expect("the rest is in order");
        assert!(description.media[0].values("fmtp").all(|fmtp| fmtp.len() < 100));
    }

    #[test]
    fn what_is_no_description_is_refused() {
        for bad in [
            "",
            "hello",
            "v=1\r\n",
            "v=0\r\nwhat\r\n",
            "v=0\r\nm=audio\r\n",
            "v=0\r\nm=audio 99999 RTP/AVP 0\r\n",
        ] {
            refused(bad);
        }
        refused(&samples::CHROMIUM.replace("s=-", "s=\0"));
    }
}
