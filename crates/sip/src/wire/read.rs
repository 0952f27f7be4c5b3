//! Reading: framing, limits, and the headers that everyone needs.

use bytes::Bytes;
use sipx_sip::headers::{Address, CSeq, ContentType, Via};
use sipx_sip::message::{Header, Headers, Message, Method, Request, Response, StatusCode};
use sipx_sip::{HeaderName, Limits, StreamParser, TypedHeader, parse_datagram, parse_frame};

use super::multipart;
use super::text::{clean, display, phrase};
use super::write::bytes_of;
use crate::Malformed;
use crate::config::Transport;

/// Why bytes are no message: the status that tells the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// 400 or 513.
    pub(crate) status: u16,
}

/// No SIP message worth the name is larger; what is, could only be meant to hurt.
pub(crate) const LIMITS: Limits = Limits {
    max_message_bytes: 64 * 1024,
    max_body_bytes: 64 * 1024,
    max_headers: 128,
    max_header_bytes: 8 * 1024,
    max_folding_lines: 16,
};
/// As many hops as `Max-Forwards` allows by default.
const MAX_VIAS: usize = 70;

/// Reads the one message that `bytes` hold.
///
/// # Errors
/// [`Unreadable`] when they hold none, or more than our limits allow.
pub(crate) fn read(bytes: &[u8], transport: Transport) -> Result<Message, Unreadable> {
    if bytes.len() > LIMITS.max_message_bytes {
        return Err(Unreadable { status: 513 });
    }
    let bytes = Bytes::copy_from_slice(bytes);
    match transport {
        Transport::Udp => parse_datagram(bytes, &LIMITS).ok(),
        Transport::Ws | Transport::Wss => parse_frame(bytes, &LIMITS).ok(),
        Transport::Tcp | Transport::Tls => parse_cut(&bytes),
    }
    .ok_or(Unreadable { status: 400 })
}

/// The one message that was cut out of a stream, where `Content-Length` may not be absent (RFC 3261 §18.3).
fn parse_cut(bytes: &[u8]) -> Option<Message> {
    let mut parser = StreamParser::new(LIMITS);
    let message = parser.push(bytes).ok()?.pop()?;
    (parser.pending() == 0).then_some(message)
}

/// Whether a request has come through more hops than we are willing to write into a response.
pub(crate) fn too_many_hops(request: &Request) -> bool {
    request.headers.typed_all::<Via>().take(MAX_VIAS + 1).count() > MAX_VIAS
}

/// The response to a request that could not be read, made of what can be made out of it.
///
/// Nothing comes back for responses, for ACK, and where a header is missing that a response must echo.
pub(crate) fn reject_unreadable(bytes: &[u8], unreadable: Unreadable, tag: &str) -> Option<Vec<u8>> {
    const ECHOED: [HeaderName; 5] =
        [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];
    let head = &bytes[..bytes.len().min(16 * 1024)];
    let head = head.windows(4).position(|w| w == b"\r\n\r\n").map_or(head, |end| &head[..end]);
    let mut lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
    let start = lines.by_ref().find(|line| !line.is_empty())?;
    if start.starts_with(b"SIP/") || start.starts_with(b"ACK ") {
        return None;
    }
    let mut response = Response::new(StatusCode::new(unreadable.status)?, phrase(unreadable.status));
    for line in lines {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        let name = HeaderName::parse(&Bytes::copy_from_slice(line[..colon].trim_ascii()));
        let wanted = ECHOED.contains(&name)
            && (name == HeaderName::Via || response.headers.get(&name).is_none())
            && response.headers.len() < MAX_VIAS + ECHOED.len();
        if wanted {
            let value = clean(line[colon + 1..].trim_ascii());
            response.headers.push(Header::build(name, value).ok()?);
        }
    }
    if !ECHOED.iter().all(|name| response.headers.get(name).is_some()) {
        return None;
    }
    super::write::add_to_tag(&mut response.headers, tag);
    super::set(&mut response.headers, HeaderName::ContentLength, "0");
    Some(bytes_of(&Message::Response(response)))
}

/// The first value of a header as text to show.
pub(crate) fn text_of(headers: &Headers, name: &HeaderName) -> Option<String> {
    headers.value(name).map(|value| display(&value))
}

/// The address in `From`, `To` or another header of that form.
pub(crate) fn address<H: TypedHeader + std::ops::Deref<Target = Address>>(
    headers: &Headers,
) -> Option<Address> {
    Some((*headers.typed::<H>()?.ok()?).clone())
}

/// The tag of `From` or `To`; empty where there is none, as RFC 2543 allowed.
pub(crate) fn tag_of<H: TypedHeader + std::ops::Deref<Target = Address>>(headers: &Headers) -> Vec<u8> {
    address::<H>(headers).and_then(|a| a.tag().map(<[u8]>::to_vec)).unwrap_or_default()
}

/// The sequence number and the method it belongs to.
pub(crate) fn cseq(headers: &Headers) -> Option<(u32, Method)> {
    let cseq = headers.typed::<CSeq>()?.ok()?;
    Some((cseq.sequence, cseq.method))
}

/// The session description a message carries.
pub(crate) fn sdp_of(headers: &Headers, body: &Bytes) -> Option<String> {
    sdp_within(headers, body).ok().flatten()
}

/// The same, where a body that cannot be taken apart matters.
///
/// # Errors
/// [`Malformed`] as of [`multipart::session_description`].
pub(crate) fn sdp_within(headers: &Headers, body: &Bytes) -> Result<Option<String>, Malformed> {
    let Some(Ok(kind)) = headers.typed::<ContentType>() else { return Ok(None) };
    let sdp = if body.is_empty() { None } else { multipart::session_description(&kind, body)? };
    Ok(sdp.map(|sdp| String::from_utf8_lossy(sdp).into_owned()))
}

/// Whether a response may carry a session description (RFC 3261 §20.1); without `Accept` it may.
pub(crate) fn accepts_sdp(headers: &Headers) -> bool {
    let mut ranges = headers.get_all(&HeaderName::Accept).peekable();
    ranges.peek().is_none()
        || ranges.any(|header| {
            let value = header.value().to_ascii_lowercase();
            let mut types = value.split(|&b| b == b',').map(|range| {
                let end = range.iter().position(|&b| b == b';').unwrap_or(range.len());
                range[..end].trim_ascii()
            });
            types.any(|kind| [&b"application/sdp"[..], b"application/*", b"*/*"].contains(&kind))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BROKEN: &str = "OPTIONS sip:a b SIP/2.0\r\nv: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nf: <sip:a@b>;tag=1\r\n\
                          t: <sip:b@b>\r\ni: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";

    #[test]
    fn an_unreadable_request_is_refused_where_that_is_possible() {
        let unreadable = read(BROKEN.as_bytes(), Transport::Ws).expect_err("a space in the Request-URI");
        let response = reject_unreadable(BROKEN.as_bytes(), unreadable, "t1").expect("all headers are there");
        let text = String::from_utf8(response).expect("ASCII");
        assert!(text.starts_with("SIP/2.0 400 Bad Request\r\n"), "{text}");
        assert!(text.contains("To: <sip:b@b>;tag=t1\r\n"), "{text}");
        for silent in ["ACK", "SIP/2.0"] {
            let silent = BROKEN.replacen("OPTIONS", silent, 1);
            assert_eq!(reject_unreadable(silent.as_bytes(), unreadable, "t1"), None);
        }
        assert_eq!(reject_unreadable(b"\xff\xfe", unreadable, "t1"), None);
    }

    #[test]
    fn what_is_too_large_is_unreadable() {
        let large = format!("OPTIONS sip:a SIP/2.0\r\nSubject: {}\r\n\r\n", "x".repeat(70_000));
        assert_eq!(read(large.as_bytes(), Transport::Ws).expect_err("too large").status, 513);
        let many = format!("OPTIONS sip:a SIP/2.0\r\n{}\r\n", "Subject: x\r\n".repeat(200));
        assert_eq!(read(many.as_bytes(), Transport::Udp).expect_err("too many headers").status, 400);
    }
}
