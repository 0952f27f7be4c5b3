use std::fmt;

use crate::wire;

/// Why a call is being ended or refused, for the `Reason` header (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP` or `Q.850`.
    pub protocol: String,
    /// The cause in that protocol's numbers.
    pub cause: u16,
    /// Text for people.
    pub text: Option<String>,
}

impl Reason {
    /// The cause that the value of a `Reason` header gives in the numbers of `protocol`.
    pub fn cause_in(header: &str, protocol: &str) -> Option<u16> {
        let plain = without_quoted(header);
        plain.split(',').find_map(|reason| {
            let mut parts = reason.split(';').map(str::trim);
            parts.next().filter(|first| first.eq_ignore_ascii_case(protocol))?;
            let causes = parts.filter_map(|part| part.split_once('='));
            causes
                .filter(|(name, _)| name.trim().eq_ignore_ascii_case("cause"))
                .find_map(|(_, cause)| cause.trim().parse().ok())
        })
    }
}

/// The value of the header (RFC 3326 §2).
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_token = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let protocol: String = self.protocol.chars().filter(is_token).collect();
        write!(f, "{protocol};cause={}", self.cause)?;
        match &self.text {
            Some(text) => write!(f, ";text={}", wire::quote_name(text).trim_end()),
            None => Ok(()),
        }
    }
}

/// What stands outside of quoted strings, where commas and semicolons mean something.
fn without_quoted(value: &str) -> String {
    let (mut plain, mut quoted, mut escaped) = (String::new(), false, false);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            _ => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_read_by_protocol_and_not_out_of_texts() {
        let both = "SIP ;cause=200 ;text=\"a, \\\"Q.850;cause=1\", q.850; Cause = 19";
        for (header, protocol, cause) in [
            ("Q.850;cause=16", "Q.850", Some(16)),
            (both, "Q.850", Some(19)),
            (both, "SIP", Some(200)),
            ("SIP;cause=486", "Q.850", None),
            ("Q.850;text=\"cause=17\"", "Q.850", None),
            ("Q.850;cause=x", "Q.850", None),
            ("", "SIP", None),
        ] {
            assert_eq!(Reason::cause_in(header, protocol), cause, "{header}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let reason = Reason { protocol: "Q.850".into(), cause: 19, text: Some("no; \"answer\"".into()) };
        assert_eq!(reason.to_string(), "Q.850;cause=19;text=\"no; \\\"answer\\\"\"");
        assert_eq!(Reason::cause_in(&reason.to_string(), "Q.850"), Some(19));
    }
}
