use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Something that can be dialled: an optional leading `+`, then 1 to 32 of `0-9 * #`.
///
/// Spaces, dots, hyphens, slashes and parentheses are taken out while parsing; anything else, a letter, a
/// full-width digit, a text-direction mark or a host name, is refused. This one canonical form is what
/// permissions and routes decide on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// The text is no phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a phone number: expected an optional + and 1 to 32 of 0-9 * #")]
pub struct NotANumber;

impl PhoneNumber {
    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PhoneNumber {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let mut canonical = String::with_capacity(text.len().min(33));
        for c in text.trim().chars() {
            match c {
                '0'..='9' | '*' | '#' => canonical.push(c),
                '+' if canonical.is_empty() => canonical.push(c),
                ' ' | '.' | '-' | '/' | '(' | ')' => {}
                _ => return Err(NotANumber),
            }
        }
        let digits = canonical.trim_start_matches('+').len();
        if (1..=32).contains(&digits) { Ok(PhoneNumber(canonical)) } else { Err(NotANumber) }
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = NotANumber;

    fn try_from(text: String) -> Result<Self, NotANumber> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> String {
        number.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_taken_out() {
        for (text, canonical) in
            [("*55", "*55"), ("+33 (0)1.44-50", "+33014450"), (" 1001 ", "1001"), ("#21#", "#21#")]
        {
            assert_eq!(text.parse::<PhoneNumber>().unwrap().as_str(), canonical);
        }
    }

    #[test]
    fn anything_that_is_not_dialled_is_refused() {
        let too_long = "1".repeat(33);
        for text in [
            "",
            "+",
            "sip:x@evil.example",
            "127.0.0.1:5060",
            "１００１",
            "10\u{202e}01",
            "1+2",
            "12;ext=3",
            &too_long,
        ] {
            assert_eq!(text.parse::<PhoneNumber>(), Err(NotANumber), "{text:?}");
        }
    }
}
