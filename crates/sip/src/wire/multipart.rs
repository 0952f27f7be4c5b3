//! Bodies of several parts (RFC 2046 §5.1, RFC 5621): which of them describes the session.

/// Nobody nests bodies deeper than that, or has more parts, but to keep us busy.
const MAX_DEPTH: usize = 4;
const MAX_PARTS: usize = 16;

/// The session description in a `multipart/*` body of this `Content-Type`, where there is one.
///
/// Parts that we do not know are passed over, unless they say themselves that they must be understood (RFC
/// 3261 §20.11). RFC 5621 §8.3 takes that for granted where nothing is said, but trunks add such parts.
///
/// # Errors
/// 400 when the body is not what it says, or too much; 415 when it must not be taken without a part that we do
/// not understand.
pub(super) fn session_in(content_type: &str, body: &[u8]) -> Result<Option<String>, u16> {
    Reader { parts: 0 }.multipart(content_type, body, 1)
}

/// Whether a media type is one of several parts.
pub(super) fn is_multipart(content_type: &str) -> bool {
    content_type.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

struct Reader {
    parts: usize,
}

impl Reader {
    fn multipart(&mut self, content_type: &str, body: &[u8], depth: usize) -> Result<Option<String>, u16> {
        let boundary = parameter(content_type, "boundary").filter(|boundary| is_boundary(boundary));
        let boundary = boundary.filter(|_| depth <= MAX_DEPTH).ok_or(400_u16)?;
        let mut found = None;
        for part in self.split(&boundary, body)? {
            let session = self.part(part, depth)?;
            // of alternatives the last is the best, of a mixture the first is meant
            if found.is_none() || (session.is_some() && is_alternative(content_type)) {
                found = session;
            }
        }
        Ok(found)
    }

    fn part(&mut self, part: &[u8], depth: usize) -> Result<Option<String>, u16> {
        let (headers, content) = head_and_content(part).ok_or(400_u16)?;
        let value = |name: &str| header(&headers, name).unwrap_or_default();
        let content_type = value("Content-Type");
        let disposition = value("Content-Disposition");
        let kind = disposition.split(';').next().unwrap_or_default().trim();
        if is_multipart(&content_type) {
            return self.multipart(&content_type, content, depth + 1);
        }
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let encoding = value("Content-Transfer-Encoding");
        let is_plain =
            ["", "binary", "8bit", "7bit"].contains(&encoding.trim().to_ascii_lowercase().as_str());
        let is_session = media_type.eq_ignore_ascii_case("application/sdp")
            && (kind.is_empty() || kind.eq_ignore_ascii_case("session"))
            && is_plain;
        let is_required = parameter(&disposition, "handling")
            .is_some_and(|handling| handling.eq_ignore_ascii_case("required"));
        match (is_session, is_required) {
            (true, _) => {
                Ok(Some(String::from_utf8_lossy(content).into_owned()).filter(|sdp| !sdp.is_empty()))
            }
            (false, true) => Err(415),
            (false, false) => Ok(None),
        }
    }

    /// The parts between the delimiters, without the line ends that belong to those.
    fn split<'a>(&mut self, boundary: &str, body: &'a [u8]) -> Result<Vec<&'a [u8]>, u16> {
        let (mut parts, mut begin, mut place) = (Vec::new(), None, 0);
        while place < body.len() {
            let end = body[place..].iter().position(|&b| b == b'\n').map_or(body.len(), |n| place + n + 1);
            let line = body[place..end].trim_ascii_end();
            let rest = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary.as_bytes()));
            if let Some(rest @ (b"" | b"--")) = rest {
                if let Some(begin) = begin {
                    self.parts += 1;
                    if self.parts > MAX_PARTS {
                        return Err(400);
                    }
                    let part = &body[begin..place.max(begin)];
                    let part = part.strip_suffix(b"\n").unwrap_or(part);
                    parts.push(part.strip_suffix(b"\r").unwrap_or(part));
                }
                if rest == b"--" {
                    return Ok(parts);
                }
                begin = Some(end);
            }
            place = end;
        }
        Err(400)
    }
}

/// The header lines of a part, unfolded, and what follows the empty line.
fn head_and_content(part: &[u8]) -> Option<(Vec<String>, &[u8])> {
    let (mut headers, mut place) = (Vec::<String>::new(), 0);
    loop {
        let end = part[place..].iter().position(|&b| b == b'\n').map_or(part.len(), |n| place + n + 1);
        let line = &part[place..end];
        if line.trim_ascii().is_empty() {
            return Some((headers, &part[end..]));
        }
        let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
        match headers.last_mut() {
            Some(folded) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                folded.push(' ');
                folded.push_str(&text);
            }
            _ => headers.push(text),
        }
        if end == part.len() {
            return None;
        }
        place = end;
    }
}

fn header(headers: &[String], name: &str) -> Option<String> {
    headers.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// A parameter of a header value, without the quotes around it.
fn parameter(value: &str, name: &str) -> Option<String> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = value.split(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            ';' => return !quoted,
            _ => {}
        }
        false
    });
    parts.skip(1).find_map(|part| {
        let (found, value) = part.split_once('=')?;
        let value = value.trim();
        let plain = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        found.trim().eq_ignore_ascii_case(name).then(|| plain.replace('\\', ""))
    })
}

fn is_alternative(content_type: &str) -> bool {
    content_type.trim_start().get(10..21).is_some_and(|kind| kind.eq_ignore_ascii_case("alternative"))
}

/// RFC 2046 §5.1.1.
fn is_boundary(boundary: &str) -> bool {
    let is_bchar = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    (1..=70).contains(&boundary.len()) && boundary.bytes().all(is_bchar) && !boundary.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SDP: &str = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\ns=x\r\n";

    fn read(kind: &str, body: &str) -> Result<Option<String>, u16> {
        session_in(&format!("{kind};boundary=b"), body.as_bytes())
    }

    #[test]
    fn the_session_is_found_among_parts_that_we_do_not_know() {
        let session = Ok(Some("v=0\r\ns=x".to_owned()));
        let other = "--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n\r\n<presence/>\r\n";
        let optional = "--b\r\nContent-Type: application/ISUP;version=x\r\n\
                        Content-Disposition: signal;\r\n handling=optional\r\n\r\n\u{1}\u{2}\r\n";
        for body in [
            format!("{SDP}--b--\r\n"),
            format!("preamble\r\n{SDP}{other}--b--"),
            format!("{other}{SDP}--b--\r\nepilogue"),
            format!("{optional}{SDP}--b--\r\n").replace("\r\n", "\n").replace("v=0\n", "v=0\r\n"),
        ] {
            assert_eq!(read("Multipart/Mixed", &body), session, "{body}");
        }
        let two = format!("{SDP}{}--b--", SDP.replace("s=x", "s=y"));
        assert_eq!(read("multipart/mixed", &two), session);
        assert_eq!(read("multipart/alternative", &two), Ok(Some("v=0\r\ns=y".to_owned())));
        assert_eq!(session_in("multipart/mixed; boundary=\"b\"", two.as_bytes()), session);
        let nested = format!("--o\r\nContent-Type: multipart/related;boundary=b\r\n\r\n{SDP}--b--\r\n--o--");
        assert_eq!(session_in("multipart/mixed;boundary=o", nested.as_bytes()), session);
    }

    #[test]
    fn what_is_no_session_is_none_and_what_must_be_understood_is_refused() {
        assert_eq!(read("multipart/mixed", "--b\r\n\r\ntext\r\n--b--"), Ok(None));
        let early = SDP.replace("sdp\r\n", "sdp\r\nContent-Disposition: early-session\r\n");
        assert_eq!(read("multipart/mixed", &format!("{early}--b--")), Ok(None));
        let encoded = SDP.replace("sdp\r\n", "sdp\r\nContent-Transfer-Encoding: base64\r\n");
        assert_eq!(read("multipart/mixed", &format!("{encoded}--b--")), Ok(None));
        let required =
            "--b\r\nContent-Type: application/x\r\nContent-Disposition: y ; Handling = REQUIRED\r\n\r\nz\r\n";
        assert_eq!(read("multipart/mixed", &format!("{SDP}{required}--b--")), Err(415));
    }

    #[test]
    fn what_is_broken_or_too_much_is_neither_read_nor_waited_for() {
        for (kind, body) in [
            ("multipart/mixed", format!("{SDP}--b--")),
            ("multipart/mixed;boundary=", format!("{SDP}--b--")),
            ("multipart/mixed;boundary=\"a;b", format!("{SDP}--b--")),
            ("multipart/mixed;boundary=b", SDP.to_owned()),
            ("multipart/mixed;boundary=b", String::new()),
            ("multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n--b--".to_owned()),
            ("multipart/mixed;boundary=b", format!("{}--b--", "--b\r\n\r\nx\r\n".repeat(17))),
        ] {
            assert_eq!(session_in(kind, body.as_bytes()), Err(400), "{kind} {body}");
        }
        assert_eq!(read("multipart/mixed", &format!("{}--b--", "--b\r\n\r\nx\r\n".repeat(16))), Ok(None));
        for (depth, expected) in [(3, Ok(Some("v=0\r\ns=x".to_owned()))), (4, Err(400)), (1_000, Err(400))] {
            let mut body = format!("{SDP}--b--");
            let mut inner = "b".to_owned();
            for level in 0..depth {
                let outer = format!("l{level}");
                body = format!(
                    "--{outer}\r\nContent-Type: multipart/mixed;boundary={inner}\r\n\r\n{body}\r\n--{outer}--"
                );
                inner = outer;
            }
            assert_eq!(session_in(&format!("multipart/mixed;boundary={inner}"), body.as_bytes()), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_body_panics(kind in "multipart/[a-z]{1,12};[ -~]{0,20}boundary=b", body in "(--b|--|\r\n|\n|Content-Type: application/sdp|[ -~é]){0,60}") {
            let _ = session_in(&kind, body.as_bytes());
        }
    }
}
