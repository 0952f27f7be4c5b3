//! Texts that cross from wire to people and back. Nothing here lets a control character pass.

use bytes::Bytes;
use sipx_sip::Uri;

/// Whether both texts name the same resource (RFC 3261 §19.1.4).
pub fn same_uri(a: &str, b: &str) -> bool {
    let parse = |text: &str| Uri::parse(Bytes::copy_from_slice(text.as_bytes())).ok();
    a == b || matches!((parse(a), parse(b)), (Some(a), Some(b)) if a.equivalent(&b))
}

/// Bytes of a header value with every control character turned into a space, so that no value, wherever
/// it came from, can end its line and begin another.
pub(crate) fn clean(value: &[u8]) -> Bytes {
    value.iter().map(|&b| if b < 0x20 || b == 0x7f { b' ' } else { b }).collect()
}

/// Bytes from the wire as text to show: no control characters, what is no UTF-8 replaced.
pub(crate) fn display(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect()
}

/// The user part of a URI, unescaped once; the subscriber of a `tel:` URI; empty when there is none.
pub(crate) fn user_of(uri: &Uri) -> String {
    let tel = || uri.tel_parts().map(|tel| tel.subscriber().to_vec());
    display(&uri.decoded_user().or_else(tel).unwrap_or_default())
}

/// A display name as a quoted string followed by a space, ready to stand before `<`.
pub(crate) fn quote_name(name: &str) -> String {
    let mut quoted = String::from("\"");
    for c in name.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push_str("\" ");
    quoted
}

#[cfg(feature = "server")]
/// A part of a URI with its escapes undone once; broken ones stay as they are.
pub(crate) fn unescape(escaped: &[u8]) -> String {
    let digit = |place: usize| escaped.get(place).and_then(|&b| char::from(b).to_digit(16));
    let (mut bytes, mut place) = (Vec::new(), 0);
    while let Some(&byte) = escaped.get(place) {
        match (byte, digit(place + 1), digit(place + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high * 16 + low));
                place += 3;
            }
            _ => {
                bytes.push(byte);
                place += 1;
            }
        }
    }
    display(&bytes)
}

/// A user part for a URI; what may not stand there is escaped (RFC 3261 §25.1).
pub(crate) fn user_in_uri(user: &str) -> String {
    let mut escaped = String::new();
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// The reason phrase that the standards give a status.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => match status / 100 {
            1 => "Progress",
            2 => "OK",
            3 => "Redirect",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_never_survive() {
        assert_eq!(clean(b"a\r\nVia: evil\0\x7f"), Bytes::from_static(b"a  Via: evil  "));
        assert_eq!(quote_name("a\r\nb\"c\\"), "\"ab\\\"c\\\\\" ");
        assert_eq!(display(b"an\r\nna\xff"), "anna\u{fffd}");
    }

    #[test]
    fn escapes_are_undone_once_and_controls_dropped() {
        let uri = Uri::parse(Bytes::from_static(b"sip:%61nna%0d%0a%2541@example.org")).expect("valid");
        assert_eq!(user_of(&uri), "anna%41");
        let uri = Uri::parse(Bytes::from_static(b"tel:+33123;ext=5")).expect("valid");
        assert_eq!(user_of(&uri), "+33123");
        #[cfg(feature = "server")]
        assert_eq!(unescape(b"a%40b%3Bto-tag%3d1%0d%0a%2541%z%4"), "a@b;to-tag=1%41%z%4");
        assert_eq!(user_in_uri("*55 \r\n@x#"), "*55%20%0D%0A%40x%23");
    }

    #[test]
    fn uris_are_compared_as_uris() {
        assert!(same_uri("sip:example.org", "sip:EXAMPLE.org"));
        assert!(!same_uri("sip:example.org", "sip:example.com"));
        assert!(!same_uri("sip:anna@example.org", "sip:ANNA@example.org"));
    }
}
