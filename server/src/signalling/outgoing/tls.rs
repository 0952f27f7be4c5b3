//! Whom we trust: the servers of trunks that we connect to, and the peers of trunks that connect to us.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use webpki::EndEntityCert;

/// What a trunk's certificate must say, and who must say it.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The name that it must bear (RFC 5922 §7.3): the domain that we mean, whatever DNS says of its servers.
    pub name: ServerName<'static>,
    files: Files,
    /// What the files said when they could last be used.
    config: Arc<ArcSwap<ClientConfig>>,
}

/// Where certificates are.
#[derive(Clone, Debug)]
struct Files {
    ca: Option<PathBuf>,
    own: Option<(PathBuf, PathBuf)>,
}

impl Trust {
    /// Trust in these authorities, or in the public ones, with a certificate of ours where it is asked for.
    ///
    /// # Errors
    /// If the name or a file is of no use.
    pub fn new(name: &str, ca: Option<&Path>, own: Option<(&Path, &Path)>) -> anyhow::Result<Trust> {
        let own = own.map(|(cert, key)| (cert.to_owned(), key.to_owned()));
        let files = Files { ca: ca.map(Path::to_owned), own };
        let config = Arc::new(ArcSwap::from_pointee(files.read()?));
        let name =
            ServerName::try_from(name.to_owned()).with_context(|| format!("{name:?} is no host name"))?;
        Ok(Trust { name, files, config })
    }

    /// With what we connect, by what the files say now. Files that cannot be used leave the old ones in place.
    pub fn config(&self) -> Arc<ClientConfig> {
        match self.files.read() {
            Ok(config) => self.config.store(Arc::new(config)),
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the new TLS files of a trunk are of no use; the old ones stay"
                );
            }
        }
        self.config.load_full()
    }
}

impl Files {
    fn read(&self) -> anyhow::Result<ClientConfig> {
        let roots = match &self.ca {
            Some(file) => authorities(file)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        Ok(match &self.own {
            Some((cert, key)) => {
                let key = PrivateKeyDer::from_pem_file(key)
                    .with_context(|| format!("cannot read a private key from {}", key.display()))?;
                builder.with_client_auth_cert(certificates(cert)?, key)?
            }
            None => builder.with_no_client_auth(),
        })
    }
}

/// The trunks whose peers prove themselves by a certificate when they connect to us.
///
/// Each name counts with its own authorities alone: whom one trunk trusts cannot speak for another.
#[derive(Clone, Debug, Default)]
pub struct Callers(Arc<Vec<Caller>>);

#[derive(Debug)]
struct Caller {
    name: String,
    ca: PathBuf,
    current: ArcSwap<Verifier>,
}

/// What a file of authorities says.
#[derive(Debug)]
struct Verifier {
    changed_at: Option<SystemTime>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Verifier {
    fn read(ca: &Path) -> anyhow::Result<Verifier> {
        let changed_at = changed_at(ca);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(ca)?), provider)
            .build()
            .with_context(|| format!("{} has no certificate to trust", ca.display()))?;
        Ok(Verifier { changed_at, verifier })
    }
}

impl Caller {
    /// What its file says now, or said when it could last be used.
    fn verifier(&self) -> Arc<Verifier> {
        let current = self.current.load_full();
        let changed_at = changed_at(&self.ca);
        if changed_at == current.changed_at {
            return current;
        }
        let renewed = Verifier::read(&self.ca).unwrap_or_else(|error| {
            tracing::warn!(
                error = format!("{error:#}"),
                "the new authorities of a trunk are of no use; the old ones stay"
            );
            Verifier { changed_at, verifier: current.verifier.clone() }
        });
        self.current.store(Arc::new(renewed));
        self.current.load_full()
    }
}

impl Callers {
    /// These names, each with the file of its authorities.
    ///
    /// # Errors
    /// If a file is of no use.
    pub fn new<'a>(names: impl IntoIterator<Item = (&'a str, &'a Path)>) -> anyhow::Result<Callers> {
        let mut callers = Vec::new();
        for (name, ca) in names {
            let current = ArcSwap::from_pointee(Verifier::read(ca)?);
            callers.push(Caller { name: name.to_owned(), ca: ca.to_owned(), current });
        }
        Ok(Callers(Arc::new(callers)))
    }

    /// What asks peers for a certificate, if anybody has one; those without are let in as strangers.
    pub fn verifier(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        (!self.0.is_empty()).then(|| Arc::new(self.clone()) as Arc<dyn ClientCertVerifier>)
    }

    /// The trunk's name that a verified chain of certificates bears.
    pub fn name_in(&self, chain: &[CertificateDer<'_>]) -> Option<&str> {
        let (first, rest) = chain.split_first()?;
        self.known(first, rest, UnixTime::now()).map(|caller| caller.name.as_str())
    }

    fn known(
        &self,
        first: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<&Caller> {
        let certificate = EndEntityCert::try_from(first).ok()?;
        self.0.iter().find(|caller| {
            let bears_it = ServerName::try_from(caller.name.as_str())
                .is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok());
            bears_it && caller.verifier().verifier.verify_client_cert(first, rest, now).is_ok()
        })
    }
}

impl ClientCertVerifier for Callers {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        first: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.known(first, rest, now) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(rustls::CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn changed_at(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

fn authorities(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).with_context(|| format!("{} holds what is no authority", file.display()))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read a certificate from {}", file.display()))?;
    if certificates.is_empty() {
        bail!("{} holds no certificate", file.display());
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    use super::*;

    struct Authority {
        dir: tempfile::TempDir,
        issuer: Issuer<'static, KeyPair>,
    }

    impl Authority {
        fn new() -> Authority {
            let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
            Authority { dir, issuer: Issuer::new(params, key) }
        }

        fn file(&self) -> std::path::PathBuf {
            self.dir.path().join("ca.pem")
        }

        fn certify(&self, name: &str, expired: bool) -> CertificateDer<'static> {
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            if expired {
                params.not_after = time::OffsetDateTime::now_utc() - time::Duration::days(1);
            }
            params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
        }
    }

    #[test]
    fn a_name_counts_with_its_own_authority_alone() {
        let (carrier, other) = (Authority::new(), Authority::new());
        let (carriers, others) = (carrier.file(), other.file());
        let names = [("sip.carrier.example", carriers.as_path()), ("sip.other.example", others.as_path())];
        let callers = Callers::new(names).unwrap();
        let name_in = |certificate| callers.name_in(&[certificate]).map(str::to_owned);
        assert_eq!(
            name_in(carrier.certify("sip.carrier.example", false)).as_deref(),
            Some("sip.carrier.example")
        );
        assert_eq!(name_in(other.certify("sip.other.example", false)).as_deref(), Some("sip.other.example"));
        for stranger in [
            other.certify("sip.carrier.example", false),
            carrier.certify("sip.other.example", false),
            carrier.certify("evil.example", false),
            carrier.certify("sip.carrier.example", true),
        ] {
            assert_eq!(name_in(stranger), None);
        }
        assert!(callers.verifier().is_some() && Callers::default().verifier().is_none());
    }

    #[test]
    fn renewed_authorities_count_at_the_next_connection_and_broken_ones_do_not() {
        let (carrier, other) = (Authority::new(), Authority::new());
        let file = carrier.file();
        let callers = Callers::new([("sip.carrier.example", file.as_path())]).unwrap();
        let trust = Trust::new("sip.carrier.example", Some(&file), None).unwrap();
        let is_known = |authority: &Authority| {
            callers.name_in(&[authority.certify("sip.carrier.example", false)]).is_some()
        };
        let renew = |text: &[u8], hours: u64| {
            fs::write(&file, text).unwrap();
            let then = SystemTime::now() + std::time::Duration::from_secs(hours * 3600);
            fs::File::options().append(true).open(&file).unwrap().set_modified(then).unwrap();
        };
        let first = trust.config();
        renew(b"nonsense", 1);
        assert!(is_known(&carrier) && Arc::ptr_eq(&trust.config(), &trust.config.load_full()));
        assert!(Arc::ptr_eq(&first, &trust.config()), "nothing came of that file");
        renew(&fs::read(other.file()).unwrap(), 2);
        assert!(is_known(&other) && !is_known(&carrier));
        assert!(!Arc::ptr_eq(&first, &trust.config()));
    }
}
