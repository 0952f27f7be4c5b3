use std::fmt;

use str0m::config::DtlsCert;
use thiserror::Error;

/// The key pair and certificate with which we prove ourselves in DTLS. Make one at start and use it for all
/// planes: making a key for each leg would cost more than the rest of the set-up.
#[derive(Clone)]
pub struct Certificate(DtlsCert);

/// No key pair could be made.
#[derive(Debug, Error)]
#[error("no DTLS certificate could be made: {0}")]
pub struct CertificateError(String);

impl Certificate {
    /// Makes a key pair and a self-signed certificate from the system's randomness.
    ///
    /// # Errors
    /// When the cryptographic library fails, for want of randomness or memory.
    pub fn generate() -> Result<Certificate, CertificateError> {
        let provider = str0m::crypto::from_feature_flags();
        provider
            .dtls_provider
            .generate_certificate()
            .map(Certificate)
            .ok_or_else(|| CertificateError("the cryptographic library refused".into()))
    }

    pub(super) fn for_engine(&self) -> DtlsCert {
        self.0.clone()
    }
}

/// The private key is never shown.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}
