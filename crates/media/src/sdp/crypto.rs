use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::MediaSection;
use crate::srtp::{MasterKey, Suite};

/// One `a=crypto` line that we can use (RFC 4568 §9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Crypto {
    pub(crate) tag: u32,
    pub(crate) suite: Suite,
    pub(crate) key: MasterKey,
}

impl Crypto {
    /// The usable lines of `media` in its order. A suite, session parameter or key form that we do not speak
    /// makes its line unusable, as RFC 4568 §7.1.2 asks, and no more than that.
    pub(super) fn all_of(media: &MediaSection<'_>) -> Vec<Crypto> {
        media.values("crypto").filter_map(Crypto::parse).collect()
    }

    /// `<tag> <suite> inline:<key||salt>[|<lifetime>] [<session parameter> …]`
    fn parse(value: &str) -> Option<Crypto> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name().eq_ignore_ascii_case(name))?;
        let mut parts = words.next()?.strip_prefix("inline:")?.split('|');
        let key = STANDARD.decode(parts.next()?).ok()?;
        // what is left may be a lifetime; a key identifier has a colon, and would lengthen each packet
        if parts.any(|part| part.contains([':', ';'])) || !words.all(is_harmless) {
            return None;
        }
        Some(Crypto { tag, suite, key: MasterKey(key.try_into().ok()?) })
    }

    pub(super) fn write(&self, sdp: &mut String) {
        let Crypto { tag, suite, key } = self;
        let _ = write!(sdp, "a=crypto:{tag} {} inline:{}\r\n", suite.name(), STANDARD.encode(key.0));
    }
}

/// A session parameter that changes nothing for us: a window hint, a default, or one marked as optional.
fn is_harmless(parameter: &str) -> bool {
    parameter.starts_with("WSH=") || parameter == "KDR=0" || parameter.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn the_forms_that_phones_write_are_understood() {
        for line in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576 WSH=128 KDR=0"),
            format!("1  aes_cm_128_hmac_sha1_80  inline:{KEY} -NEW=1"),
        ] {
            let crypto = Crypto::parse(&line).expect("usable");
            assert_eq!((crypto.tag, crypto.suite), (1, Suite::AesCm128HmacSha1_80), "{line}");
            let mut written = String::new();
            crypto.write(&mut written);
            assert_eq!(written, format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n"));
        }
    }

    #[test]
    fn what_we_do_not_speak_is_not_used() {
        for line in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=4"),
            format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"),
            format!("9999999999 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{}", &KEY[..36]),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            "1 AES_CM_128_HMAC_SHA1_80".into(),
            String::new(),
        ] {
            assert_eq!(Crypto::parse(&line), None, "{line}");
        }
    }
}
