//! The tables about the outside: `[numbers]`, `[[number]]`, `[[trunk]]` and `[[route]]`.

use std::fmt;
use std::path::PathBuf;

use model::{CallClass, PhoneNumber};
use serde::Deserialize;
use switch::{NumberFormat, Pattern};

/// How numbers are dialled here, and who may call what.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Numbers {
    /// The own country's code.
    pub country_code: String,
    /// What is dialled before a country code.
    pub international_prefix: String,
    /// What is dialled before a number of the own country.
    pub national_prefix: String,
    /// What must be dialled for an outside line.
    pub outside_prefix: String,
    /// What is dialled first by who does not want to be seen.
    pub anonymous_prefix: String,
    /// Numbers that everybody may call at any time.
    pub emergency: Vec<String>,
    /// Mobile phones of the own country.
    pub mobile: Vec<NumberPattern>,
    /// Numbers that cost more; without them those that are known to do so in the country.
    pub premium: Option<Vec<NumberPattern>>,
    /// Numbers behind the own country's code that belong to others; without them those that are known to.
    pub abroad: Option<Vec<NumberPattern>>,
    /// What a user may call of whom the store says nothing else.
    pub permissions: Vec<CallClass>,
    /// Calls to the outside that one user may have at once.
    pub max_calls: Option<u32>,
    /// How many he may begin within a minute.
    pub max_calls_per_minute: Option<u32>,
    /// How many he may begin within a day.
    pub max_calls_per_day: Option<u32>,
}

/// One of our numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// The number, as people of the country write it.
    pub number: PhoneNumber,
    /// Whom it rings.
    pub to: Ringing,
}

/// A way to a carrier or to another exchange.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// What people call it.
    pub name: String,
    /// `host` or `host:port`.
    pub address: String,
    /// What carries SIP; without it DNS says (RFC 3263 §4.1).
    #[serde(default)]
    pub transport: Option<TrunkTransport>,
    /// The path of its WebSocket.
    #[serde(default = "default_path")]
    pub path: String,
    /// The host in our addresses there; the one of `address` if nothing is said.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether we register there.
    #[serde(default)]
    pub register: bool,
    /// For how many seconds.
    #[serde(default = "default_expires")]
    pub expires: u32,
    /// The account's user.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<String>,
    /// The realm to which the password is told.
    #[serde(default)]
    pub realm: Option<String>,
    /// How calls are known that the peer brings by itself.
    #[serde(default)]
    pub identify: IdentifyBy,
    /// The name that its certificate bears.
    #[serde(default)]
    pub certificate_name: Option<String>,
    /// A PEM file with whom we trust to certify it; without one the public authorities.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// A PEM file with our certificate for it.
    #[serde(default)]
    pub client_cert: Option<PathBuf>,
    /// A PEM file with the private key of that.
    #[serde(default)]
    pub client_key: Option<PathBuf>,
    /// Whether we believe it who calls, and tell it.
    #[serde(default)]
    pub trusted: bool,
    /// Calls at once.
    #[serde(default)]
    pub max_calls: Option<u32>,
    /// Calls begun within a minute.
    #[serde(default)]
    pub max_calls_per_minute: Option<u32>,
    /// Calls begun within a day.
    #[serde(default)]
    pub max_calls_per_day: Option<u32>,
    /// What it carries, the most wanted first.
    #[serde(default = "default_codecs")]
    pub codecs: Vec<CodecName>,
    /// Whether its sound is protected.
    #[serde(default)]
    pub srtp: Srtp,
    /// How keys are sent.
    #[serde(default)]
    pub dtmf: Dtmf,
    /// How it writes numbers.
    #[serde(default)]
    pub number_format: FormatName,
    /// The number that is shown of who has none that is allowed.
    #[serde(default)]
    pub caller_id: Option<PhoneNumber>,
    /// Numbers that may be shown.
    #[serde(default)]
    pub caller_ids: Vec<NumberPattern>,
    /// Whether nobody is shown.
    #[serde(default)]
    pub anonymous: bool,
    /// How often it is asked whether it is there; 0 never.
    #[serde(default = "default_options")]
    pub options_seconds: u32,
    /// How often something is sent to keep the way open; 0 never.
    #[serde(default = "default_keep_alive")]
    pub keep_alive_seconds: u32,
    /// Whether that is STUN where SIP goes by UDP.
    #[serde(default)]
    pub stun: bool,
}

/// Which numbers go which way.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What people call it.
    pub name: String,
    /// The numbers.
    pub patterns: Vec<NumberPattern>,
    /// The names of the trunks to try, in this order.
    pub trunks: Vec<String>,
    /// How many characters to take off the front.
    #[serde(default)]
    pub strip: usize,
    /// What to put in front then.
    #[serde(default)]
    pub prepend: String,
    /// How long a call may last.
    #[serde(default)]
    pub max_minutes: Option<u32>,
    /// The names of trunks whose callers may go this way.
    #[serde(default)]
    pub from_trunks: Vec<String>,
}

/// What carries SIP to a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
    /// WebSocket.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

/// How calls are known that a trunk's peer brings by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifyBy {
    /// Not at all.
    #[default]
    Flow,
    /// By its certificate.
    Certificate,
    /// By its address.
    Address,
}

/// Whether a trunk's sound is protected by keys in the description (RFC 4568).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Srtp {
    /// No.
    #[default]
    Never,
    /// Where the peer does it.
    Optional,
    /// Or there is no call.
    Required,
}

/// How keys are sent to a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtmf {
    /// As telephone events.
    #[default]
    Rfc4733,
    /// By SIP INFO.
    Info,
}

/// A codec by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecName {
    /// Opus.
    Opus,
    /// G.722.
    G722,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

/// How a trunk writes numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatName {
    /// `+33612345678`.
    #[default]
    E164,
    /// `33612345678`.
    Bare,
    /// `0612345678`.
    National,
}

/// A prefix or pattern of numbers.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NumberPattern(pub Pattern);

/// Whom one of our numbers rings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Ringing {
    /// The line with that internal number.
    Line(PhoneNumber),
    /// The line of the user with that login.
    User(String),
    /// The echo test.
    Echo,
}

impl Default for Numbers {
    fn default() -> Self {
        let numbering = switch::Numbering::default();
        Numbers {
            country_code: numbering.country_code,
            international_prefix: numbering.international_prefix,
            national_prefix: numbering.national_prefix,
            outside_prefix: numbering.outside_prefix,
            anonymous_prefix: numbering.anonymous_prefix,
            emergency: numbering.emergency.into_iter().collect(),
            mobile: Vec::new(),
            premium: None,
            abroad: None,
            permissions: vec![CallClass::Internal, CallClass::National, CallClass::Mobile],
            max_calls: None,
            max_calls_per_minute: None,
            max_calls_per_day: None,
        }
    }
}

fn default_path() -> String {
    "/ws".into()
}

fn default_expires() -> u32 {
    300
}

fn default_codecs() -> Vec<CodecName> {
    vec![CodecName::Pcma, CodecName::Pcmu, CodecName::G722]
}

fn default_options() -> u32 {
    30
}

fn default_keep_alive() -> u32 {
    25
}

impl TryFrom<String> for NumberPattern {
    type Error = switch::NotAPattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(NumberPattern)
    }
}

impl fmt::Debug for NumberPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Ringing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, name) = text.split_once(':').unwrap_or((text.as_str(), ""));
        match (kind, name) {
            ("echo", "") => Ok(Ringing::Echo),
            ("line", number) => {
                number.parse().map(Ringing::Line).map_err(|_| format!("{number:?} is no line's number"))
            }
            ("user", login) if !login.is_empty() => Ok(Ringing::User(login.to_owned())),
            ("queue" | "conference" | "voicemail", _) => {
                Err(format!("this version has no {kind}: use user:LOGIN, line:NUMBER or echo"))
            }
            _ => Err(format!("{text:?} is not known: use user:LOGIN, line:NUMBER or echo")),
        }
    }
}

/// The password stays out of it.
impl fmt::Debug for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trunk")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Trunk {
    /// A trunk as it stands in the store: the same keys, in a text of TOML without the name.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_text(name: &str, text: &str) -> Result<Trunk, String> {
        let mut table: toml::Table = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.insert("name".into(), name.into());
        table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }

    /// The host of its address, without brackets.
    pub fn host(&self) -> &str {
        self.host_and_port().0
    }

    /// Host and port of its address.
    pub fn host_and_port(&self) -> (&str, Option<u16>) {
        if let Some(rest) = self.address.strip_prefix('[')
            && let Some((host, port)) = rest.split_once(']')
        {
            return (host, port.strip_prefix(':').and_then(|port| port.parse().ok()));
        }
        match self.address.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
            _ => (&self.address, None),
        }
    }

    /// What cannot be used in it, if something cannot: the key, and why.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        let (host, port) = self.host_and_port();
        let has_port = self.address.trim_start_matches(host).contains(':') && !host.contains(':')
            || self.address.contains("]:");
        let secure = matches!(self.transport, Some(TrunkTransport::Tls | TrunkTransport::Wss));
        let rules = [
            (!self.name.trim().is_empty(), "trunk.name", "must not be empty"),
            (
                super::is_host(host),
                "trunk.address",
                "must be a host name or an address, with a port or without",
            ),
            (
                !has_port || port.is_some_and(|port| port > 0),
                "trunk.address",
                "its port must be from 1 to 65535",
            ),
            (
                self.domain.as_deref().is_none_or(super::is_host),
                "trunk.domain",
                "must be a host name or an address",
            ),
            (!self.register || self.user.is_some(), "trunk.register", "needs a user"),
            (
                self.password.is_none() || self.user.is_some() && self.realm.is_some(),
                "trunk.password",
                "needs a user and a realm: it is told to that realm alone",
            ),
            (
                self.client_cert.is_some() == self.client_key.is_some(),
                "trunk.client_cert",
                "a certificate and its key (trunk.client_key) go together",
            ),
            (
                self.identify != IdentifyBy::Certificate || self.ca.is_some(),
                "trunk.identify",
                "by certificate needs trunk.ca: whom we trust to certify who calls us",
            ),
            (
                self.identify != IdentifyBy::Address
                    || matches!(self.transport, Some(TrunkTransport::Udp | TrunkTransport::Tcp)),
                "trunk.identify",
                "by address is for the transports udp and tcp",
            ),
            (!self.codecs.is_empty(), "trunk.codecs", "must name a codec"),
            (
                self.srtp != Srtp::Required || secure,
                "trunk.srtp",
                "required needs the transport tls or wss: its keys are in the messages",
            ),
            ((60..=86_400).contains(&self.expires), "trunk.expires", "must be from 60 to 86400"),
            (self.path.starts_with('/'), "trunk.path", "must begin with /"),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map(|(_, key, message)| (key, message))
    }
}

impl From<FormatName> for NumberFormat {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::E164 => NumberFormat::E164,
            FormatName::Bare => NumberFormat::Bare,
            FormatName::National => NumberFormat::National,
        }
    }
}

#[cfg(test)]
mod tests;
