//! The user's line, ICE servers and what the server asks of a browser phone (chapter 4.4 of the protocol).

use std::fmt;

use serde_json::Value;

use crate::Malformed;
use crate::command::dtmf_key;
use crate::json::{Fields, Object};

/// The user's line: what a browser phone needs to register.
#[derive(Clone, PartialEq, Eq)]
pub struct LineConfig {
    /// Line id; `-` when the user has no line.
    pub id: String,
    /// The number under which the line is called.
    pub number: String,
    /// SIP account: authentication user and user part of the address of record.
    pub name: String,
    /// SIP password. Always a string on the wire, or the browser library throws.
    pub password: String,
    /// Host of the SIP WebSocket, for pages that do not name one themselves.
    pub xivo_ip: String,
    /// A desk phone belongs to the line.
    pub has_device: bool,
    /// The line is used from a browser.
    pub web_rtc: bool,
    /// The line is used from a desk phone and from a browser in turn ("unique account").
    pub ua: bool,
    /// The user has a registered mobile application.
    pub mobile_app: bool,
    /// Vendor of the desk phone.
    pub vendor: Option<String>,
    /// The SIP domain: `default` for the main server, else the name of a media server.
    pub sip_proxy_name: String,
    /// Appended to the realm if given.
    pub sip_port: Option<String>,
}

impl LineConfig {
    /// The answer for a user without a line.
    pub fn missing() -> Self {
        LineConfig {
            id: "-".to_owned(),
            number: String::new(),
            name: String::new(),
            password: String::new(),
            xivo_ip: String::new(),
            has_device: false,
            web_rtc: false,
            ua: false,
            mobile_app: false,
            vendor: None,
            sip_proxy_name: "default".to_owned(),
            sip_port: None,
        }
    }

    /// Whether the user has no line.
    pub fn is_missing(&self) -> bool {
        self.id == "-"
    }

    pub(crate) fn to_json(&self) -> String {
        Object::new()
            .text("id", &self.id)
            .text("number", &self.number)
            .text("name", &self.name)
            .text("password", &self.password)
            .text("xivoIp", &self.xivo_ip)
            .flag("hasDevice", self.has_device)
            .flag("webRtc", self.web_rtc)
            .flag("ua", self.ua)
            .flag("mobileApp", self.mobile_app)
            .text_or_null("vendor", self.vendor.as_deref())
            .text("sipProxyName", &self.sip_proxy_name)
            .text_or_null("sipPort", self.sip_port.as_deref())
            .end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "LineConfig")?;
        Ok(LineConfig {
            id: fields.text("id")?,
            number: fields.text_or_empty("number")?,
            name: fields.text_or_empty("name")?,
            password: fields.text_or_empty("password")?,
            xivo_ip: fields.text_or_empty("xivoIp")?,
            has_device: fields.flag("hasDevice")?,
            web_rtc: fields.flag("webRtc")?,
            ua: fields.flag("ua")?,
            mobile_app: fields.flag("mobileApp")?,
            vendor: fields.text_if_given("vendor")?,
            sip_proxy_name: fields.text_if_given("sipProxyName")?.unwrap_or_else(|| "default".to_owned()),
            sip_port: fields.text_if_given("sipPort")?,
        })
    }
}

/// The password stays out of it.
impl fmt::Debug for LineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("LineConfig");
        fields.field("id", &self.id).field("number", &self.number).field("name", &self.name);
        fields.field("web_rtc", &self.web_rtc).field("sip_proxy_name", &self.sip_proxy_name);
        fields.finish_non_exhaustive()
    }
}

/// ICE servers for the browser. Without any the page uses none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceConfig {
    /// Absent from the wire, not null, when there is none.
    pub stun: Option<StunConfig>,
    /// Absent from the wire, not null, when there is none.
    pub turn: Option<TurnConfig>,
}

/// STUN servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunConfig {
    /// `stun:` URIs (RFC 7064).
    pub urls: Vec<String>,
}

/// TURN servers and an account on them that holds for a while.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnConfig {
    /// `turn:` and `turns:` URIs (RFC 7065).
    pub urls: Vec<String>,
    /// Account name.
    pub username: String,
    /// Account password.
    pub credential: String,
    /// Seconds for which the account holds; the page asks again after half of it.
    pub ttl: i64,
}

impl IceConfig {
    pub(crate) fn to_json(&self) -> String {
        let mut object = Object::new();
        if let Some(stun) = &self.stun {
            object = object.raw("stunConfig", &Object::new().texts("urls", &stun.urls).end());
        }
        if let Some(turn) = &self.turn {
            let json = Object::new()
                .texts("urls", &turn.urls)
                .text("username", &turn.username)
                .text("credential", &turn.credential)
                .integer("ttl", turn.ttl)
                .end();
            object = object.raw("turnConfig", &json);
        }
        object.end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "IceConfig")?;
        let stun = fields.value("stunConfig").map(|value| {
            let fields = Fields::of(value, "stunConfig")?;
            Ok(StunConfig { urls: fields.texts("urls")? })
        });
        let turn = fields.value("turnConfig").map(|value| {
            let fields = Fields::of(value, "turnConfig")?;
            Ok(TurnConfig {
                urls: fields.texts("urls")?,
                username: fields.text_or_empty("username")?,
                credential: fields.text_or_empty("credential")?,
                ttl: fields.integer("ttl")?,
            })
        });
        Ok(IceConfig { stun: stun.transpose()?, turn: turn.transpose()? })
    }
}

/// The credential stays out of it.
impl fmt::Debug for TurnConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnConfig").field("urls", &self.urls).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// What the server asks of a browser phone. Each names a call by its SIP Call-ID (RFC 3261 §20.8); none means the
/// only, the ringing or the first call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebRtcCommand {
    /// Answer the call.
    Answer {
        /// Which call.
        sip_call_id: Option<String>,
    },
    /// Hold the call or take it back.
    Hold {
        /// Which call.
        sip_call_id: Option<String>,
    },
    /// Send one DTMF.
    SendDtmf {
        /// Which call.
        sip_call_id: Option<String>,
        /// One of `0-9 * # A-D`.
        key: char,
    },
    /// Mute or unmute the microphone.
    ToggleMicrophone {
        /// Which call.
        sip_call_id: Option<String>,
    },
    /// A command of a newer server; pages ignore it.
    Unknown {
        /// The text of `command`.
        name: String,
    },
}

impl WebRtcCommand {
    fn name(&self) -> &str {
        match self {
            WebRtcCommand::Answer { .. } => "Answer",
            WebRtcCommand::Hold { .. } => "Hold",
            WebRtcCommand::SendDtmf { .. } => "SendDtmf",
            WebRtcCommand::ToggleMicrophone { .. } => "ToggleMicrophone",
            WebRtcCommand::Unknown { name } => name,
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let object = Object::new().text("command", self.name());
        match self {
            WebRtcCommand::Answer { sip_call_id }
            | WebRtcCommand::Hold { sip_call_id }
            | WebRtcCommand::ToggleMicrophone { sip_call_id } => {
                object.text_if_given("sipCallId", sip_call_id.as_deref())
            }
            WebRtcCommand::SendDtmf { sip_call_id, key } => object
                .text_if_given("sipCallId", sip_call_id.as_deref())
                .text("key", key.encode_utf8(&mut [0; 4])),
            WebRtcCommand::Unknown { .. } => object,
        }
        .end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "WebRTCCmd")?;
        let name = fields.text("command")?;
        let sip_call_id = fields.text_if_given("sipCallId")?;
        Ok(match name.as_str() {
            "Answer" => WebRtcCommand::Answer { sip_call_id },
            "Hold" => WebRtcCommand::Hold { sip_call_id },
            "SendDtmf" => WebRtcCommand::SendDtmf { sip_call_id, key: dtmf_key(&fields.text("key")?)? },
            "ToggleMicrophone" => WebRtcCommand::ToggleMicrophone { sip_call_id },
            _ => WebRtcCommand::Unknown { name },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let line = LineConfig { password: "hidden".into(), ..LineConfig::missing() };
        let turn = TurnConfig { urls: vec![], username: "u".into(), credential: "hidden".into(), ttl: 1 };
        assert!(!format!("{line:?} {turn:?}").contains("hidden"));
    }
}
