use std::fmt;
use std::str::FromStr;

/// Which numbers a rule is about: a prefix such as `+336`, or behind an underscore a pattern as Asterisk and XiVO
/// write it, matched against the whole number.
///
/// | in a pattern | stands for |
/// |---|---|
/// | `X` | `0`–`9` |
/// | `Z` | `1`–`9` |
/// | `N` | `2`–`9` |
/// | `[1-57]` | one of these |
/// | `.` | one or more of anything; last |
/// | `!` | nothing or anything; last |
/// | `0`–`9` `+` `*` `#` | itself |
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    items: Vec<Item>,
    rest: Rest,
}

/// The text is no pattern of numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is neither a prefix (as +336) nor a pattern (as _0[1-5]XXXXXXXX)")]
pub struct NotAPattern {
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    One(u8),
    Among(Vec<(u8, u8)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Something,
    Anything,
}

impl Pattern {
    /// All numbers that begin so.
    pub fn prefix(text: &str) -> Pattern {
        Pattern { text: text.to_owned(), items: text.bytes().map(Item::One).collect(), rest: Rest::Anything }
    }

    /// Whether a number, in its canonical form, is meant.
    pub fn matches(&self, number: &str) -> bool {
        let bytes = number.as_bytes();
        let fits = |(item, byte): (&Item, &u8)| match item {
            Item::One(one) => one == byte,
            Item::Among(ranges) => ranges.iter().any(|(low, high)| (low..=high).contains(&byte)),
        };
        bytes.len() >= self.items.len()
            && self.items.iter().zip(bytes).all(fits)
            && match self.rest {
                Rest::Nothing => bytes.len() == self.items.len(),
                Rest::Something => bytes.len() > self.items.len(),
                Rest::Anything => true,
            }
    }
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let wrong = || NotAPattern { text: text.to_owned() };
        let Some(pattern) = text.strip_prefix('_') else {
            let good = !text.is_empty() && text.bytes().all(is_dialled);
            return if good { Ok(Pattern::prefix(text)) } else { Err(wrong()) };
        };
        let (mut items, mut rest) = (Vec::new(), Rest::Nothing);
        let mut bytes = pattern.bytes();
        while let Some(byte) = bytes.next() {
            if rest != Rest::Nothing {
                return Err(wrong());
            }
            match byte.to_ascii_uppercase() {
                b'X' => items.push(Item::Among(vec![(b'0', b'9')])),
                b'Z' => items.push(Item::Among(vec![(b'1', b'9')])),
                b'N' => items.push(Item::Among(vec![(b'2', b'9')])),
                b'.' => rest = Rest::Something,
                b'!' => rest = Rest::Anything,
                b'[' => {
                    let inside: Vec<u8> = bytes.by_ref().take_while(|byte| *byte != b']').collect();
                    items.push(Item::Among(ranges(&inside).ok_or_else(wrong)?));
                }
                byte if is_dialled(byte) => items.push(Item::One(byte)),
                _ => return Err(wrong()),
            }
        }
        let means_something = !items.is_empty() || rest != Rest::Nothing;
        let closed = pattern.matches('[').count() == pattern.matches(']').count();
        if means_something && closed {
            Ok(Pattern { text: text.to_owned(), items, rest })
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

fn is_dialled(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'+' | b'*' | b'#')
}

/// `1-57` is 1 to 5, and 7.
fn ranges(inside: &[u8]) -> Option<Vec<(u8, u8)>> {
    let mut ranges = Vec::new();
    let mut left = inside;
    while let [first, rest @ ..] = left {
        let range = match rest {
            [b'-', last, ..] if first <= last => (*first, *last),
            [b'-', ..] => return None,
            _ => (*first, *first),
        };
        if !is_dialled(range.0) || !is_dialled(range.1) {
            return None;
        }
        left = if rest.first() == Some(&b'-') { &rest[2..] } else { rest };
        ranges.push(range);
    }
    if ranges.is_empty() { None } else { Some(ranges) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_prefixes_match_what_they_say() {
        for (pattern, yes, no) in [
            ("+336", &["+336", "+33612345678"][..], &["+33712345678", "0612345678"][..]),
            ("_+33[1-5]XXXXXXXX", &["+33144500210"], &["+33644500210", "+3314450021", "+331445002100"]),
            ("_+33Z.", &["+3319", "+33999"], &["+33", "+3301", "+331"]),
            ("_3XXX", &["3900"], &["390", "39000", "2900"]),
            ("_NXX!", &["211", "2115"], &["111", "21"]),
            ("_[13-5*]", &["1", "3", "5", "*"], &["2", "6", "", "11"]),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();
            for number in yes {
                assert!(parsed.matches(number), "{pattern} {number}");
            }
            for number in no {
                assert!(!parsed.matches(number), "{pattern} {number}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "_", "abc", "_.5", "_[", "_[5-1]", "_[]", "_1]", "_[a]", "_1!2", "06 12"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
