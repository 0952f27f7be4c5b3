use std::fmt;

use model::LineId;

/// A phone with a password of its own that belongs to a line: a desk phone, a softphone.
///
/// The hashes are `H(name:realm:password)` in hexadecimal (RFC 7616 §3.4.2) and as good as the password itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Device {
    /// The SIP account and digest user; unique among devices, and no line's name.
    pub name: String,
    /// The line on which it rings and calls.
    pub line_id: LineId,
    /// By MD5.
    pub ha1_md5: String,
    /// By SHA-256.
    pub ha1_sha256: String,
}

/// The hashes stay out of it.
impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("name", &self.name)
            .field("line_id", &self.line_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_not_printed() {
        let hidden = "hidden".to_owned();
        let device =
            Device { name: "d".into(), line_id: LineId(1), ha1_md5: hidden.clone(), ha1_sha256: hidden };
        assert!(!format!("{device:?}").contains("hidden"));
    }
}
