//! Keys pressed during a call, as they travel in INFO requests.

/// Reads the key out of an INFO body.
///
/// Known are `application/dtmf-relay` (`Signal=5` and `Duration=160` on lines of their own) and
/// `application/dtmf` (the key alone). `*` and `#` may also be written as 10 and 11, as some phones do.
/// The content type may carry parameters. Returns one of `0-9 * # A-D`, or nothing for any other body.
pub fn parse(content_type: &str, body: &[u8]) -> Option<char> {
    let media_type = content_type.split(';').next()?.trim();
    let text = std::str::from_utf8(body.get(..body.len().min(MAX_BODY))?).ok()?;
    if media_type.eq_ignore_ascii_case("application/dtmf-relay") {
        text.lines().find_map(signal).and_then(key)
    } else if media_type.eq_ignore_ascii_case("application/dtmf") {
        key(text.trim())
    } else {
        None
    }
}

/// Writes the `application/dtmf-relay` body for one key held for `duration_ms`.
pub fn relay_body(key: char, duration_ms: u32) -> String {
    format!("Signal={key}\r\nDuration={duration_ms}\r\n")
}

/// Far more than both forms ever need.
const MAX_BODY: usize = 256;

fn signal(line: &str) -> Option<&str> {
    let (name, value) = line.split_once('=')?;
    name.trim().eq_ignore_ascii_case("signal").then(|| value.trim())
}

fn key(text: &str) -> Option<char> {
    match text {
        "10" => return Some('*'),
        "11" => return Some('#'),
        _ => {}
    }
    let mut chars = text.chars();
    let key = chars.next()?.to_ascii_uppercase();
    (chars.next().is_none() && matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_body_forms_give_the_key() {
        assert_eq!(parse("application/dtmf-relay", b"Signal=5\r\nDuration=120\r\n"), Some('5'));
        assert_eq!(parse("Application/DTMF-Relay; charset=utf-8", b"Duration=120\nsignal= # \n"), Some('#'));
        assert_eq!(parse("application/dtmf", b"*\r\n"), Some('*'));
        assert_eq!(parse("application/dtmf", b"11"), Some('#'));
        assert_eq!(parse("application/dtmf-relay", relay_body('d', 160).as_bytes()), Some('D'));
    }

    #[test]
    fn anything_else_is_no_key() {
        for (content_type, body) in [
            ("application/dtmf-relay", &b"Signal=55\r\n"[..]),
            ("application/dtmf-relay", b"Signal=\r\n"),
            ("application/dtmf-relay", b"no equals sign"),
            ("application/dtmf-relay", b"\xff\xfe"),
            ("application/dtmf", b""),
            ("application/dtmf", b"E"),
            ("text/plain", b"5"),
            ("", b"5"),
        ] {
            assert_eq!(parse(content_type, body), None, "{content_type} {body:?}");
        }
    }
}
