//! The server's own secret: made at first start, kept in the data folder, never shown.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::storage::write_private;

/// The file's name in the data folder.
pub const FILE_NAME: &str = "secret.key";

/// 32 random bytes from which every other key is derived, each for one purpose.
#[derive(Clone)]
pub struct ServerSecret([u8; 32]);

impl ServerSecret {
    /// Reads the secret from the data folder, or makes it there with mode 0600.
    ///
    /// # Errors
    /// If the file cannot be read or written, has another length, or may be read by other users.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE_NAME);
        let shown = path.display();
        match fs::read(&path) {
            Ok(bytes) => {
                let mode = fs::metadata(&path).with_context(|| format!("cannot look at {shown}"))?.mode();
                if mode & 0o077 != 0 {
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).with_context(|| {
                        format!("{shown} may be read by other users, and its mode cannot be set")
                    })?;
                    tracing::warn!(path = %shown, "the server's secret could be read by other users; mode set to 0600");
                }
                let Ok(key) = <[u8; 32]>::try_from(bytes) else {
                    bail!(
                        "{shown} must hold 32 bytes; delete it to have a new one made (every login then ends)"
                    );
                };
                Ok(ServerSecret(key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = ServerSecret::random()?;
                write_private(&path, &secret.0).with_context(|| format!("cannot write {shown}"))?;
                Ok(secret)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
        }
    }

    /// A new secret from the operating system's randomness.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn random() -> anyhow::Result<Self> {
        Ok(ServerSecret(random_bytes()?))
    }

    /// The key for one purpose; knowing one key tells nothing about another.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        keyed_hash(&self.0, &[purpose.as_bytes()])
    }
}

/// HMAC-SHA-256 over parts that are told apart by their length.
pub(super) fn keyed_hash(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Random bytes from the operating system.
///
/// # Errors
/// If the system has none to give.
pub fn random_bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_kept_private_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = ServerSecret::open(dir.path()).unwrap();
        let second = ServerSecret::open(dir.path()).unwrap();
        assert_eq!(first.derive("a"), second.derive("a"));
        assert_ne!(first.derive("a"), first.derive("b"));
        assert_eq!(fs::metadata(dir.path().join(FILE_NAME)).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_secret_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), b"short").unwrap();
        assert!(ServerSecret::open(dir.path()).is_err());
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(keyed_hash(&[1; 32], &[b"ab", b"c"]), keyed_hash(&[1; 32], &[b"a", b"bc"]));
    }
}
