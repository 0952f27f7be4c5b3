//! TLS for browsers and phones: certificate files that may be renewed while we run, or one we make ourselves.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::shutdown::Shutdown;

/// How often a self-made certificate is looked at for its age.
const RENEW_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How often certificate files are looked at for a newer version.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Browsers take self-made certificates of at most this age.
const SELF_MADE_DAYS: u32 = 820;

/// The certificate in use and what to accept connections with.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

#[derive(Debug)]
struct Current {
    files: Files,
    /// Where a self-made certificate is kept, and for which address it was made.
    self_made: Option<(PathBuf, IpAddr)>,
    key: ArcSwap<CertifiedKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// TLS as the settings say; none if they do not ask for it.
    ///
    /// # Errors
    /// If certificate and key cannot be read, made, or do not belong together.
    pub fn open(config: &Config) -> anyhow::Result<Option<Tls>> {
        let (files, self_made) = match (&config.tls.cert, &config.tls.key) {
            (Some(cert), Some(key)) => (Files { cert: cert.clone(), key: key.clone() }, None),
            _ if config.tls.self_signed => {
                let (data_dir, listen) = (config.data_dir.clone(), config.listen.ip());
                (self_made(&data_dir, listen)?, Some((data_dir, listen)))
            }
            _ => return Ok(None),
        };
        let key = ArcSwap::from_pointee(files.load()?);
        let current = Arc::new(Current { files, self_made, key });
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Tls { config: Arc::new(config), current }))
    }

    /// What turns a TCP stream into a TLS stream.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    /// The same for SIP, which agrees on no protocol inside TLS.
    ///
    /// Peers are asked for a certificate where somebody verifies it.
    pub fn sip_acceptor(&self, verifier: Option<Arc<dyn ClientCertVerifier>>) -> TlsAcceptor {
        let Some(verifier) = verifier else {
            let mut config = ServerConfig::clone(&self.config);
            config.alpn_protocols.clear();
            return TlsAcceptor::from(Arc::new(config));
        };
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(self.current.clone());
        TlsAcceptor::from(Arc::new(config))
    }

    /// The SHA-256 fingerprint of the certificate in use, as browsers show it.
    pub fn fingerprint(&self) -> String {
        let key = self.current.key.load();
        let digest = key.cert.first().map(Sha256::digest).unwrap_or_default();
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }

    /// Takes up renewed files until the server stops. Files that cannot be used leave the old certificate in place.
    pub async fn watch_files(self, shutdown: Shutdown) {
        let mut seen = self.current.files.changed_at();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let mut days = tokio::time::interval(RENEW_EVERY);
        loop {
            tokio::select! {
                () = shutdown.begun() => return,
                _ = days.tick() => self.renew_self_made(),
                _ = ticks.tick() => {}
            }
            let found = self.current.files.changed_at();
            if found != seen {
                seen = found;
                self.take_up_files();
            }
        }
    }

    /// Makes a new certificate where the self-made one is about to end; it is then taken up like any other.
    fn renew_self_made(&self) {
        let Some((data_dir, listen)) = &self.current.self_made else { return };
        if let Err(error) = self_made(data_dir, *listen) {
            tracing::warn!(error = format!("{error:#}"), "the self-made TLS certificate cannot be renewed");
        }
    }

    fn take_up_files(&self) {
        match self.current.files.load() {
            Ok(key) => {
                self.current.key.store(Arc::new(key));
                tracing::info!(fingerprint = self.fingerprint(), "the TLS certificate was renewed");
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the new TLS certificate is of no use; the old one stays"
                );
            }
        }
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.load_full())
    }
}

impl Files {
    fn load(&self) -> anyhow::Result<CertifiedKey> {
        let cert = self.cert.display();
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("cannot read a certificate from {cert}"))?;
        if chain.is_empty() {
            bail!("{cert} holds no certificate");
        }
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("cannot read a private key from {}", self.key.display()))?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .with_context(|| format!("certificate {cert} and its key do not fit together"))
    }

    fn changed_at(&self) -> Option<(SystemTime, SystemTime)> {
        let changed = |file| fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        Some((changed(&self.cert)?, changed(&self.key)?))
    }
}

/// The certificate in the data folder, made anew when there is none or it is about to end.
fn self_made(data_dir: &Path, listen: IpAddr) -> anyhow::Result<Files> {
    let files = Files { cert: data_dir.join("self-signed.crt"), key: data_dir.join("self-signed.key") };
    let age = fs::metadata(&files.cert).and_then(|metadata| metadata.modified()).map(|made| made.elapsed());
    let lifetime = Duration::from_secs(u64::from(SELF_MADE_DAYS - 60) * 86_400);
    // A clock that stepped back makes an age of "less than nothing", which is young enough.
    let young = age.is_ok_and(|age| age.unwrap_or_default() < lifetime);
    if !young || files.load().is_err() {
        make(&files, listen).context("cannot make a TLS certificate")?;
    }
    Ok(files)
}

fn make(files: &Files, listen: IpAddr) -> anyhow::Result<()> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    names.extend(
        if_addrs::get_if_addrs().unwrap_or_default().iter().map(|interface| interface.ip().to_string()),
    );
    names.extend((!listen.is_unspecified()).then(|| listen.to_string()));
    names.extend(fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()));
    names.sort();
    names.dedup();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Hotdesk (self-made)");
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(i64::from(SELF_MADE_DAYS));
    let key = KeyPair::generate()?;
    let cert = params.self_signed(&key)?;
    crate::storage::write_private(&files.key, key.serialize_pem().as_bytes())?;
    fs::write(&files.cert, cert.pem())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> Config {
        let mut config = Config { data_dir: dir.to_owned(), ..Config::default() };
        config.tls.self_signed = true;
        config
    }

    #[test]
    fn a_self_made_certificate_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Tls::open(&config(dir.path())).unwrap().unwrap();
        let second = Tls::open(&config(dir.path())).unwrap().unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
        assert_eq!(first.fingerprint().len(), 32 * 3 - 1);
    }

    #[test]
    fn an_old_self_made_certificate_is_renewed_while_the_server_runs() {
        let dir = tempfile::tempdir().unwrap();
        let tls = Tls::open(&config(dir.path())).unwrap().unwrap();
        let before = tls.fingerprint();
        tls.renew_self_made();
        tls.take_up_files();
        assert_eq!(tls.fingerprint(), before, "it is young");
        let long_ago = SystemTime::now() - Duration::from_secs(u64::from(SELF_MADE_DAYS - 30) * 86_400);
        fs::File::open(&tls.current.files.cert).unwrap().set_modified(long_ago).unwrap();
        tls.renew_self_made();
        tls.take_up_files();
        assert_ne!(tls.fingerprint(), before);
    }

    #[test]
    fn renewed_files_are_taken_up_and_broken_ones_are_not() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tls = Tls::open(&config(old.path())).unwrap().unwrap();
        let before = tls.fingerprint();
        fs::write(&tls.current.files.cert, "nonsense").unwrap();
        tls.take_up_files();
        assert_eq!(tls.fingerprint(), before);
        let other = Tls::open(&config(new.path())).unwrap().unwrap();
        fs::copy(&other.current.files.cert, &tls.current.files.cert).unwrap();
        tls.take_up_files();
        assert_eq!(tls.fingerprint(), before, "the key is still the old one");
        fs::copy(&other.current.files.key, &tls.current.files.key).unwrap();
        tls.take_up_files();
        assert_eq!(tls.fingerprint(), other.fingerprint());
    }

    #[test]
    fn no_tls_unless_asked_for() {
        assert!(Tls::open(&Config::default()).unwrap().is_none());
    }
}
