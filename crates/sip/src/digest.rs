//! Digest access authentication, both sides (RFC 7616, RFC 8760, RFC 3261 §22).
//!
//! A registrar keeps a [`Challenger`], which makes challenges and checks what comes back. A client answers
//! through [`UserAgent`](crate::UserAgent), which holds [`Credentials`](crate::Credentials).

#[cfg(feature = "server")]
mod challenger;
mod client;
mod params;

#[cfg(feature = "server")]
pub use challenger::{Challenger, DigestFailure, SKEW};
pub(crate) use client::{ClientAuth, From as ChallengeFrom};

use md5::Md5;
use sha2::{Digest as _, Sha256};

use params::Params;

/// A hash that a digest may be made with, the better one last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// For old phones (RFC 2617).
    Md5,
    /// RFC 7616, RFC 8760.
    Sha256,
}

impl Algorithm {
    /// The token of the parameter `algorithm`.
    pub const fn token(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The hash of `text` in lower-case hexadecimal.
    pub(crate) fn hash(self, text: &str) -> String {
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }

    /// The algorithm of this token; a missing one means MD5 (RFC 7616 §3.3).
    fn from_token(token: Option<&str>) -> Option<Algorithm> {
        match token {
            None => Some(Algorithm::Md5),
            Some(t) if t.eq_ignore_ascii_case("MD5") => Some(Algorithm::Md5),
            Some(t) if t.eq_ignore_ascii_case("SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }
}

/// What a registrar knows instead of a password: `H(user:realm:password)` per algorithm, in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    /// For [`Algorithm::Md5`]; empty where the account may not use it.
    pub md5: String,
    /// For [`Algorithm::Sha256`]; empty where the account may not use it.
    pub sha256: String,
}

impl Ha1 {
    /// From a password in the clear.
    pub fn new(user: &str, realm: &str, password: &str) -> Self {
        let secret = format!("{user}:{realm}:{password}");
        Ha1 { md5: Algorithm::Md5.hash(&secret), sha256: Algorithm::Sha256.hash(&secret) }
    }

    #[cfg(feature = "server")]
    fn of(&self, algorithm: Algorithm) -> &str {
        match algorithm {
            Algorithm::Md5 => &self.md5,
            Algorithm::Sha256 => &self.sha256,
        }
    }
}

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ha1").finish_non_exhaustive()
    }
}

/// The `Authorization` or `Proxy-Authorization` header of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The digest user.
    pub username: String,
    /// The realm it answers for.
    pub realm: String,
    /// Our nonce, as given back.
    pub nonce: String,
    /// The URI the digest covers; must name what the Request-URI names.
    pub uri: String,
    /// The digest in hexadecimal.
    pub response: String,
    /// The hash; nothing when the peer names one that we do not know.
    pub algorithm: Option<Algorithm>,
    /// `auth`, or nothing in the manner of RFC 2069.
    pub qop: Option<String>,
    /// How often the nonce has been used, starting at 1.
    pub nonce_count: Option<u32>,
    /// The client's nonce.
    pub cnonce: Option<String>,
}

impl Authorization {
    /// Reads a header value such as `Digest username="anna", …`.
    ///
    /// # Errors
    /// [`Malformed`](crate::Malformed) when the scheme is another one, a parameter comes twice or is missing,
    /// `nc` is no number of eight hexadecimal digits, or something is absurdly long.
    pub fn parse(value: &str) -> Result<Self, crate::Malformed> {
        let mut params = Params::parse(value)?;
        let nonce_count = params
            .take("nc")
            .map(|nc| {
                let valid = nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit());
                valid.then(|| u32::from_str_radix(&nc, 16).ok()).flatten().ok_or(MALFORMED)
            })
            .transpose()?;
        let algorithm = Algorithm::from_token(params.take("algorithm").as_deref());
        Ok(Authorization {
            username: params.require("username")?,
            realm: params.require("realm")?,
            nonce: params.require("nonce")?,
            uri: params.require("uri")?,
            response: params.require("response")?,
            algorithm,
            qop: params.take("qop"),
            nonce_count,
            cnonce: params.take("cnonce"),
        })
    }
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorization")
            .field("username", &self.username)
            .field("realm", &self.realm)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

const MALFORMED: crate::Malformed = crate::Malformed { what: "Authorization", section: "RFC 7616 §3.4" };

/// `KD(H(A1), …)` of RFC 7616 §3.4.1, with `qop=auth` or, without quality of protection, as in RFC 2069.
fn response(
    algorithm: Algorithm,
    ha1: &str,
    method: &str,
    uri: &str,
    nonce: &str,
    auth: Option<(&str, &str)>,
) -> String {
    let ha2 = algorithm.hash(&format!("{method}:{uri}"));
    match auth {
        Some((nc, cnonce)) => algorithm.hash(&format!("{ha1}:{nonce}:{nc}:{cnonce}:auth:{ha2}")),
        None => algorithm.hash(&format!("{ha1}:{nonce}:{ha2}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}

#[cfg(feature = "server")]
/// Whether both are the same, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}
