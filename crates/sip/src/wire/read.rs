//! Reading: framing, limits, and the headers that everyone needs.

use bytes::Bytes;
use sipx_sip::headers::{Address, CSeq, ContactValue, ContentType, Via};
use sipx_sip::message::{Header, Headers, Message, Method, Request, Response, StatusCode};
use sipx_sip::{HeaderName, Limits, StreamParser, TypedHeader, parse_datagram, parse_frame};

use super::text::{clean, display, phrase};
use super::write::bytes_of;
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

/// The tokens of a header that lists some, such as `Require`, as they came.
pub(crate) fn tokens(headers: &Headers, name: &HeaderName) -> Vec<String> {
    let values: Vec<String> = headers.get_all(name).map(|header| display(&header.value())).collect();
    let tokens = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    tokens.filter(|token| !token.is_empty()).map(str::to_owned).collect()
}

/// Whether a message lists UPDATE among the methods that its sender takes.
pub(crate) fn allows_update(headers: &Headers) -> bool {
    tokens(headers, &HeaderName::Allow).iter().any(|method| method == "UPDATE")
}

/// The addresses in `Contact`, the most wanted first (RFC 3261 §8.1.3.4); not more than anybody would try.
pub(crate) fn contacts(headers: &Headers) -> Vec<String> {
    const MAX_CONTACTS: usize = 10;
    let wanted = headers
        .get_all(&HeaderName::Contact)
        .filter_map(|header| ContactValue::decode_list(&header.value()).ok())
        .flatten()
        .filter_map(|contact| match contact {
            ContactValue::Address(address) => {
                let q = address.param("q").and_then(|q| thousandths(&display(q))).unwrap_or(1_000);
                Some((q, String::from_utf8_lossy(&address.uri.to_bytes()).into_owned()))
            }
            ContactValue::Wildcard => None,
        })
        .take(MAX_CONTACTS);
    // a few, put where they belong: a sorting algorithm is not worth its bytes in a page
    let mut contacts: Vec<(u16, String)> = Vec::new();
    for (q, uri) in wanted {
        let place = contacts.partition_point(|(other, _)| *other >= q);
        contacts.insert(place, (q, uri));
    }
    contacts.into_iter().map(|(_, uri)| uri).collect()
}

/// `0.75` as 750; what is no quality between 0 and 1 counts as absent (RFC 3261 §25.1).
pub(crate) fn thousandths(q: &str) -> Option<u16> {
    let (whole, fraction) = q.split_once('.').unwrap_or((q, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value =
        whole.parse::<u16>().ok()?.checked_mul(1000)? + format!("{fraction:0<3}").parse::<u16>().ok()?;
    (value <= 1000).then_some(value)
}

#[cfg(feature = "server")]
/// Seconds; a number too large for us is as good as for ever, and anything else counts as absent.
pub(crate) fn seconds(value: &[u8]) -> Option<u32> {
    let digits = value.trim_ascii();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).unwrap_or(u32::MAX))
}

/// The media type of a message's body, lower case, without parameters.
pub(crate) fn media_type(headers: &Headers) -> String {
    let value = text_of(headers, &HeaderName::ContentType).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a message's body is compressed or otherwise not what it says (RFC 3261 §20.12).
pub(crate) fn is_encoded(headers: &Headers) -> bool {
    text_of(headers, &HeaderName::ContentEncoding)
        .is_some_and(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"))
}

/// The session description a message carries, as far as it can be read.
pub(crate) fn sdp_of(headers: &Headers, body: &Bytes) -> Option<String> {
    session_of(headers, body).ok().flatten()
}

/// The session description a message carries, or none where it has no body.
///
/// # Errors
/// The status that refuses the body: 400 or 415.
pub(crate) fn session_of(headers: &Headers, body: &Bytes) -> Result<Option<String>, u16> {
    if body.is_empty() {
        return Ok(None);
    }
    #[cfg(feature = "server")]
    {
        let content_type = text_of(headers, &HeaderName::ContentType).unwrap_or_default();
        if super::multipart::is_multipart(&content_type) {
            return super::multipart::session_in(&content_type, body)?.map(Some).ok_or(415);
        }
    }
    let is_sdp = matches!(headers.typed::<ContentType>(), Some(Ok(t)) if t.is("application", "sdp"));
    is_sdp.then(|| Some(String::from_utf8_lossy(body).into_owned())).ok_or(415)
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

    #[cfg(feature = "server")]
    #[test]
    fn numbers_from_contacts_are_clamped() {
        assert_eq!(seconds(b"0060"), Some(60));
        assert_eq!(seconds(b"18446744073709551616"), Some(u32::MAX));
        assert_eq!(seconds(b"-1"), None);
        assert_eq!(seconds(b""), None);
        assert_eq!(thousandths("1"), Some(1000));
        assert_eq!(thousandths("0.75"), Some(750));
        assert_eq!(thousandths("99"), None);
        assert_eq!(thousandths("0.0001"), None);
    }
}
