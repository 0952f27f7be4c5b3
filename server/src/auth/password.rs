//! Passwords: Argon2id hashes in the PHC string format, and the limits that keep hashing from being a weapon.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Argon2, PasswordHash};
use tokio::sync::Semaphore;

/// Longer passwords are refused before they are hashed.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// One check takes 19 MiB and some 20 ms of a core, so only so many run at once, ...
const CHECKS_AT_ONCE: usize = 2;
/// ... and nobody waits longer than this for his turn.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Too many passwords are being checked just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many logins at once")]
pub struct Busy;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    // Checked when the user is unknown, so that the answer takes as long as for a known one.
    nobodys_hash: Arc<str>,
}

impl Passwords {
    /// A hasher whose hash for unknown users nobody knows the password of.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn new() -> anyhow::Result<Self> {
        let unknown = super::secret::random_bytes::<32>()?;
        Ok(Passwords {
            turns: Arc::new(Semaphore::new(CHECKS_AT_ONCE)),
            nobodys_hash: hash(&unknown)?.into(),
        })
    }

    /// Whether `password` is the one behind `stored`; with no stored hash the answer is no, at the same cost.
    ///
    /// # Errors
    /// [`Busy`] when no turn came up in time.
    pub async fn matches(&self, password: &str, stored: Option<&str>) -> Result<bool, Busy> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        let turn = tokio::time::timeout(LONGEST_WAIT, self.turns.clone().acquire_owned());
        let turn = turn.await.map_err(|_| Busy)?.expect("this semaphore is never closed");
        let known = stored.is_some();
        let stored: Arc<str> = stored.map_or_else(|| self.nobodys_hash.clone(), Arc::from);
        let password = password.to_owned();
        let matches = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            matches_now(&password, &stored)
        });
        Ok(matches.await.unwrap_or(false) && known)
    }
}

/// The PHC string to store for a password, with a salt of its own.
///
/// # Errors
/// If the system has no randomness.
pub fn hash(password: &[u8]) -> anyhow::Result<String> {
    Argon2::default()
        .hash_password(password)
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|error| anyhow::anyhow!("cannot hash a password: {error}"))
}

/// Whether `password` is the one behind `stored`. Takes some 20 ms of a core.
pub fn matches_now(password: &str, stored: &str) -> bool {
    PasswordHash::new(stored)
        .is_ok_and(|stored| Argon2::default().verify_password(password.as_bytes(), &stored).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new().unwrap();
        let stored = hash(b"correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert_eq!(passwords.matches("correct horse", Some(&stored)).await, Ok(true));
        assert_eq!(passwords.matches("wrong horse", Some(&stored)).await, Ok(false));
        assert_eq!(passwords.matches("correct horse", None).await, Ok(false));
        assert_eq!(passwords.matches("correct horse", Some("not a hash")).await, Ok(false));
        assert_eq!(passwords.matches(&"x".repeat(1025), Some(&stored)).await, Ok(false));
    }
}
