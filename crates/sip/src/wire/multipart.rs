//! Bodies of several parts (RFC 2046 §5.1), of which RFC 5621 §3.1 asks that a user agent find its own.

use sipx_sip::TypedHeader as _;
use sipx_sip::headers::ContentType;

use crate::Malformed;

const MALFORMED: Malformed = Malformed { what: "multipart body", section: "RFC 2046 §5.1" };
/// No honest sender nests deeper; who does wants our stack.
const MAX_DEPTH: usize = 4;
/// Parts of one message, those of nested parts among them.
const MAX_PARTS: usize = 16;
/// RFC 2046 §5.1.1.
const MAX_BOUNDARY_BYTES: usize = 70;

/// The first session description in a body of this type, whether it is the body itself or a part of it.
///
/// # Errors
/// [`Malformed`] for a multipart body without a boundary or an end, one of more than 16 parts, or of more than
/// four levels.
pub(super) fn session_description<'a>(
    kind: &ContentType,
    body: &'a [u8],
) -> Result<Option<&'a [u8]>, Malformed> {
    let mut parts = 0;
    look_for_it(kind, body, 0, &mut parts)
}

fn look_for_it<'a>(
    kind: &ContentType,
    body: &'a [u8],
    depth: usize,
    parts: &mut usize,
) -> Result<Option<&'a [u8]>, Malformed> {
    if kind.is("application", "sdp") {
        return Ok(Some(body));
    }
    if kind.media_type != b"multipart" {
        return Ok(None);
    }
    if depth == MAX_DEPTH {
        return Err(MALFORMED);
    }
    let boundary = kind.param("boundary").unwrap_or_default().trim_ascii();
    let boundary = boundary.strip_prefix(b"\"").and_then(|b| b.strip_suffix(b"\"")).unwrap_or(boundary);
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES {
        return Err(MALFORMED);
    }
    let mut found = None;
    // all of them are looked at: half a body is no body, wherever the description stands
    for part in split(body, boundary)? {
        *parts += 1;
        if *parts > MAX_PARTS {
            return Err(MALFORMED);
        }
        let (kind, content) = open(part)?;
        if let Some(kind) = kind {
            let here = look_for_it(&kind, content, depth + 1, parts)?;
            found = found.or(here);
        }
    }
    Ok(found)
}

/// What stands between the delimiter lines, the line end before each of which is its own.
fn split<'a>(body: &'a [u8], boundary: &[u8]) -> Result<Vec<&'a [u8]>, Malformed> {
    let mut parts = Vec::new();
    let mut begun = None;
    let mut at = 0;
    while at <= body.len() {
        let line_end = body[at..].windows(2).position(|w| w == b"\r\n").map_or(body.len(), |end| at + end);
        let line = &body[at..line_end];
        if let Some(rest) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)) {
            let (last, padding) = rest.strip_prefix(b"--").map_or((false, rest), |padding| (true, padding));
            if padding.trim_ascii().is_empty() {
                if let Some(start) = begun {
                    parts.push(&body[start..at.saturating_sub(2).max(start)]);
                    if parts.len() > MAX_PARTS {
                        return Err(MALFORMED);
                    }
                }
                if last {
                    return if parts.is_empty() { Err(MALFORMED) } else { Ok(parts) };
                }
                begun = Some((line_end + 2).min(body.len()));
            }
        }
        at = line_end + 2;
    }
    Err(MALFORMED)
}

/// A part's type, where it names one, and its content.
fn open(part: &[u8]) -> Result<(Option<ContentType>, &[u8]), Malformed> {
    let (head, content) = match part.strip_prefix(b"\r\n") {
        Some(content) => (&b""[..], content),
        None => match part.windows(4).position(|w| w == b"\r\n\r\n") {
            Some(end) => (&part[..end], &part[end + 4..]),
            None => (part, &b""[..]),
        },
    };
    let mut kind = None;
    for line in head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii) {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let name = line[..colon].trim_ascii();
        if name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"c") {
            kind = Some(ContentType::decode(&line[colon + 1..]).map_err(|_| MALFORMED)?);
        }
    }
    Ok((kind, content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sdp_in(kind: &str, body: &str) -> Result<Option<String>, Malformed> {
        let kind = ContentType::decode(kind.as_bytes()).expect("a media type");
        let found = session_description(&kind, body.as_bytes())?;
        Ok(found.map(|sdp| String::from_utf8_lossy(sdp).into_owned()))
    }

    fn part(kind: &str, content: &str) -> String {
        format!("--b\r\nContent-Type: {kind}\r\n\r\n{content}\r\n")
    }

    #[test]
    fn the_session_description_is_found_wherever_it_stands() {
        let isup = part("application/isup;version=x", "\u{1}\u{2}");
        let sdp = part("application/sdp", "v=0\r\n");
        let mixed = "multipart/mixed;boundary=b";
        let behind = format!("preamble\r\n{sdp}{isup}--b--\r\nepilogue");
        for body in [format!("{isup}{sdp}--b--\r\n"), behind] {
            assert_eq!(sdp_in(mixed, &body), Ok(Some("v=0\r\n".into())), "{body}");
        }
        let nested =
            format!("--o\r\nc: multipart/alternative; boundary=\"b\"\r\n\r\n{isup}{sdp}--b--\r\n--o--\r\n");
        assert_eq!(sdp_in("multipart/related; boundary=o", &nested), Ok(Some("v=0\r\n".into())));
        assert_eq!(sdp_in("application/sdp", "v=0\r\n"), Ok(Some("v=0\r\n".into())));
        assert_eq!(sdp_in(mixed, &format!("{isup}--b--")), Ok(None));
        assert_eq!(sdp_in(mixed, "--b\r\n\r\nno type\r\n--b--"), Ok(None));
        assert_eq!(sdp_in("text/plain", "v=0"), Ok(None));
    }

    #[test]
    fn bodies_without_boundary_or_end_and_monsters_are_malformed() {
        let sdp = part("application/sdp", "v=0");
        for (kind, body) in [
            ("multipart/mixed", format!("{sdp}--b--")),
            ("multipart/mixed;boundary=\"\"", format!("{sdp}--b--")),
            ("multipart/mixed;boundary=b", sdp.clone()),
            ("multipart/mixed;boundary=b", "--b--".to_owned()),
            ("multipart/mixed;boundary=b", String::new()),
            ("multipart/mixed;boundary=b", format!("{}--b--", sdp.repeat(17))),
            ("multipart/mixed;boundary=b", format!("{sdp}{}--b--", part("nonsense", ""))),
        ] {
            assert_eq!(sdp_in(kind, &body), Err(MALFORMED), "{body}");
        }
        let mut deep = String::from("v=0");
        let mut kind = String::from("application/sdp");
        for level in 0..5 {
            deep = format!("--b{level}\r\nContent-Type: {kind}\r\n\r\n{deep}\r\n--b{level}--");
            kind = format!("multipart/mixed;boundary=b{level}");
            let expected = if level < 4 { Ok(Some("v=0".to_owned())) } else { Err(MALFORMED) };
            assert_eq!(sdp_in(&kind, &deep), expected, "{level}");
        }
        assert_eq!(
            sdp_in("multipart/mixed;boundary=b", &format!("{}--b--", sdp.repeat(16))),
            Ok(Some("v=0".into()))
        );
    }
}
