//! The client's side: reading a challenge and answering it.

use super::params::{Params, quote};
use super::{Algorithm, response};
use crate::Malformed;
use crate::config::Credentials;

/// One `WWW-Authenticate` or `Proxy-Authenticate` header that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Challenge {
    realm: String,
    pub(crate) nonce: String,
    opaque: Option<String>,
    pub(crate) algorithm: Algorithm,
    qop_auth: bool,
    pub(crate) stale: bool,
}

impl Challenge {
    /// Reads a header value.
    ///
    /// # Errors
    /// [`Malformed`] when it is no digest challenge, or one with an algorithm or quality of protection that
    /// we do not have.
    pub(crate) fn parse(value: &str) -> Result<Self, Malformed> {
        const UNKNOWN: Malformed = Malformed { what: "WWW-Authenticate", section: "RFC 7616 §3.3" };
        let mut params = Params::parse(value)?;
        let qop = params.take("qop");
        let qop_auth = match &qop {
            None => false,
            Some(list) if list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return Err(UNKNOWN),
        };
        Ok(Challenge {
            realm: params.require("realm")?,
            nonce: params.require("nonce")?,
            opaque: params.take("opaque"),
            algorithm: Algorithm::from_token(params.take("algorithm").as_deref()).ok_or(UNKNOWN)?,
            qop_auth,
            stale: params.take("stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
        })
    }
}

/// What one dialog or registration knows of the wishes for credentials on its way: of a proxy's and of the
/// peer's own (RFC 3261 §22.3).
#[derive(Debug, Default)]
pub(crate) struct ClientAuth {
    credentials: Option<Credentials>,
    wishes: Vec<Wish>,
}

#[derive(Debug)]
struct Wish {
    from: From,
    challenge: Challenge,
    /// How often its nonce was used.
    count: u32,
    /// How often in a row our answer was not good enough.
    refused: u8,
}

/// Who asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The peer itself, with 401 and `WWW-Authenticate`.
    Peer,
    /// A proxy on the way, with 407 and `Proxy-Authenticate`.
    Proxy,
}

impl ClientAuth {
    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        ClientAuth { credentials, ..ClientAuth::default() }
    }

    /// Takes the best of the challenges in a 401 or 407; says whether trying again can help.
    ///
    /// A challenge of another realm than the credentials are for is none of ours. A second refusal in a row by
    /// the same side can only be helped when that says that its nonce was stale.
    pub(crate) fn challenged<'a>(&mut self, values: impl Iterator<Item = (From, &'a str)>) -> bool {
        let Some(credentials) = &self.credentials else { return false };
        let realm = credentials.realm.as_deref();
        let best = values
            .filter_map(|(from, value)| Some((Challenge::parse(value).ok()?, from)))
            .filter(|(challenge, _)| realm.is_none_or(|realm| realm == challenge.realm))
            .reduce(|a, b| if b.0.algorithm > a.0.algorithm { b } else { a });
        let Some((challenge, from)) = best else { return false };
        let known = self.wishes.iter().position(|wish| wish.from == from);
        let refused = known.map_or(0, |place| self.wishes.swap_remove(place).refused);
        let may_help = refused == 0 || (challenge.stale && refused < 3);
        self.wishes.push(Wish { from, challenge, count: 0, refused: refused + 1 });
        may_help
    }

    /// The peer has taken a request.
    pub(crate) fn accepted(&mut self) {
        for wish in &mut self.wishes {
            wish.refused = 0;
        }
    }

    /// The header values for the next request: one for each side that has asked.
    pub(crate) fn headers(&mut self, method: &str, uri: &str, cnonce: &str) -> Vec<(From, String)> {
        let Some(credentials) = &self.credentials else { return Vec::new() };
        let answered = self.wishes.iter_mut().map(|wish| {
            wish.count += 1;
            (wish.from, answer(&wish.challenge, credentials, method, uri, cnonce, wish.count))
        });
        answered.collect()
    }
}

/// The value of the `Authorization` header that answers `challenge` for the `count`th use of its nonce.
fn answer(
    challenge: &Challenge,
    credentials: &Credentials,
    method: &str,
    uri: &str,
    cnonce: &str,
    count: u32,
) -> String {
    let Challenge { realm, nonce, algorithm, .. } = challenge;
    let ha1 = algorithm.hash(&format!("{}:{realm}:{}", credentials.user, credentials.password));
    let nc = format!("{count:08x}");
    let auth = challenge.qop_auth.then_some((nc.as_str(), cnonce));
    let digest = response(*algorithm, &ha1, method, uri, nonce, auth);
    let mut value = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{digest}\", algorithm={}",
        quote(&credentials.user),
        quote(realm),
        quote(nonce),
        quote(uri),
        algorithm.token(),
    );
    if challenge.qop_auth {
        value.push_str(&format!(", qop=auth, nc={nc}, cnonce={}", quote(cnonce)));
    }
    if let Some(opaque) = &challenge.opaque {
        value.push_str(&format!(", opaque={}", quote(opaque)));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials { user: "Mufasa".into(), password: "Circle of Life".into(), realm: None }
    }

    #[test]
    fn the_examples_of_rfc_7616_come_out() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, digest) in [
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let challenge = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"{nonce}\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let challenge = Challenge::parse(&challenge).expect("well formed");
            let value = answer(&challenge, &credentials(), "GET", "/dir/index.html", cnonce, 1);
            assert!(value.contains(&format!("response=\"{digest}\"")), "{value}");
        }
    }

    #[test]
    fn the_stronger_algorithm_is_answered_and_a_wrong_password_is_not_tried_twice() {
        let mut auth = ClientAuth::new(Some(credentials()));
        let md5 = (From::Peer, r#"Digest realm="r", nonce="1", algorithm=MD5, qop="auth""#);
        let sha = (From::Peer, r#"Digest realm="r", nonce="2", algorithm=SHA-256, qop="auth""#);
        let odd = (From::Peer, r#"Digest realm="r", nonce="3", algorithm=SHA-1"#);
        let stale = (From::Peer, r#"Digest realm="r", nonce="4", stale=TRUE"#);
        assert_eq!(auth.headers("REGISTER", "sip:r", "c"), []);
        assert!(auth.challenged([md5, sha, odd].into_iter()));
        let (_, value) = auth.headers("REGISTER", "sip:r", "c").remove(0);
        assert!(value.contains("SHA-256") && value.contains("nc=00000001"), "{value}");
        assert!(!auth.challenged([md5].into_iter()), "refused a second time");
        auth.accepted();
        assert!(auth.challenged([md5].into_iter()));
        assert!(auth.challenged([stale].into_iter()), "only the nonce was too old");
        assert!(!auth.challenged([odd].into_iter()));
        let bound = Credentials { realm: Some("r".into()), ..credentials() };
        let other = (From::Proxy, r#"Digest realm="R", nonce="5""#);
        let mut auth = ClientAuth::new(Some(bound));
        assert!(!auth.challenged([other].into_iter()), "another realm");
        assert_eq!(auth.headers("INVITE", "sip:r", "c"), [], "gives nothing away");
        assert!(ClientAuth::new(auth.credentials).challenged([other, md5].into_iter()));
        assert!(!ClientAuth::new(None).challenged([md5].into_iter()));
    }

    #[test]
    fn a_proxy_and_the_peer_behind_it_are_both_answered_and_neither_for_ever() {
        let mut auth = ClientAuth::new(Some(credentials()));
        let proxy = (From::Proxy, r#"Digest realm="proxy", nonce="1", qop="auth""#);
        let peer = (From::Peer, r#"Digest realm="peer", nonce="2", qop="auth""#);
        assert!(auth.challenged([proxy].into_iter()));
        assert!(auth.challenged([peer].into_iter()), "the proxy has let us through");
        let headers = auth.headers("INVITE", "sip:r", "c");
        assert_eq!(headers.iter().map(|(from, _)| *from).collect::<Vec<_>>(), [From::Proxy, From::Peer]);
        assert!(headers[0].1.contains("realm=\"proxy\"") && headers[1].1.contains("realm=\"peer\""));
        assert!(!auth.challenged([proxy].into_iter()) && !auth.challenged([peer].into_iter()));
    }
}
