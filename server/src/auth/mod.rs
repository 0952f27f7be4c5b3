//! Who may come in: passwords, login tokens, SIP passwords, and the brakes on guessing.
//!
//! [`Auth`] is the one entry: [`Auth::login`] turns a password into a token, [`Auth::admit`] turns a token into a
//! [`Principal`]. Sockets take an [`Entrance`] as an argument of their handler and so cannot forget to ask.

mod entrance;
pub mod password;
mod routes;
mod secret;
mod sip_secrets;
mod standing;
mod throttle;
mod tokens;

pub use entrance::{Entrance, SideDoor};
pub use routes::{ApiError, routes, unreadable};
pub use secret::{ServerSecret, random_bytes};
pub use sip_secrets::SipSecrets;
pub use standing::Ended;
pub(crate) use throttle::network_of;
pub use tokens::{LoginSession, Principal, TokenError, Tokens};

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Role;
use store::{Store, StoreError, User};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use self::password::{Busy, Passwords};
use self::secret::keyed_hash;
use self::standing::Standings;
use self::throttle::{Familiar, Throttle, TooMany};
use crate::clock::Clock;
use crate::shutdown::Shutdown;

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
    /// Somebody logged in from an address that is new for him.
    is_news: Arc<Notify>,
    standings: Standings,
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
            is_news: Arc::default(),
            standings: Standings::default(),
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
        let checked = self.check(login, password).await;
        if matches!(checked, Err(LoginError::Busy(_) | LoginError::Store(_))) {
            self.throttle.withdrawn(&try_);
        }
        let user = checked?;
        if self.throttle.succeeded(try_, self.clock.now()) {
            // written by `Auth::run`: the store may be busy, and nobody waits for it
            self.is_news.notify_one();
        }
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

    async fn check(&self, login: &str, password: &str) -> Result<User, LoginError> {
        let user = self.store.user_by_login(login).await?.filter(|user| user.enabled);
        let stored = user.as_ref().map(|user| user.password_hash.as_str());
        let right = self.passwords.matches(password, stored).await?;
        user.filter(|_| right).ok_or(LoginError::Rejected)
    }

    /// Takes up who logged in from where before a restart, so that a stranger who guesses delays strangers only.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn recall(&self) -> Result<(), StoreError> {
        if let Some(kept) = self.store.setting(FAMILIAR).await? {
            match serde_json::from_str::<Vec<Familiar>>(&kept) {
                Ok(familiar) => self.throttle.recall(familiar),
                Err(error) => tracing::warn!(%error, "what was kept of earlier logins is unreadable"),
            }
        }
        Ok(())
    }

    /// Looks after open sockets and what is kept of logins, until the server stops.
    pub async fn run(self, shutdown: Shutdown) {
        // the store is let go of before the guard is
        let _guard = shutdown.guard();
        let auth = self;
        let mut ticks = interval(standing::LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                () = auth.is_news.notified() => auth.keep_familiar().await,
                _ = ticks.tick() => auth.look_at_users().await,
            }
        }
    }

    async fn keep_familiar(&self) {
        let familiar = serde_json::to_string(&self.throttle.familiar()).expect("texts are valid JSON");
        if let Err(error) = self.store.set_setting(FAMILIAR, &familiar).await {
            tracing::warn!(%error, "a login from a new address could not be kept for the next start");
        }
    }

    /// Who is speaking, if the token is good and its user may still log in with the password it was given for.
    ///
    /// The role is the one that the user has now.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] also when the user is gone, switched off, or has a new password.
    pub async fn admit(&self, token: &str) -> Result<Principal, AdmitError> {
        let mut principal = self.tokens.verify(token)?;
        principal.role = self.role_now(&principal).await?.ok_or(TokenError::Invalid)?;
        Ok(principal)
    }

    /// The user's role, if his login is still good: he is there, may log in, and has the same password.
    async fn role_now(&self, principal: &Principal) -> Result<Option<Role>, StoreError> {
        let user = self.store.user(principal.user_id).await?;
        Ok(user.filter(|user| self.standing(user).is_good_for(principal)).map(|user| user.role))
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

/// No login is longer, in bytes; what is longer is not kept to count its tries.
const LONGEST_LOGIN: usize = 128;
/// The setting that keeps who logged in from where.
const FAMILIAR: &str = "familiar_logins";

/// Whole seconds for a `Retry-After` header (RFC 9110 §10.2.3), rounded up.
fn retry_after_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use store::{Memory, NewUser};

    use super::*;

    #[tokio::test]
    async fn who_logged_in_from_where_is_known_after_a_restart() {
        let store = Arc::new(Memory::new());
        let password_hash = password::hash(b"long enough").unwrap();
        store.add_user(NewUser { password_hash, ..NewUser::of("anna", Role::Agent) }).await.unwrap();
        let secret = ServerSecret::random().unwrap();
        let start = || Auth::new(store.clone(), &secret, 60, Clock::start()).unwrap();
        let home: IpAddr = "2001:db8:1:2::7".parse().unwrap();
        let (shutdown, _ending) = Shutdown::new();
        let before = start();
        tokio::spawn(before.clone().run(shutdown));
        before.login("anna", "long enough", None, home).await.unwrap();
        tokio::task::yield_now().await;

        let auth = start();
        assert_eq!(auth.throttle.familiar(), []);
        auth.recall().await.unwrap();
        assert_eq!(auth.throttle.familiar(), [("anna".to_owned(), network_of(home))]);
        store.set_setting(FAMILIAR, "nonsense").await.unwrap();
        auth.recall().await.expect("what is unreadable is no reason not to start");
    }
}
