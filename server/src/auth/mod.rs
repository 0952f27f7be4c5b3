//! Who may come in: passwords, login tokens, SIP passwords, and the brakes on guessing.
//!
//! [`Auth`] is the one entry: [`Auth::login`] turns a password into a token, [`Auth::admit`] turns a token into a
//! [`Principal`]. Sockets take an [`Entrance`] as an argument of their handler and so cannot forget to ask.

mod entrance;
pub mod password;
mod routes;
mod secret;
mod sip_secrets;
mod throttle;
mod tokens;

pub use entrance::Entrance;
pub use routes::{ApiError, routes, unreadable};
pub use secret::{ServerSecret, random_bytes};
pub use sip_secrets::SipSecrets;
pub(crate) use throttle::network_of;
pub use tokens::{LoginSession, Principal, TokenError, Tokens};

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{Store, StoreError, User};

use self::password::{Busy, Passwords};
use self::secret::keyed_hash;
use self::throttle::{Throttle, TooMany};
use crate::clock::Clock;

/// Why a login is refused.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No such user, a wrong password, or a user who is switched off: the outside cannot tell which.
    #[error("login or password rejected")]
    Rejected,
    /// Too many wrong tries.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// Too many logins at once.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The store failed.
    #[error("the user could not be looked up")]
    Store(#[from] StoreError),
}

/// Why a token does not let anybody in.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The token is not good (any more).
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The store failed.
    #[error("the user could not be looked up")]
    Store(#[from] StoreError),
}

/// A successful login.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who it is.
    pub principal: Principal,
    /// His token.
    pub token: String,
}

/// Logins and tokens of the users in the store. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    /// Makes and checks tokens.
    pub tokens: Tokens,
    /// The SIP passwords of logins.
    pub sip_secrets: SipSecrets,
    store: Arc<dyn Store>,
    passwords: Passwords,
    throttle: Arc<Throttle>,
    mark_key: [u8; 32],
    clock: Clock,
}

impl Auth {
    /// Logins of the users in `store`, under this server's secret.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn new(
        store: Arc<dyn Store>,
        secret: &ServerSecret,
        token_ttl_seconds: u32,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        Ok(Auth {
            tokens: Tokens::new(secret, token_ttl_seconds, clock),
            sip_secrets: SipSecrets::new(secret),
            store,
            passwords: Passwords::new()?,
            throttle: Arc::default(),
            mark_key: secret.derive("password mark"),
            clock,
        })
    }

    /// Checks a password and begins a login. `address` is where the wish comes from.
    ///
    /// # Errors
    /// [`LoginError::Rejected`] in the same words and time whether the user exists or not.
    pub async fn login(
        &self,
        login: &str,
        password: &str,
        software_type: Option<String>,
        address: IpAddr,
    ) -> Result<Login, LoginError> {
        if login.len() > LONGEST_LOGIN {
            return Err(LoginError::Rejected);
        }
        let try_ = self.throttle.charge(login, address, self.clock.now())?;
        let user = self.store.user_by_login(login).await?.filter(|user| user.enabled);
        let stored = user.as_ref().map(|user| user.password_hash.as_str());
        let right = self.passwords.matches(password, stored).await?;
        let Some(user) = user.filter(|_| right) else {
            return Err(LoginError::Rejected);
        };
        self.throttle.succeeded(try_, self.clock.now());
        let principal = Principal {
            user_id: user.id,
            role: user.role,
            session: LoginSession::random(),
            expires_at: self.clock.unix_seconds() + self.tokens.ttl_seconds(),
            // It travels in every token, so it has to stay short.
            software_type: software_type.map(|name| name.chars().take(32).collect()),
            password_mark: self.mark(&user),
            login: user.login,
        };
        Ok(Login { token: self.tokens.issue(&principal), principal })
    }

    /// Who is speaking, if the token is good and its user may still log in with the password it was given for.
    ///
    /// The role is the one that the user has now.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] also when the user is gone, switched off, or has a new password.
    pub async fn admit(&self, token: &str) -> Result<Principal, AdmitError> {
        let mut principal = self.tokens.verify(token)?;
        let user = self.store.user(principal.user_id).await?;
        let user = user
            .filter(|user| user.enabled && user.login == principal.login)
            .filter(|user| self.mark(user) == principal.password_mark)
            .ok_or(TokenError::Invalid)?;
        principal.role = user.role;
        Ok(principal)
    }

    /// The same login with a fresh token.
    ///
    /// # Errors
    /// As [`Auth::admit`].
    pub async fn renew(&self, token: &str) -> Result<Login, AdmitError> {
        let mut principal = self.admit(token).await?;
        principal.expires_at = self.clock.unix_seconds() + self.tokens.ttl_seconds();
        Ok(Login { token: self.tokens.issue(&principal), principal })
    }

    fn mark(&self, user: &User) -> String {
        let mark = keyed_hash(&self.mark_key, &[user.password_hash.as_bytes()]);
        URL_SAFE_NO_PAD.encode(&mark[..9])
    }
}

/// Whole seconds for a `Retry-After` header (RFC 9110 §10.2.3), rounded up.
/// No login is longer, in bytes; what is longer is not kept to count its tries.
const LONGEST_LOGIN: usize = 128;

fn retry_after_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
