//! What a page asks of the server (chapter 3 of the protocol).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::{self, Fields, Object};
use crate::{ConfigObject, Forward, List, Malformed};

/// A wish of the page. Whether it is granted is told by events, not by a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The heartbeat; any frame answers it.
    Ping,
    /// Asks for a configuration.
    GetConfig {
        /// Which one.
        object: ConfigObject,
    },
    /// Asks for STUN and TURN servers.
    GetIceConfig,
    /// Asks for a list and its later changes.
    GetList {
        /// Which one.
        list: List,
    },
    /// Asks what the user of that login is called.
    DisplayNameLookup {
        /// The CTI login.
        username: String,
    },
    /// Leaves a line in the server's log.
    PushLogToServer {
        /// As the page's logger calls it: `error`, `warn`, `info`, `debug`.
        level: String,
        /// The line. An object is taken as its JSON text.
        log: String,
    },
    /// Calls a number from the user's phone.
    Dial {
        /// As typed; not yet checked to be a number.
        destination: String,
        /// Data to attach to the call.
        variables: BTreeMap<String, String>,
    },
    /// Answers a ringing call.
    Answer {
        /// Which call; none means the ringing one.
        unique_id: Option<String>,
    },
    /// Hangs up a call.
    Hangup {
        /// Which call; none means the current one.
        unique_id: Option<String>,
    },
    /// Holds a call or takes it back.
    Hold {
        /// Which call; none means the current one.
        unique_id: Option<String>,
    },
    /// Mutes or unmutes the microphone of a browser call.
    ToggleMicrophone {
        /// Which call; none means the current one.
        unique_id: Option<String>,
    },
    /// Sends one DTMF on the current call.
    SendDtmf {
        /// One of `0-9 * # A-D`.
        key: char,
    },
    /// Asks for one event per living call.
    GetCurrentCallsPhoneEvents,
    /// Attaches data to the current calls.
    SetData {
        /// The data, without or with the prefix `USR_`.
        variables: BTreeMap<String, String>,
    },
    /// Sends the current call to another number.
    DirectTransfer {
        /// As typed.
        destination: String,
    },
    /// Holds the current call and calls another number.
    AttendedTransfer {
        /// As typed.
        destination: String,
        /// From which device of the user.
        device: Option<String>,
    },
    /// Joins the two calls of a transfer; the user leaves.
    CompleteTransfer,
    /// Ends the second call of a transfer and returns to the first.
    CancelTransfer,
    /// Joins the user's two calls to a conference of three.
    Conference,
    /// Do not disturb, on or off.
    Dnd {
        /// Whether it is on.
        state: bool,
    },
    /// The forward when there is no answer.
    NaFwd {
        /// Whether, and where to.
        forward: Forward,
    },
    /// The forward of all calls.
    UncFwd {
        /// Whether, and where to.
        forward: Forward,
    },
    /// The forward when busy.
    BusyFwd {
        /// Whether, and where to.
        forward: Forward,
    },
    /// A command that we do not know. Its fields are dropped.
    Unknown {
        /// The text of `command`.
        name: String,
    },
}

/// Reads one text frame of a page; see [`Command::parse`].
///
/// # Errors
/// Those of [`Command::parse`].
pub fn parse(text: &str) -> Result<Command, Malformed> {
    Command::parse(text)
}

impl Command {
    /// Reads one text frame of a page.
    ///
    /// Numbers may come as strings and strings as numbers, null counts as absent, an empty optional text as
    /// not given, and fields that the command does not know are ignored. Of a key that is given twice the last
    /// value holds.
    ///
    /// # Errors
    /// [`Malformed`] if the text is no JSON object, is nested deeper than [`Malformed::DEPTH_LIMIT`], has no usable
    /// `claz` or `command`, or if a field that the command needs is absent or of another type.
    pub fn parse(text: &str) -> Result<Command, Malformed> {
        let frame = json::read(text)?;
        let fields = Fields::of(&frame, "frame")?;
        match fields.value("claz").and_then(Value::as_str) {
            Some("ping") => Ok(Command::Ping),
            Some("web") => Command::from_fields(fields.text("command")?, fields),
            _ => Err(Malformed::Claz),
        }
    }

    fn from_fields(name: String, fields: Fields<'_>) -> Result<Command, Malformed> {
        let unique_id = || fields.text_if_given("uniqueId");
        Ok(match name.as_str() {
            "getConfig" => Command::GetConfig { object: ConfigObject::from_name(fields.text("objectType")?) },
            "getIceConfig" => Command::GetIceConfig,
            "getList" => Command::GetList { list: List::from_name(fields.text("objectType")?) },
            "displayNameLookup" => Command::DisplayNameLookup { username: fields.text("username")? },
            "pushLogToServer" => Command::PushLogToServer { level: fields.text("level")?, log: log(fields)? },
            "dial" => Command::Dial {
                destination: fields.text("destination")?,
                variables: fields.text_map("variables")?,
            },
            "answer" => Command::Answer { unique_id: unique_id()? },
            "hangup" => Command::Hangup { unique_id: unique_id()? },
            "hold" => Command::Hold { unique_id: unique_id()? },
            "toggleMicrophone" => Command::ToggleMicrophone { unique_id: unique_id()? },
            "sendDtmf" => Command::SendDtmf { key: dtmf_key(&fields.text("key")?)? },
            "getCurrentCallsPhoneEvents" => Command::GetCurrentCallsPhoneEvents,
            "setData" => Command::SetData { variables: fields.text_map("variables")? },
            "directTransfer" => Command::DirectTransfer { destination: fields.text("destination")? },
            "attendedTransfer" => Command::AttendedTransfer {
                destination: fields.text("destination")?,
                device: fields.text_if_given("device")?,
            },
            "completeTransfer" => Command::CompleteTransfer,
            "cancelTransfer" => Command::CancelTransfer,
            "conference" => Command::Conference,
            "dnd" => Command::Dnd { state: fields.flag("state")? },
            "naFwd" => Command::NaFwd { forward: forward(fields)? },
            "uncFwd" => Command::UncFwd { forward: forward(fields)? },
            "busyFwd" => Command::BusyFwd { forward: forward(fields)? },
            _ => Command::Unknown { name },
        })
    }

    /// The text of `command`; that of the heartbeat, which has none, is `ping`.
    pub fn name(&self) -> &str {
        match self {
            Command::Ping => "ping",
            Command::GetConfig { .. } => "getConfig",
            Command::GetIceConfig => "getIceConfig",
            Command::GetList { .. } => "getList",
            Command::DisplayNameLookup { .. } => "displayNameLookup",
            Command::PushLogToServer { .. } => "pushLogToServer",
            Command::Dial { .. } => "dial",
            Command::Answer { .. } => "answer",
            Command::Hangup { .. } => "hangup",
            Command::Hold { .. } => "hold",
            Command::ToggleMicrophone { .. } => "toggleMicrophone",
            Command::SendDtmf { .. } => "sendDtmf",
            Command::GetCurrentCallsPhoneEvents => "getCurrentCallsPhoneEvents",
            Command::SetData { .. } => "setData",
            Command::DirectTransfer { .. } => "directTransfer",
            Command::AttendedTransfer { .. } => "attendedTransfer",
            Command::CompleteTransfer => "completeTransfer",
            Command::CancelTransfer => "cancelTransfer",
            Command::Conference => "conference",
            Command::Dnd { .. } => "dnd",
            Command::NaFwd { .. } => "naFwd",
            Command::UncFwd { .. } => "uncFwd",
            Command::BusyFwd { .. } => "busyFwd",
            Command::Unknown { name } => name,
        }
    }

    /// The frame exactly as the JavaScript library sends it: what is not given is absent.
    pub fn to_json(&self) -> String {
        if matches!(self, Command::Ping) {
            return Object::new().text("claz", "ping").end();
        }
        let frame = Object::new().text("claz", "web").text("command", self.name());
        match self {
            Command::GetConfig { object } => frame.text("objectType", object.as_str()),
            Command::GetList { list } => frame.text("objectType", list.as_str()),
            Command::DisplayNameLookup { username } => frame.text("username", username),
            Command::PushLogToServer { level, log } => frame.text("level", level).text("log", log),
            Command::Dial { destination, variables } if variables.is_empty() => {
                frame.text("destination", destination)
            }
            Command::Dial { destination, variables } => {
                frame.text("destination", destination).text_map("variables", variables)
            }
            Command::Answer { unique_id }
            | Command::Hangup { unique_id }
            | Command::Hold { unique_id }
            | Command::ToggleMicrophone { unique_id } => {
                frame.text_if_given("uniqueId", unique_id.as_deref())
            }
            Command::SendDtmf { key } => frame.text("key", key.encode_utf8(&mut [0; 4])),
            Command::SetData { variables } => frame.text_map("variables", variables),
            Command::DirectTransfer { destination } => frame.text("destination", destination),
            Command::AttendedTransfer { destination, device } => {
                frame.text("destination", destination).text_if_given("device", device.as_deref())
            }
            Command::Dnd { state } => frame.flag("state", *state),
            Command::NaFwd { forward } | Command::UncFwd { forward } | Command::BusyFwd { forward } => {
                frame.flag("state", forward.enabled).text("destination", &forward.destination)
            }
            Command::Ping
            | Command::GetIceConfig
            | Command::GetCurrentCallsPhoneEvents
            | Command::CompleteTransfer
            | Command::CancelTransfer
            | Command::Conference
            | Command::Unknown { .. } => frame,
        }
        .end()
    }
}

/// One that is switched off may come without a destination.
fn forward(fields: Fields<'_>) -> Result<Forward, Malformed> {
    let enabled = fields.flag("state")?;
    let destination = fields.text_if_given("destination")?.unwrap_or_default();
    Ok(Forward { enabled, destination })
}

fn log(fields: Fields<'_>) -> Result<String, Malformed> {
    match fields.value("log") {
        Some(value @ (Value::Object(_) | Value::Array(_))) => Ok(value.to_string()),
        _ => fields.text("log"),
    }
}

/// Small letters are taken for the capital ones.
pub(crate) fn dtmf_key(text: &str) -> Result<char, Malformed> {
    let mut chars = text.chars();
    match (chars.next().map(|key| key.to_ascii_uppercase()), chars.next()) {
        (Some(key @ ('0'..='9' | '*' | '#' | 'A'..='D')), None) => Ok(key),
        _ => Err(Malformed::Wrong { field: "key", expected: "one of 0-9 * # A-D" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(members: &[(&str, &str)]) -> BTreeMap<String, String> {
        members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn each_command() -> Vec<(Command, &'static str)> {
        let id = || Some("1893456012.319".to_owned());
        vec![
            (Command::Ping, r#"{"claz":"ping"}"#),
            (
                Command::GetConfig { object: ConfigObject::Line },
                r#"{"claz":"web","command":"getConfig","objectType":"line"}"#,
            ),
            (Command::GetIceConfig, r#"{"claz":"web","command":"getIceConfig"}"#),
            (
                Command::GetList { list: List::QueueMember },
                r#"{"claz":"web","command":"getList","objectType":"queuemember"}"#,
            ),
            (
                Command::DisplayNameLookup { username: "ldupin".into() },
                r#"{"claz":"web","command":"displayNameLookup","username":"ldupin"}"#,
            ),
            (
                Command::PushLogToServer { level: "warn".into(), log: "no \"microphone\"".into() },
                r#"{"claz":"web","command":"pushLogToServer","level":"warn","log":"no \"microphone\""}"#,
            ),
            (
                Command::Dial { destination: "2417".into(), variables: variables(&[("USR_CASE", "A-77")]) },
                r#"{"claz":"web","command":"dial","destination":"2417","variables":{"USR_CASE":"A-77"}}"#,
            ),
            (
                Command::Dial { destination: "*55".into(), variables: BTreeMap::new() },
                r#"{"claz":"web","command":"dial","destination":"*55"}"#,
            ),
            (Command::Answer { unique_id: None }, r#"{"claz":"web","command":"answer"}"#),
            (
                Command::Answer { unique_id: id() },
                r#"{"claz":"web","command":"answer","uniqueId":"1893456012.319"}"#,
            ),
            (
                Command::Hangup { unique_id: id() },
                r#"{"claz":"web","command":"hangup","uniqueId":"1893456012.319"}"#,
            ),
            (
                Command::Hold { unique_id: id() },
                r#"{"claz":"web","command":"hold","uniqueId":"1893456012.319"}"#,
            ),
            (
                Command::ToggleMicrophone { unique_id: id() },
                r#"{"claz":"web","command":"toggleMicrophone","uniqueId":"1893456012.319"}"#,
            ),
            (Command::SendDtmf { key: '#' }, r##"{"claz":"web","command":"sendDtmf","key":"#"}"##),
            (Command::GetCurrentCallsPhoneEvents, r#"{"claz":"web","command":"getCurrentCallsPhoneEvents"}"#),
            (
                Command::SetData { variables: variables(&[("CASE", "A-77"), ("USR_VIP", "1")]) },
                r#"{"claz":"web","command":"setData","variables":{"CASE":"A-77","USR_VIP":"1"}}"#,
            ),
            (
                Command::DirectTransfer { destination: "2451".into() },
                r#"{"claz":"web","command":"directTransfer","destination":"2451"}"#,
            ),
            (
                Command::AttendedTransfer { destination: "2451".into(), device: None },
                r#"{"claz":"web","command":"attendedTransfer","destination":"2451"}"#,
            ),
            (
                Command::AttendedTransfer { destination: "2451".into(), device: Some("webrtc".into()) },
                r#"{"claz":"web","command":"attendedTransfer","destination":"2451","device":"webrtc"}"#,
            ),
            (Command::CompleteTransfer, r#"{"claz":"web","command":"completeTransfer"}"#),
            (Command::CancelTransfer, r#"{"claz":"web","command":"cancelTransfer"}"#),
            (Command::Conference, r#"{"claz":"web","command":"conference"}"#),
            (Command::Dnd { state: true }, r#"{"claz":"web","command":"dnd","state":true}"#),
            (
                Command::NaFwd { forward: Forward { enabled: true, destination: "2451".into() } },
                r#"{"claz":"web","command":"naFwd","state":true,"destination":"2451"}"#,
            ),
            (
                Command::UncFwd { forward: Forward { enabled: false, destination: "2451".into() } },
                r#"{"claz":"web","command":"uncFwd","state":false,"destination":"2451"}"#,
            ),
            (
                Command::BusyFwd { forward: Forward { enabled: false, destination: String::new() } },
                r#"{"claz":"web","command":"busyFwd","state":false,"destination":""}"#,
            ),
            (Command::Unknown { name: "makeCoffee".into() }, r#"{"claz":"web","command":"makeCoffee"}"#),
        ]
    }

    #[test]
    fn each_command_is_written_as_the_library_does_and_read_back() {
        for (command, json) in each_command() {
            assert_eq!(command.to_json(), json);
            assert_eq!(parse(json), Ok(command));
        }
    }

    #[test]
    fn reading_is_lenient() {
        for (json, command) in [
            (
                r#"{"command":"dial","x":[1],"destination":2417,"claz":"web","variables":null}"#,
                Command::Dial { destination: "2417".into(), variables: BTreeMap::new() },
            ),
            (
                r#"{"claz":"web","command":"dial","destination":"1","variables":{"a":1,"b":null,"c":true}}"#,
                Command::Dial { destination: "1".into(), variables: variables(&[("a", "1"), ("c", "true")]) },
            ),
            (r#"{"claz":"web","command":"hold","uniqueId":null}"#, Command::Hold { unique_id: None }),
            (r#"{"claz":"web","command":"hold","uniqueId":""}"#, Command::Hold { unique_id: None }),
            (r#"{"claz":"web","command":"sendDtmf","key":5}"#, Command::SendDtmf { key: '5' }),
            (r#"{"claz":"web","command":"sendDtmf","key":"d"}"#, Command::SendDtmf { key: 'D' }),
            (
                r#"{"claz":"web","command":"pushLogToServer","level":"info","log":{"a":[1]}}"#,
                Command::PushLogToServer { level: "info".into(), log: r#"{"a":[1]}"#.into() },
            ),
            (
                r#"{"claz":"web","command":"getConfig","objectType":"queue"}"#,
                Command::GetConfig { object: ConfigObject::Other("queue".into()) },
            ),
            (
                r#"{"claz":"web","command":"makeCoffee","sugar":{"lumps":2}}"#,
                Command::Unknown { name: "makeCoffee".into() },
            ),
            (r#"{"claz":"ping","command":"dial"}"#, Command::Ping),
        ] {
            assert_eq!(parse(json), Ok(command), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (json, text) in [
            ("dial", "not JSON: line 1, column 1"),
            ("[]", "frame must be an object"),
            ("null", "frame must be an object"),
            (r#"{"command":"dial"}"#, "claz must be \"web\" or \"ping\""),
            (r#"{"claz":"Web","command":"dial"}"#, "claz must be \"web\" or \"ping\""),
            (r#"{"claz":"web"}"#, "command is missing"),
            (r#"{"claz":"web","command":["dial"]}"#, "command must be a string"),
            (r#"{"claz":"web","command":"dial","destination":null}"#, "destination is missing"),
            (r#"{"claz":"web","command":"dial","destination":{}}"#, "destination must be a string"),
            (
                r#"{"claz":"web","command":"dial","destination":"1","variables":[]}"#,
                "variables must be an object",
            ),
            (r#"{"claz":"web","command":"setData","variables":{"a":{}}}"#, "variables must be a string"),
            (r#"{"claz":"web","command":"sendDtmf","key":"55"}"#, "key must be one of 0-9 * # A-D"),
            (r#"{"claz":"web","command":"sendDtmf","key":"x"}"#, "key must be one of 0-9 * # A-D"),
        ] {
            assert_eq!(parse(json).unwrap_err().to_string(), text, "{json}");
        }
    }
}
