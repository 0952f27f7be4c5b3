//! What an operator can set: in a TOML file, in the environment, on the command line; later ones win.
//!
//! Every key stands in `docs/configuration.md`; a test holds that page and the example file against this one.

mod outside;
mod reading;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use sip::digest::Algorithm;
use tracing_subscriber::EnvFilter;

pub use outside::{
    CodecName, Dtmf, FormatName, IdentifyBy, Number, NumberPattern, Numbers, Ringing, Route, Srtp, Trunk,
    TrunkTransport,
};
pub use reading::{ConfigError, Place};

use crate::http::Origins;
use crate::media::PortRange;
use crate::signalling::SipLimits;

/// All settings, each with a default that suits a first try on one's own machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where HTTP and WebSockets are served.
    pub listen: SocketAddr,
    /// The folder of the database, the server's secret and self-made certificates.
    pub data_dir: PathBuf,
    /// Whether the demo accounts are made in an empty database.
    pub demo: bool,
    /// A folder to serve the pages from, in place of those built in.
    pub site: Option<PathBuf>,
    /// Logs.
    pub log: Log,
    /// TLS for everything that is served at `listen`.
    pub tls: Tls,
    /// The HTTP front.
    pub http: Http,
    /// Logins.
    pub auth: Auth,
    /// SIP over UDP, TCP and TLS; over WebSocket it is always there.
    pub sip: Sip,
    /// Sound.
    pub media: Media,
    /// How numbers are dialled, and who may call what.
    pub numbers: Numbers,
    /// Our numbers.
    #[serde(rename = "number")]
    pub dids: Vec<Number>,
    /// The ways to the outside.
    #[serde(rename = "trunk")]
    pub trunks: Vec<Trunk>,
    /// Which numbers go which way.
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
}

/// Logs.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// What is logged, in the directives of tracing's `EnvFilter`.
    pub filter: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Make a certificate at first start, keep it in the data folder, and serve with it.
    pub self_signed: bool,
    /// A PEM file with the certificate and its chain.
    pub cert: Option<PathBuf>,
    /// A PEM file with the certificate's private key.
    pub key: Option<PathBuf>,
}

/// The HTTP front.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Origins of foreign pages that may use the API and the sockets.
    pub origins: Origins,
    /// Reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Addresses that may read `/metrics`, besides this machine itself.
    pub metrics_from: Vec<IpAddr>,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How many of them from one address; trusted proxies are not counted.
    pub max_connections_per_address: usize,
}

/// Logins.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// How long a token is good, in seconds.
    pub token_ttl_seconds: u32,
}

/// SIP over UDP, TCP and TLS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// Where datagrams are listened to; nothing said: nowhere, in a demo the usual port of this machine alone.
    pub udp: Option<Vec<SocketAddr>>,
    /// Where TCP connections are taken in; the same.
    pub tcp: Option<Vec<SocketAddr>>,
    /// Where TLS connections are taken in, with the certificate of `[tls]`.
    pub tls: Vec<SocketAddr>,
    /// Whether a SIP client may connect by WebSocket without a login and prove itself by digest alone, as by UDP;
    /// nothing said: in a demo only. The origins of `[http]` hold for it.
    pub websocket_without_login: Option<bool>,
    /// What phones by UDP, TCP and TLS may prove themselves by.
    pub digest: Digests,
    /// The address or name by which peers reach us, where it is not the one that we listen on.
    pub advertise: Option<String>,
    /// What a peer may hold on to, and for how long.
    #[serde(skip)]
    pub limits: SipLimits,
}

/// The hashes that digest authentication is done with (RFC 7616, RFC 8760).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Digests {
    /// SHA-256 is offered first, then MD5.
    #[default]
    #[serde(rename = "any")]
    Any,
    /// SHA-256 alone.
    #[serde(rename = "sha-256")]
    Sha256,
    /// MD5 alone, for phones that choke on another offer.
    #[serde(rename = "md5")]
    Md5,
}

impl Digests {
    /// The hashes, the most wanted first.
    pub fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Digests::Any => &[Algorithm::Sha256, Algorithm::Md5],
            Digests::Sha256 => &[Algorithm::Sha256],
            Digests::Md5 => &[Algorithm::Md5],
        }
    }
}

/// Sound.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// The addresses that browsers are told to send sound to; none: those of this machine's interfaces.
    pub addresses: Vec<IpAddr>,
    /// The first media worker's UDP port; each further worker takes the next one.
    pub port: u16,
    /// The UDP ports for phones, exchanges and carriers that speak plain RTP; the workers share them.
    pub rtp_ports: PortRange,
    /// How many media workers run; 0: one less than there are cores, at least one.
    pub workers: u16,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8090)),
            data_dir: "hotdesk-data".into(),
            demo: false,
            site: None,
            log: Log::default(),
            tls: Tls::default(),
            http: Http::default(),
            auth: Auth::default(),
            sip: Sip::default(),
            media: Media::default(),
            numbers: Numbers::default(),
            dids: Vec::new(),
            trunks: Vec::new(),
            routes: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Pretty, filter: "info".into() }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http {
            origins: Origins::default(),
            trusted_proxies: Vec::new(),
            metrics_from: Vec::new(),
            max_connections: 20_000,
            max_connections_per_address: 500,
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Auth { token_ttl_seconds: 3600 }
    }
}

impl Default for Media {
    fn default() -> Self {
        let rtp_ports = PortRange::new(20_000, 29_999).expect("a range of whole pairs");
        Media { addresses: Vec::new(), port: 7000, rtp_ports, workers: 0 }
    }
}

impl Config {
    /// Looks at settings that depend on each other.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`] names the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            (
                self.tls.cert.is_some() == self.tls.key.is_some(),
                "tls.cert",
                "a certificate and its key (tls.key) go together",
            ),
            (
                !(self.tls.self_signed && self.tls.cert.is_some()),
                "tls.self_signed",
                "choose either a self-made certificate or your own (tls.cert)",
            ),
            (
                (60..=86_400).contains(&self.auth.token_ttl_seconds),
                "auth.token_ttl_seconds",
                "must be from 60 to 86400",
            ),
            (self.http.max_connections > 0, "http.max_connections", "must be at least 1"),
            (
                self.http.max_connections_per_address > 0,
                "http.max_connections_per_address",
                "must be at least 1",
            ),
            (
                self.sip.tls.is_empty() || self.tls.self_signed || self.tls.cert.is_some(),
                "sip.tls",
                "needs a certificate: set tls.cert and tls.key, or tls.self_signed",
            ),
            (
                self.sip.advertise.as_deref().is_none_or(is_host),
                "sip.advertise",
                "must be an IP address or a host name, without a port",
            ),
            (
                self.media.port.checked_add(self.media.workers).is_some(),
                "media.port",
                "too high: every media worker takes the next port",
            ),
            (
                !self.media.rtp_ports.ports().contains(&self.media.port),
                "media.rtp_ports",
                "holds media.port, which is for browsers",
            ),
        ];
        if let Some((_, key, message)) = rules.into_iter().find(|(holds, ..)| !holds) {
            return Err(ConfigError::Unusable { key, message: message.to_owned() });
        }
        if let Some((key, message)) = self.trunks.iter().find_map(Trunk::fault) {
            return Err(ConfigError::Unusable { key, message: message.to_owned() });
        }
        if let Err(error) = EnvFilter::try_new(&self.log.filter) {
            return Err(ConfigError::Unusable { key: "log.filter", message: error.to_string() });
        }
        for address in &self.media.addresses {
            if let Some(kind) = unreachable_kind(address.to_canonical()) {
                let message = format!("{address} is {kind}: no browser can send sound there");
                return Err(ConfigError::Unusable { key: "media.addresses", message });
            }
        }
        Ok(())
    }
}

/// What makes an address one that a browser cannot send to, if something does.
fn unreachable_kind(address: IpAddr) -> Option<&'static str> {
    let link_local = matches!(address, IpAddr::V4(v4) if v4.is_link_local());
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("the broadcast address"),
        _ if link_local => Some("a link-local address"),
        _ => None,
    }
}

/// Where a demo speaks SIP unless it is told otherwise.
const DEMO_SIP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);

impl Sip {
    /// Where to listen to datagrams.
    pub fn udp(&self, demo: bool) -> Vec<SocketAddr> {
        Self::said_or_demo(self.udp.as_ref(), demo)
    }

    /// Where to take TCP connections in.
    pub fn tcp(&self, demo: bool) -> Vec<SocketAddr> {
        Self::said_or_demo(self.tcp.as_ref(), demo)
    }

    fn said_or_demo(said: Option<&Vec<SocketAddr>>, demo: bool) -> Vec<SocketAddr> {
        said.cloned().unwrap_or_else(|| if demo { vec![DEMO_SIP] } else { Vec::new() })
    }
}

fn is_host(text: &str) -> bool {
    let is_name = || text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
    text.parse::<IpAddr>().is_ok() || (!text.is_empty() && is_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::path::Path;

    use toml::{Table, Value};

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(Some(file.path()), environment)
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = load("listen = \"127.0.0.1:1\"\n\n[http]\nmax_conections = 3\n", &[]).unwrap_err();
        let ConfigError::InFile { place, message, .. } = &error else { panic!("{error}") };
        assert_eq!(*place, Place { line: 4, column: 1 });
        assert!(message.contains("max_conections"), "{message}");
    }

    #[test]
    fn a_wrong_value_is_an_error_with_its_line() {
        for (text, line) in [
            ("demo = 3", 1),
            ("\nlisten = \"nowhere\"", 2),
            ("[http]\norigins = [\"https://ok.example\", \"*\"]", 2),
            ("[log\n", 1),
        ] {
            let error = load(text, &[]).unwrap_err();
            let ConfigError::InFile { place, .. } = &error else { panic!("{error}") };
            assert_eq!(place.line, line, "{error}");
        }
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let config = load(
            "[http]\nmax_connections = 3\n[media]\nport = 1\n",
            &[
                ("HOTDESK_LISTEN", "127.0.0.1:9"),
                ("HOTDESK_DEMO", "true"),
                ("HOTDESK_DATA_DIR", "77"),
                ("HOTDESK_HTTP_MAX_CONNECTIONS", "5"),
                ("HOTDESK_HTTP_TRUSTED_PROXIES", "127.0.0.1, ::1"),
                ("HOTDESK_LOG_FORMAT", "json"),
                ("HOTDESK_CACHE", "/tmp"),
                ("HOTDESK_SIP_UDP", "0.0.0.0:5060, [::]:5060"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.listen.port(), 9);
        assert!(config.demo);
        assert_eq!(config.data_dir, Path::new("77"));
        assert_eq!(config.http.max_connections, 5);
        assert_eq!(config.http.trusted_proxies.len(), 2);
        assert_eq!(config.log.format, LogFormat::Json);
        assert_eq!(config.media.port, 1);
        assert_eq!(config.sip.udp(true).len(), 2);
        assert_eq!((config.sip.tcp(true), config.sip.tcp(false)), (vec![DEMO_SIP], vec![]));
    }

    #[test]
    fn a_bad_variable_is_named() {
        let error = load("", &[("HOTDESK_MEDIA_PORT", "many")]).unwrap_err();
        assert!(error.to_string().contains("HOTDESK_MEDIA_PORT"), "{error}");
        for unknown in ["HOTDESK_LISTN", "HOTDESK_HTTP_MAX", "HOTDESK_"] {
            let error = load("", &[(unknown, "127.0.0.1:9")]).unwrap_err();
            assert!(error.to_string().contains(unknown), "{error}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_refused() {
        for text in [
            "[tls]\ncert = \"a\"",
            "[tls]\nself_signed = true\ncert = \"a\"\nkey = \"b\"",
            "[auth]\ntoken_ttl_seconds = 1",
            "[http]\nmax_connections = 0",
            "[log]\nfilter = \"info,server=loud\"",
            "[media]\naddresses = [\"192.0.2.1\", \"0.0.0.0\"]",
            "[media]\naddresses = [\"::\"]",
            "[media]\naddresses = [\"224.0.0.1\"]",
            "[media]\naddresses = [\"::ffff:224.0.0.1\"]",
            "[media]\naddresses = [\"ff02::1\"]",
            "[media]\naddresses = [\"255.255.255.255\"]",
            "[media]\naddresses = [\"169.254.1.1\"]",
            "[media]\nport = 20000",
            "[sip]\ntls = [\"127.0.0.1:5061\"]",
            "[sip]\nadvertise = \"203.0.113.7:5060\"",
            "[sip]\nadvertise = \"a\\r\\nb\"",
            "[[trunk]]\nname = \"a\"\naddress = \"b\"\nregister = true",
        ] {
            assert!(load(text, &[]).unwrap().check().is_err(), "{text}");
        }
        Config::default().check().unwrap();
    }

    #[test]
    fn the_example_shows_every_key_with_its_default_and_the_manual_explains_it() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let example = std::fs::read_to_string(docs.join("hotdesk.toml")).unwrap();
        let manual = std::fs::read_to_string(docs.join("configuration.md")).unwrap();
        // A line that begins with `#` and no blank is a key that has no default.
        let all_keys: String = example
            .lines()
            .map(|line| {
                let shown = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
                format!("{shown}\n")
            })
            .collect();
        load(&all_keys, &[]).unwrap();
        let config = load(&example, &[]).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
        for (key, value) in toml::from_str::<Table>(&all_keys).unwrap() {
            let keys = match value {
                Value::Table(section) => section.keys().map(|inner| format!("{key}.{inner}")).collect(),
                Value::Array(tables) => tables
                    .iter()
                    .filter_map(Value::as_table)
                    .flat_map(|table| table.keys().map(|inner| format!("{key}.{inner}")))
                    .collect(),
                _ => vec![key],
            };
            for key in keys {
                assert!(manual.contains(&format!("`{key}`")), "docs/configuration.md does not explain {key}");
            }
        }
        let tables = ["[numbers]", "[[number]]", "[[trunk]]", "[[route]]"];
        for section in
            ["", "[log]", "[tls]", "[http]", "[auth]", "[sip]", "[media]"].into_iter().chain(tables)
        {
            let error = load(&format!("{section}\nx = 1"), &[]).unwrap_err().to_string();
            for key in error.split('`').skip(3).step_by(2) {
                assert!(
                    all_keys.contains(&format!("{key} = ")) || all_keys.contains(&format!("[{key}]")),
                    "{section} {key}"
                );
            }
        }
    }
}
