//! Servers with trunks, and who certifies their peers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use server::config::Config;
use tokio::time::timeout;

use super::phone::PATIENCE;
use super::tools::free_port;
use super::{Server, demo, folder};

/// A demo server with these tables, on free ports, and the folder that it lives in.
pub async fn started(settings: &str, change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Server) {
    let (dir, path) = folder();
    let mut config = demo(&path);
    let outside: Config = toml::from_str(settings).unwrap();
    config.trunks = outside.trunks;
    config.routes = outside.routes;
    config.dids = outside.dids;
    config.numbers = outside.numbers;
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    (config.sip.udp, config.sip.tcp) = (Some(vec![anywhere]), Some(vec![anywhere]));
    let first = free_port();
    config.media.rtp_ports = format!("{}-{}", first, (u32::from(first) + 99).min(65_535)).parse().unwrap();
    change(&mut config);
    (dir, Server::start(config).await)
}

/// A trunk to that port of this machine.
pub fn trunk(name: &str, port: u16, rest: &str) -> String {
    format!("[[trunk]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\n{rest}\n")
}

/// One of our numbers that the echo test answers.
pub const ECHO: &str = "[[number]]\nnumber = \"+33144500219\"\nto = \"echo\"\n";

/// A peer by UDP that is known by its address.
pub const BY_ADDRESS: &str = "transport = \"udp\"\nidentify = \"address\"";

/// Waits until the server's figures say that of a trunk.
pub async fn stands(server: &Server, trunk: &str, up: bool) {
    measures(server, &format!("hotdesk_trunk_up{{trunk=\"{trunk}\"}} {}", u8::from(up))).await;
}

/// Waits until this line is among the server's figures.
pub async fn measures(server: &Server, line: &str) {
    let found = async {
        while !server.get("/metrics").await.text().await.unwrap().contains(line) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never {line}"));
}

/// Who certifies, and certificates of it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub pem: String,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, as text.
    pub fn certify(&self, name: &str, expired: bool) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_after = time::OffsetDateTime::now_utc() - time::Duration::days(1);
        }
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// The same for a program of ours.
    pub fn identity(
        &self,
        name: &str,
        expired: bool,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let (certificate, key) = self.certify(name, expired);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        (vec![certificate], PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
    }

    /// Who shows such a certificate.
    pub fn acceptor(&self, name: &str, expired: bool) -> tokio_rustls::TlsAcceptor {
        let (chain, key) = self.identity(name, expired);
        let config =
            rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}
