//! What transfers are made of: the dialog that an INVITE replaces, and the REFER that asks for one.

use std::fmt;

use crate::error::Malformed;

/// The dialog whose place an INVITE takes, as the side that has it sees it (RFC 3891 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Its Call-ID.
    pub sip_call_id: String,
    /// The tag of the side that is asked.
    pub to_tag: String,
    /// The tag of its peer.
    pub from_tag: String,
    /// Whether it may only be replaced while it is not answered.
    pub early_only: bool,
}

impl Replaces {
    /// Reads the value of the header.
    ///
    /// # Errors
    /// [`Malformed`] when a tag is missing or comes twice, or the value names several dialogs.
    pub fn parse(value: &str) -> Result<Self, Malformed> {
        const MALFORMED: Malformed = Malformed { what: "Replaces", section: "RFC 3891 §6.1" };
        let mut parts = value.split(';').map(str::trim);
        let sip_call_id = parts.next().filter(|id| is_word(id)).ok_or(MALFORMED)?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim_end().to_ascii_lowercase(), value.trim_start());
            let place = match name.as_str() {
                "to-tag" => &mut to_tag,
                "from-tag" => &mut from_tag,
                "early-only" => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            if !is_word(value) || place.replace(value.to_owned()).is_some() {
                return Err(MALFORMED);
            }
        }
        Ok(Replaces {
            sip_call_id,
            to_tag: to_tag.ok_or(MALFORMED)?,
            from_tag: from_tag.ok_or(MALFORMED)?,
            early_only,
        })
    }
}

/// The value of the header.
impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.sip_call_id, self.to_tag, self.from_tag)?;
        f.write_str(if self.early_only { ";early-only" } else { "" })
    }
}

/// Our handle of one REFER that a peer has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferId(pub(crate) u64);

/// Whether a text may be a Call-ID or a tag: visible characters, and none that would begin something new.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b';' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_by_its_call_id_and_both_tags() {
        let replaces = Replaces::parse("98732@sip.example.com ; from-tag=r33th4x0r; TO-TAG=ff87ff").unwrap();
        assert_eq!(
            (replaces.sip_call_id.as_str(), replaces.to_tag.as_str()),
            ("98732@sip.example.com", "ff87ff")
        );
        assert_eq!((replaces.from_tag.as_str(), replaces.early_only), ("r33th4x0r", false));
        let early = Replaces { early_only: true, ..replaces };
        assert_eq!(Replaces::parse(&early.to_string()), Ok(early));
    }

    #[test]
    fn anything_less_or_more_names_none() {
        for value in [
            "",
            "a",
            "a;to-tag=1",
            "a;from-tag=1",
            ";to-tag=1;from-tag=2",
            "a;to-tag=;from-tag=2",
            "a;to-tag=1;to-tag=2;from-tag=3",
            "a;to-tag=1;from-tag=2,b;to-tag=3;from-tag=4",
            "a b;to-tag=1;from-tag=2",
        ] {
            assert!(Replaces::parse(value).is_err(), "{value}");
        }
    }
}
