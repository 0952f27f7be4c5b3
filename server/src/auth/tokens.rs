//! Login tokens: JSON Web Tokens (RFC 7519) signed with HS256, in the shape that CTI clients know.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{Role, UserId};
use serde::{Deserialize, Serialize};

use super::secret::ServerSecret;
use crate::clock::Clock;

/// Who made our tokens and whom they are for; a token made for another purpose carries another audience.
const ISSUER: &str = "hotdesk";
const AUDIENCE: &str = "hotdesk:cti";

/// A wall clock that stepped back may make our own tokens look this many seconds too young.
const CLOCK_STEP_ALLOWED: i64 = 60;

/// No token of ours is as long as this; longer ones are not looked at.
const MAX_TOKEN_BYTES: usize = 4096;

/// One login of one user: it begins with a password and lives on through renewed tokens.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoginSession(String);

impl LoginSession {
    /// A new one, not to be guessed.
    pub fn random() -> Self {
        LoginSession(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The session's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shown short: enough to follow one login through a log, not enough to derive anything from.
impl fmt::Debug for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..8).unwrap_or("?"))
    }
}

impl fmt::Display for LoginSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Who is speaking, as a valid token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user_id: UserId,
    /// His login name.
    pub login: String,
    /// What he may do.
    pub role: Role,
    /// The login that the token belongs to.
    pub session: LoginSession,
    /// When the token ends, in seconds since 1970.
    pub expires_at: i64,
    /// The kind of program that logged in, in its own words.
    pub software_type: Option<String>,
    /// A mark of the password that was used: a token of an older password is no longer good.
    pub(super) password_mark: String,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good, and its time is over.
    #[error("the token has expired")]
    Expired,
    /// It is none of ours, was changed, or belongs to somebody who may no longer log in.
    #[error("the token is not valid")]
    Invalid,
}

/// What a token says. The first six are the ones that CTI clients read.
#[derive(Serialize, Deserialize)]
struct Claims {
    login: String,
    #[serde(rename = "expiresAt")]
    expires_at: i64,
    #[serde(rename = "issuedAt")]
    issued_at: i64,
    #[serde(rename = "userType")]
    user_type: String,
    acls: Vec<String>,
    #[serde(rename = "softwareType", default, skip_serializing_if = "Option::is_none")]
    software_type: Option<String>,
    exp: i64,
    iat: i64,
    iss: String,
    aud: String,
    sub: UserId,
    role: Role,
    sid: LoginSession,
    pwd: String,
}

/// Makes and checks tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    header: Header,
    /// The header part of every token of ours, with its dot.
    prefix: String,
    ttl_seconds: i64,
    clock: Clock,
}

impl Tokens {
    /// Tokens under this server's secret, each good for `ttl_seconds`.
    pub fn new(secret: &ServerSecret, ttl_seconds: u32, clock: Clock) -> Self {
        let key = secret.derive("token");
        let header = Header::new(Algorithm::HS256);
        let encoding = EncodingKey::from_secret(&key);
        let prefix = jsonwebtoken::encode(&header, &(), &encoding)
            .ok()
            .and_then(|token| token.find('.').map(|dot| token[..=dot].to_owned()))
            .expect("a header without foreign members can be encoded");
        Tokens {
            encoding,
            decoding: DecodingKey::from_secret(&key),
            header,
            prefix,
            ttl_seconds: i64::from(ttl_seconds),
            clock,
        }
    }

    /// How long a token is good, in seconds.
    pub fn ttl_seconds(&self) -> i64 {
        self.ttl_seconds
    }

    /// A token for this principal that ends one lifetime from now, whatever `expires_at` says.
    pub fn issue(&self, principal: &Principal) -> String {
        self.issue_at(principal, self.clock.unix_seconds())
    }

    /// Who is speaking.
    ///
    /// Only the token itself is looked at; [`super::Auth::admit`] also asks whether the user may still log in.
    ///
    /// # Errors
    /// [`TokenError::Expired`] only for tokens that this server signed.
    pub fn verify(&self, token: &str) -> Result<Principal, TokenError> {
        self.verify_at(token, self.clock.unix_seconds())
    }

    fn issue_at(&self, principal: &Principal, now: i64) -> String {
        let expires_at = now + self.ttl_seconds;
        let claims = Claims {
            login: principal.login.clone(),
            expires_at,
            issued_at: now,
            user_type: "cti".into(),
            acls: vec!["alias.ctiuser".into()],
            software_type: principal.software_type.clone(),
            exp: expires_at,
            iat: now,
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: principal.user_id,
            role: principal.role,
            sid: principal.session.clone(),
            pwd: principal.password_mark.clone(),
        };
        jsonwebtoken::encode(&self.header, &claims, &self.encoding).expect("our own claims are valid JSON")
    }

    fn verify_at(&self, token: &str, now: i64) -> Result<Principal, TokenError> {
        // Our header never varies. Comparing it settles every game with `alg`, `kid`, `jku` and `jwk` at once.
        if token.len() > MAX_TOKEN_BYTES || !token.starts_with(&self.prefix) {
            return Err(TokenError::Invalid);
        }
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.validate_exp = false; // done below, by the clock we are given
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        if claims.iat > now + CLOCK_STEP_ALLOWED || claims.exp <= claims.iat {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        Ok(Principal {
            user_id: claims.sub,
            login: claims.login,
            role: claims.role,
            session: claims.sid,
            expires_at: claims.exp,
            software_type: claims.software_type,
            password_mark: claims.pwd,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    const NOW: i64 = 1_900_000_000;

    fn tokens() -> Tokens {
        Tokens::new(&ServerSecret::random().unwrap(), 3600, Clock::start())
    }

    fn alice() -> Principal {
        Principal {
            user_id: UserId(1),
            login: "alice".into(),
            role: Role::Agent,
            session: LoginSession::random(),
            expires_at: NOW + 3600,
            software_type: Some("webBrowser".into()),
            password_mark: "mark".into(),
        }
    }

    fn claims(token: &str) -> Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    fn resigned(tokens: &Tokens, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims(&tokens.issue_at(&alice(), NOW));
        change(&mut claims);
        jsonwebtoken::encode(&tokens.header, &claims, &tokens.encoding).unwrap()
    }

    #[test]
    fn a_token_has_the_claims_that_clients_know_and_is_read_back() {
        let tokens = tokens();
        let token = tokens.issue_at(&alice(), NOW);
        let claims = claims(&token);
        assert_eq!(claims["login"], "alice");
        assert_eq!(claims["expiresAt"], NOW + 3600);
        assert_eq!(claims["issuedAt"], NOW);
        assert_eq!(claims["userType"], "cti");
        assert_eq!(claims["acls"], json!(["alias.ctiuser"]));
        assert_eq!(claims["softwareType"], "webBrowser");
        let read = tokens.verify_at(&token, NOW + 10).unwrap();
        assert_eq!((read.user_id, read.login.as_str(), read.role), (UserId(1), "alice", Role::Agent));
        assert_eq!(read.expires_at, NOW + 3600);
    }

    #[test]
    fn a_token_ends_at_its_second() {
        let tokens = tokens();
        let token = tokens.issue_at(&alice(), NOW);
        assert!(tokens.verify_at(&token, NOW + 3599).is_ok());
        assert_eq!(tokens.verify_at(&token, NOW + 3600), Err(TokenError::Expired));
    }

    #[test]
    fn a_small_step_back_of_the_wall_clock_is_forgiven() {
        let tokens = tokens();
        let token = tokens.issue_at(&alice(), NOW);
        assert!(tokens.verify_at(&token, NOW - 60).is_ok());
        assert_eq!(tokens.verify_at(&token, NOW - 61), Err(TokenError::Invalid));
    }

    #[test]
    fn another_servers_token_is_refused() {
        assert_eq!(tokens().verify_at(&tokens().issue_at(&alice(), NOW), NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn other_headers_are_refused_even_when_signed_well() {
        let tokens = tokens();
        let good = tokens.issue_at(&alice(), NOW);
        let (_, rest) = good.split_once('.').unwrap();
        for header in [
            r#"{"typ":"JWT","alg":"none"}"#,
            r#"{"typ":"JWT","alg":"nOnE"}"#,
            r#"{"typ":"JWT","alg":"RS256"}"#,
            r#"{"typ":"JWT","alg":"HS256","kid":"../../dev/null"}"#,
            r#"{"typ":"JWT","alg":"HS256","jku":"https://evil.example/"}"#,
            r#"{"alg":"HS256"}"#,
        ] {
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(tokens.verify_at(&forged, NOW), Err(TokenError::Invalid), "{header}");
        }
        let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
        assert_eq!(tokens.verify_at(&unsigned, NOW), Err(TokenError::Invalid));
        let mut with_kid = Header::new(Algorithm::HS256);
        with_kid.kid = Some("1".into());
        let signed = jsonwebtoken::encode(&with_kid, &claims(&good), &tokens.encoding).unwrap();
        assert_eq!(tokens.verify_at(&signed, NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn odd_claims_are_refused_even_when_signed_well() {
        let tokens = tokens();
        assert!(tokens.verify_at(&resigned(&tokens, |_| ()), NOW).is_ok());
        let odd: [(&str, Option<Value>); 13] = [
            ("exp", None),
            ("exp", Some(json!("1900003600"))),
            ("exp", Some(json!(1_900_003_600.5))),
            ("exp", Some(json!(-1))),
            ("exp", Some(json!(9_223_372_036_854_775_808_u64))),
            ("iat", None),
            ("iat", Some(json!(NOW + 1000))),
            ("iss", None),
            ("iss", Some(json!("other"))),
            ("aud", None),
            ("aud", Some(json!("hotdesk:ticket"))),
            ("sub", Some(json!("1"))),
            ("role", Some(json!("root"))),
        ];
        for (name, value) in odd {
            let token = resigned(&tokens, |claims| match &value {
                Some(value) => claims[name] = value.clone(),
                None => drop(claims.as_object_mut().unwrap().remove(name)),
            });
            assert_eq!(tokens.verify_at(&token, NOW), Err(TokenError::Invalid), "{name}: {value:?}");
        }
    }

    #[test]
    fn rubbish_is_refused() {
        let tokens = tokens();
        let long = format!("{}{}", tokens.prefix, "a".repeat(100_000));
        for rubbish in ["", ".", "..", "a.b.c", "é.é.é", &tokens.prefix, &long] {
            assert_eq!(tokens.verify_at(rubbish, NOW), Err(TokenError::Invalid));
        }
    }

    #[test]
    fn a_session_is_not_shown_whole() {
        let session = LoginSession::random();
        assert_eq!(format!("{session:?}").len(), 8);
    }
}
