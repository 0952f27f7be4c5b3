//! The SIP passwords that pages get: one per login and line, never stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secret::{ServerSecret, keyed_hash};
use super::tokens::LoginSession;

/// Derives SIP passwords from the server's secret, so that they survive a restart and a page can register again
/// with the one it has.
#[derive(Clone)]
pub struct SipSecrets {
    key: [u8; 32],
}

impl SipSecrets {
    /// Passwords under this server's secret.
    pub fn new(secret: &ServerSecret) -> Self {
        SipSecrets { key: secret.derive("sip") }
    }

    /// The password of the SIP account `line` during this login: 43 characters of `A-Z a-z 0-9 - _`.
    ///
    /// It is good only on a SIP socket that was opened with a token of the same login; a renewed token keeps it.
    pub fn password(&self, session: &LoginSession, line: &str) -> String {
        URL_SAFE_NO_PAD.encode(keyed_hash(&self.key, &[session.as_str().as_bytes(), line.as_bytes()]))
    }

    /// A key for the nonces of digest challenges (RFC 7616 §3.3); the same after a restart.
    pub fn nonce_key(&self) -> [u8; 32] {
        keyed_hash(&self.key, &[b"nonce"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_login_and_line_has_its_own_password() {
        let secret = ServerSecret::random().unwrap();
        let (monday, tuesday) = (LoginSession::random(), LoginSession::random());
        let before = SipSecrets::new(&secret);
        let after_restart = SipSecrets::new(&secret);
        assert_eq!(before.password(&monday, "k3x9"), after_restart.password(&monday, "k3x9"));
        assert_ne!(before.password(&monday, "k3x9"), before.password(&tuesday, "k3x9"));
        assert_ne!(before.password(&monday, "k3x9"), before.password(&monday, "q7m2"));
        assert_eq!(before.password(&monday, "k3x9").len(), 43);
    }
}
