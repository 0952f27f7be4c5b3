//! The parameter list that challenges and credentials share (RFC 7616 §3.3, RFC 3261 §25.1).

use crate::Malformed;

/// Parameters by lower-case name, each at most once.
pub(super) struct Params(Vec<(String, String)>);

const MALFORMED: Malformed = Malformed { what: "digest parameters", section: "RFC 3261 §25.1" };
const MAX_VALUE_BYTES: usize = 4096;
const MAX_PARAMS: usize = 32;

impl Params {
    /// Reads what follows the scheme `Digest`.
    pub(super) fn parse(value: &str) -> Result<Self, Malformed> {
        let value = value.trim();
        let (scheme, rest) = value.split_once([' ', '\t']).ok_or(MALFORMED)?;
        if !scheme.eq_ignore_ascii_case("Digest") || value.len() > MAX_VALUE_BYTES {
            return Err(MALFORMED);
        }
        let mut params = Params(Vec::new());
        let mut rest = rest.trim();
        while !rest.is_empty() {
            rest = params.read_one(rest)?;
        }
        Ok(params)
    }

    /// Takes the value of `name` out.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Takes the value of a parameter that must be there.
    pub(super) fn require(&mut self, name: &str) -> Result<String, Malformed> {
        self.take(name).ok_or(MALFORMED)
    }

    fn read_one<'a>(&mut self, text: &'a str) -> Result<&'a str, Malformed> {
        let (name, rest) = text.split_once('=').ok_or(MALFORMED)?;
        let name = name.trim().to_ascii_lowercase();
        let is_token =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!%*+`'~".contains(&b));
        if !is_token || self.0.len() == MAX_PARAMS || self.0.iter().any(|(n, _)| *n == name) {
            return Err(MALFORMED);
        }
        let (value, rest) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_owned(), &rest[end..])
            }
        };
        self.0.push((name, value));
        match rest.trim_start() {
            "" => Ok(""),
            more => more.strip_prefix(',').map(str::trim_start).ok_or(MALFORMED),
        }
    }
}

/// The text up to the closing quote without its backslashes, and what follows that quote.
fn unquote(text: &str) -> Result<(String, &str), Malformed> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(chars.next().ok_or(MALFORMED)?.1),
            _ => value.push(c),
        }
    }
    Err(MALFORMED)
}

/// `text` as a quoted string; quotes and backslashes are escaped, control characters dropped.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_values_are_read() {
        let mut params = Params::parse(r#"digest  a="x, \"y\"" ,B = tok,c="""#).expect("well formed");
        assert_eq!(params.take("a").as_deref(), Some(r#"x, "y""#));
        assert_eq!(params.take("b").as_deref(), Some("tok"));
        assert_eq!(params.take("c").as_deref(), Some(""));
        assert_eq!(params.take("c"), None);
    }

    #[test]
    fn broken_lists_are_refused() {
        for bad in [
            "",
            "Digest",
            "Basic abc",
            "Digest a",
            "Digest a=\"x",
            "Digest a=1,a=2",
            "Digest =1",
            "Digest a=\"\\",
        ] {
            assert!(Params::parse(bad).is_err(), "{bad}");
        }
        assert!(Params::parse(&format!("Digest a={}", "x".repeat(10_000))).is_err());
    }
}
