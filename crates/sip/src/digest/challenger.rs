//! The registrar's side: challenges and their check.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use timing::{Duration, Instant};

use super::params::quote;
use super::{Algorithm, Authorization, Ha1, response, same};

/// Makes challenges and checks the credentials that answer them.
///
/// A nonce carries its own birth and whom it was made for, signed; nothing is stored until it has been used
/// with success. From then on the `nc` values seen are remembered, so that no credentials are good twice.
///
/// Several nodes that share a secret, and agree about the time within [`SKEW`], take each other's nonces:
/// see [`in_cluster`](Self::in_cluster). What another node has seen of a nonce a node does not know, so there
/// each nonce should be made for one client by [`challenge_for`](Self::challenge_for): credentials that
/// somebody has captured are then good on no node.
pub struct Challenger {
    /// The one that signs.
    secret: [u8; 32],
    /// Those that have signed before, and until when a nonce of theirs may still be good.
    former: Vec<(Millis, [u8; 32])>,
    algorithms: &'static [Algorithm],
    used: BTreeMap<Millis, BTreeMap<[u8; 16], Window>>,
    remembered: usize,
    /// Nonces up to this birth are no longer good, because we no longer know which were used.
    forgotten: Option<Millis>,
    next_salt: u64,
    node: u64,
    origin: Millis,
}

/// Milliseconds, since the same beginning on every node.
type Millis = u64;

/// Why credentials were not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestFailure {
    /// The password was right but our nonce is too old, or another client's: challenge again with `stale`.
    #[error("the nonce is stale")]
    Stale,
    /// The digest is not that of the password.
    #[error("the digest is wrong")]
    Wrong,
    /// These very credentials were used before: challenge again with `stale`.
    #[error("the credentials were used before")]
    Replayed,
    /// The nonce is not ours, or a parameter is missing, unknown or weaker than what we have offered.
    #[error("the credentials are malformed")]
    Malformed,
    /// The digest covers another URI than the request.
    #[error("the digest covers another URI")]
    UriMismatch,
}

/// How long a nonce is good for.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// How far the clocks of two nodes may differ.
pub const SKEW: Duration = Duration::from_secs(10);
/// How many used nonces are remembered; far beyond that many, the oldest are no longer accepted.
const MAX_REMEMBERED: usize = 100_000;

impl Challenger {
    /// A challenger whose nonces are signed with `secret`. It offers the best algorithm first (RFC 8760 §2.4).
    pub fn new(secret: [u8; 32]) -> Self {
        Challenger {
            secret,
            former: Vec::new(),
            algorithms: &[Algorithm::Sha256, Algorithm::Md5],
            used: BTreeMap::new(),
            remembered: 0,
            forgotten: None,
            next_salt: 0,
            node: 0,
            origin: 0,
        }
    }

    /// Offers these algorithms alone, in this order, and takes no other.
    pub fn offering(self, algorithms: &'static [Algorithm]) -> Self {
        Challenger { algorithms, ..self }
    }

    /// Takes the nonces of the other nodes that have the same secret, and has its own taken by them.
    ///
    /// `node` tells this one from the others, so that no two of them make the same nonce; `origin` is what the
    /// wall clock has shown at [`Instant::ORIGIN`], in milliseconds since 1970.
    pub fn in_cluster(self, node: u64, origin: u64) -> Self {
        Challenger { node, origin, ..self }
    }

    /// Signs with another secret from now on. What the old one has signed stays good for its time, so that no
    /// phone notices.
    pub fn rotate(&mut self, secret: [u8; 32], now: Instant) {
        let now = self.millis(now);
        self.former.retain(|(until, _)| *until >= now);
        let until = now + millis_in(NONCE_LIFE + SKEW);
        self.former.push((until, std::mem::replace(&mut self.secret, secret)));
    }

    /// The values of the `WWW-Authenticate` headers, one for each algorithm.
    ///
    /// `stale` tells the client that its password was right and only the nonce is not.
    pub fn challenge(&mut self, realm: &str, stale: bool, now: Instant) -> Vec<String> {
        self.challenge_for("", realm, stale, now)
    }

    /// The same, with a nonce for this client alone: an address, an account, or whatever an eavesdropper does
    /// not share with it and every node sees.
    pub fn challenge_for(&mut self, client: &str, realm: &str, stale: bool, now: Instant) -> Vec<String> {
        let nonce = self.nonce(client, now);
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: &Algorithm| {
            let (realm, algorithm) = (quote(realm), algorithm.token());
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// Checks the credentials of a request with this method and Request-URI.
    ///
    /// For a user that does not exist check against [`decoy`](Self::decoy), so that the answer takes the
    /// same way and time. A hash that is empty in `ha1` is one that this account may not use.
    ///
    /// # Errors
    /// [`DigestFailure`] says what is wrong. `Stale` and `Replayed` are told only to who knows the password.
    pub fn verify(
        &mut self,
        authorization: &Authorization,
        method: &str,
        request_uri: &str,
        ha1: &Ha1,
        now: Instant,
    ) -> Result<(), DigestFailure> {
        self.verify_from("", authorization, method, request_uri, ha1, now)
    }

    /// The same, where the nonce must have been made for this client by
    /// [`challenge_for`](Self::challenge_for).
    ///
    /// # Errors
    /// As for [`verify`](Self::verify); a nonce made for another client is `Malformed`, whatever
    /// password it was used with, so that nobody learns by it whether he has guessed one.
    pub fn verify_from(
        &mut self,
        client: &str,
        authorization: &Authorization,
        method: &str,
        request_uri: &str,
        ha1: &Ha1,
        now: Instant,
    ) -> Result<(), DigestFailure> {
        let now = self.millis(now);
        let nonce = self.read_nonce(&authorization.nonce, client, now);
        let nonce = nonce.filter(|nonce| nonce.is_for_client).ok_or(DigestFailure::Malformed)?;
        let algorithm = authorization.algorithm.filter(|algorithm| self.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(DigestFailure::Malformed)?;
        let nc = authorization.nonce_count.map(|nc| format!("{nc:08x}"));
        let auth = match (authorization.qop.as_deref(), &nc, &authorization.cnonce) {
            (None, _, _) => None,
            (Some(qop), Some(nc), Some(cnonce)) if qop.eq_ignore_ascii_case("auth") => {
                Some((nc.as_str(), cnonce.as_str()))
            }
            _ => return Err(DigestFailure::Malformed),
        };
        let ha1 = ha1.of(algorithm);
        let expected = response(algorithm, ha1, method, &authorization.uri, &authorization.nonce, auth);
        let is_same = same(expected.as_bytes(), authorization.response.to_ascii_lowercase().as_bytes());
        if !is_same || ha1.is_empty() {
            return Err(DigestFailure::Wrong);
        }
        if !crate::wire::same_uri(&authorization.uri, request_uri) {
            return Err(DigestFailure::UriMismatch);
        }
        // without qop there is no count, and we have offered it (RFC 7616 §3.4)
        let count = authorization.nonce_count.filter(|_| auth.is_some()).ok_or(DigestFailure::Malformed)?;
        let is_too_new = nonce.born > now + millis_in(SKEW);
        if is_too_new || now.saturating_sub(nonce.born) > millis_in(NONCE_LIFE) {
            return Err(DigestFailure::Stale);
        }
        self.spend(&nonce, count, now)
    }

    /// Whether a nonce is of our making, for whomever, with a secret that is still good.
    pub fn has_made(&self, nonce: &str, now: Instant) -> bool {
        self.read_nonce(nonce, "", self.millis(now)).is_some()
    }

    /// An [`Ha1`] that no password gives, always the same for one user.
    pub fn decoy(&self, user: &str, realm: &str) -> Ha1 {
        let mut password = String::new();
        for byte in sign(&self.secret, &[b"decoy:", user.as_bytes()]) {
            password.push_str(&format!("{byte:02x}"));
        }
        Ha1::new(user, realm, &password)
    }

    fn millis(&self, now: Instant) -> Millis {
        self.origin.saturating_add(now.as_micros() / 1_000)
    }

    /// Birth, salt, client and signature.
    fn nonce(&mut self, client: &str, now: Instant) -> String {
        self.next_salt += 1;
        let born = self.millis(now).to_be_bytes();
        let unique = [self.node.to_be_bytes(), self.next_salt.to_be_bytes()].concat();
        let mut nonce = born.to_vec();
        nonce.extend(&sign(&self.secret, &[b"salt:", &born, &unique])[..8]);
        nonce.extend(mark(&self.secret, &nonce, client));
        nonce.extend(&sign(&self.secret, &[b"nonce:", &nonce])[..16]);
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// A nonce that we, or another node, have made.
    fn read_nonce(&self, nonce: &str, client: &str, now: Millis) -> Option<Nonce> {
        if nonce.len() != 54 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (signed, signature) = bytes.split_at_checked(24)?;
        let former = self.former.iter().filter(|(until, _)| *until >= now).map(|(_, secret)| secret);
        let mut secrets = former.chain([&self.secret]);
        let secret = secrets.find(|secret| same(&sign(secret, &[b"nonce:", signed])[..16], signature))?;
        Some(Nonce {
            born: u64::from_be_bytes(signed[..8].try_into().ok()?),
            salt: signed[8..].try_into().ok()?,
            is_for_client: same(&mark(secret, &signed[..16], client), &signed[16..]),
        })
    }

    /// Notes that the nonce was used for the `count`th time.
    fn spend(&mut self, nonce: &Nonce, count: u32, now: Millis) -> Result<(), DigestFailure> {
        if self.forgotten.is_some_and(|forgotten| nonce.born <= forgotten) {
            return Err(DigestFailure::Stale);
        }
        let windows = self.used.entry(nonce.born).or_default();
        let before = windows.len();
        let taken = windows.entry(nonce.salt).or_default().take(count);
        self.remembered += windows.len() - before;
        while let Some(oldest) = self.used.first_entry() {
            let is_alive = now.saturating_sub(*oldest.key()) <= millis_in(NONCE_LIFE);
            if is_alive && self.remembered <= MAX_REMEMBERED {
                break;
            }
            self.forgotten = Some(*oldest.key());
            self.remembered -= oldest.remove().len();
        }
        taken.then_some(()).ok_or(DigestFailure::Replayed)
    }
}

impl std::fmt::Debug for Challenger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenger").field("remembered", &self.remembered).finish_non_exhaustive()
    }
}

/// What a nonce of ours says.
struct Nonce {
    born: Millis,
    salt: [u8; 16],
    is_for_client: bool,
}

/// Ties a nonce to a client.
fn mark(secret: &[u8; 32], nonce: &[u8], client: &str) -> [u8; 8] {
    let mut mark = [0; 8];
    mark.copy_from_slice(&sign(secret, &[b"client:", nonce, client.as_bytes()])[..8]);
    mark
}

fn sign(secret: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn millis_in(span: Duration) -> Millis {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Which of the last 64 counts of one nonce were used; requests may overtake each other a little.
#[derive(Default)]
struct Window {
    highest: Option<u32>,
    seen: u64,
}

impl Window {
    /// Whether `count` is new; notes it.
    fn take(&mut self, count: u32) -> bool {
        let Some(highest) = self.highest else {
            *self = Window { highest: Some(count), seen: 1 };
            return true;
        };
        if count > highest {
            self.seen = self.seen.checked_shl(count - highest).unwrap_or(0) | 1;
            self.highest = Some(count);
            return true;
        }
        let Some(bit) = 1u64.checked_shl(highest - count) else { return false };
        let new = self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: &str = "example.org";

    fn nonce_of(challenge: &str) -> &str {
        challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce")
    }

    fn credentials(challenger: &mut Challenger, count: u32, now: Instant) -> Authorization {
        let challenge = challenger.challenge(REALM, false, now).remove(0);
        with_count(nonce_of(&challenge), count)
    }

    fn with_count(nonce: &str, count: u32) -> Authorization {
        let ha1 = Ha1::new("anna", REALM, "secret");
        let nc = format!("{count:08x}");
        let digest = response(Algorithm::Sha256, &ha1.sha256, "REGISTER", "sip:r", nonce, Some((&nc, "c")));
        let value = format!(
            "Digest username=\"anna\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"sip:r\", \
             response=\"{digest}\", algorithm=SHA-256, qop=auth, nc={nc}, cnonce=\"c\""
        );
        Authorization::parse(&value).expect("well formed")
    }

    fn check(
        challenger: &mut Challenger,
        authorization: &Authorization,
        now: Instant,
    ) -> Result<(), DigestFailure> {
        challenger.verify(authorization, "REGISTER", "sip:r", &Ha1::new("anna", REALM, "secret"), now)
    }

    #[test]
    fn each_algorithm_on_offer_has_a_challenge_of_its_own() {
        let both = Challenger::new([1; 32]).challenge("here", false, Instant::ORIGIN);
        assert_eq!(both.len(), 2);
        assert!(both[0].contains("algorithm=SHA-256,") && both[1].contains("algorithm=MD5,"), "{both:?}");
        let mut old = Challenger::new([1; 32]).offering(&[Algorithm::Md5]);
        let one = old.challenge("here", false, Instant::ORIGIN);
        assert_eq!(one.len(), 1);
        assert!(one[0].contains("algorithm=MD5,"), "{one:?}");
    }

    #[test]
    fn a_nonce_is_good_for_each_count_once_and_for_five_minutes() {
        let mut challenger = Challenger::new([1; 32]);
        let born = Instant::ORIGIN + Duration::from_secs(50);
        let first = credentials(&mut challenger, 1, born);
        assert_eq!(check(&mut challenger, &first, born), Ok(()));
        assert_eq!(check(&mut challenger, &first, born), Err(DigestFailure::Replayed));
        for (count, expected) in [(3, Ok(())), (2, Ok(())), (2, Err(DigestFailure::Replayed)), (200, Ok(()))]
        {
            assert_eq!(check(&mut challenger, &with_count(&first.nonce, count), born), expected, "{count}");
        }
        let behind = with_count(&first.nonce, 130);
        assert_eq!(check(&mut challenger, &behind, born), Err(DigestFailure::Replayed), "too far behind");
        let next = with_count(&first.nonce, 201);
        assert_eq!(check(&mut challenger, &next, born + Duration::from_secs(301)), Err(DigestFailure::Stale));
        assert_eq!(
            check(&mut challenger, &next, Instant::ORIGIN),
            Err(DigestFailure::Stale),
            "from the future"
        );
        assert_eq!(check(&mut challenger, &next, born), Ok(()));
    }

    #[test]
    fn what_is_forgotten_for_want_of_room_is_stale_and_not_good_again() {
        let mut challenger = Challenger::new([1; 32]);
        let born = Instant::ORIGIN + Duration::from_secs(50);
        let first = credentials(&mut challenger, 1, born);
        assert_eq!(check(&mut challenger, &first, born), Ok(()));
        challenger.remembered = MAX_REMEMBERED;
        let later = born + Duration::from_secs(1);
        let second = credentials(&mut challenger, 1, later);
        assert_eq!(check(&mut challenger, &second, later), Ok(()));
        assert_eq!(check(&mut challenger, &first, later), Err(DigestFailure::Stale));
        assert_eq!(check(&mut challenger, &second, later), Err(DigestFailure::Replayed));
    }
}
