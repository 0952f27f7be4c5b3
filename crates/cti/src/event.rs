//! What the server tells a page (chapter 4 of the protocol).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::json::{self, Fields, Object};
use crate::user::{preferences_from_value, preferences_to_json};
use crate::{
    CtiStatus, IceConfig, LineConfig, List, LoggedOnError, Malformed, PhoneEvent, PhoneStatus, Preference,
    RightProfile, UserConfigUpdate, UserStatus, VoiceMailStatus, WebRtcCommand,
};

/// A message from the server to a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The answer to a heartbeat: its echo, outside of the envelope.
    Ping,
    /// The session is there; comes first.
    LoggedOn,
    /// The session did not come about; the server closes the socket.
    LoggedOnError(LoggedOnError),
    /// A command was not done, or was not understood.
    Error {
        /// A text or a code.
        error: String,
    },
    /// What the user may do.
    RightProfile(RightProfile),
    /// Settings of the user, all or some.
    UserConfigUpdate(UserConfigUpdate),
    /// The presence statuses to choose from, in the older form.
    UsersStatuses(Vec<UserStatus>),
    /// The presence statuses to choose from, in the newer form.
    CtiStatuses(Vec<CtiStatus>),
    /// The user's own presence.
    UserStatusUpdate {
        /// Name of the status.
        status: Option<String>,
    },
    /// Preferences of the user by key.
    UserPreference(BTreeMap<String, Preference>),
    /// What a user is called.
    UserDisplayName {
        /// The CTI login that was asked for.
        user_name: String,
        /// First and last name.
        display_name: String,
    },
    /// Messages in the voicemail.
    VoiceMailStatusUpdate(VoiceMailStatus),
    /// State of the user's phone.
    PhoneStatusUpdate {
        /// `None` when the user has no line. An unknown number is read as [`PhoneStatus::Error`].
        status: Option<PhoneStatus>,
    },
    /// Something happened to one of the user's calls.
    PhoneEvent(PhoneEvent),
    /// One event per living call, saying its present state.
    CurrentCallsPhoneEvents {
        /// The events.
        events: Vec<PhoneEvent>,
    },
    /// The user's line.
    LineConfig(LineConfig),
    /// STUN and TURN servers.
    IceConfig(IceConfig),
    /// The page shall act on its browser call.
    WebRtcCmd(WebRtcCommand),
    /// The answer to `getList` where there is nothing to list.
    EmptyList(List),
    /// A message that this crate has no type for.
    Other {
        /// The `msgType`, empty if there is none.
        msg_type: String,
    },
}

impl Event {
    /// The text of `msgType`; empty for the heartbeat.
    pub fn msg_type(&self) -> &str {
        match self {
            Event::Ping => "",
            Event::LoggedOn => "LoggedOn",
            Event::LoggedOnError(_) => "LoggedOnError",
            Event::Error { .. } => "Error",
            Event::RightProfile(_) => "RightProfile",
            Event::UserConfigUpdate(_) => "UserConfigUpdate",
            Event::UsersStatuses(_) => "UsersStatuses",
            Event::CtiStatuses(_) => "CtiStatuses",
            Event::UserStatusUpdate { .. } => "UserStatusUpdate",
            Event::UserPreference(_) => "UserPreference",
            Event::UserDisplayName { .. } => "UserDisplayName",
            Event::VoiceMailStatusUpdate(_) => "VoiceMailStatusUpdate",
            Event::PhoneStatusUpdate { .. } => "PhoneStatusUpdate",
            Event::PhoneEvent(_) => "PhoneEvent",
            Event::CurrentCallsPhoneEvents { .. } => "CurrentCallsPhoneEvents",
            Event::LineConfig(_) => "LineConfig",
            Event::IceConfig(_) => "IceConfig",
            Event::WebRtcCmd(_) => "WebRTCCmd",
            Event::EmptyList(list) => list.answer().unwrap_or("Error"),
            Event::Other { msg_type } => msg_type,
        }
    }

    /// The frame to send.
    pub fn to_json(&self) -> String {
        match self {
            Event::Ping => Object::new().text("claz", "ping").end(),
            _ => Object::new().text("msgType", self.msg_type()).raw("ctiMessage", &self.message()).end(),
        }
    }

    fn message(&self) -> String {
        match self {
            Event::Ping | Event::LoggedOn | Event::Other { .. } => Object::new().end(),
            Event::LoggedOnError(error) => Object::new().text("Error", error.as_str()).end(),
            Event::Error { error } => Object::new().text("Error", error).end(),
            Event::RightProfile(profile) => profile.to_json(),
            Event::UserConfigUpdate(update) => update.to_json(),
            Event::UsersStatuses(statuses) => json::array(statuses, UserStatus::to_json),
            Event::CtiStatuses(statuses) => json::array(statuses, CtiStatus::to_json),
            Event::UserStatusUpdate { status } => {
                Object::new().text_or_null("status", status.as_deref()).end()
            }
            Event::UserPreference(preferences) => preferences_to_json(preferences),
            Event::UserDisplayName { user_name, display_name } => {
                Object::new().text("userName", user_name).text("displayName", display_name).end()
            }
            Event::VoiceMailStatusUpdate(status) => status.to_json(),
            Event::PhoneStatusUpdate { status: Some(status) } => {
                Object::new().integer("status", status.number()).end()
            }
            Event::PhoneStatusUpdate { status: None } => Object::new().raw("status", "null").end(),
            Event::PhoneEvent(event) => event.to_json(),
            Event::CurrentCallsPhoneEvents { events } => {
                Object::new().raw("events", &json::array(events, PhoneEvent::to_json)).end()
            }
            Event::LineConfig(line) => line.to_json(),
            Event::IceConfig(ice) => ice.to_json(),
            Event::WebRtcCmd(command) => command.to_json(),
            Event::EmptyList(list) if list.answer().is_some() => "[]".to_owned(),
            Event::EmptyList(_) => Object::new().text("Error", "unknown objectType").end(),
        }
    }

    /// Reads one text frame of a server, as leniently as [`Command::parse`](crate::Command::parse) does; besides,
    /// members that not every server sends may be absent.
    ///
    /// # Errors
    /// [`Malformed`] if the text is no JSON object, is nested deeper than [`Malformed::DEPTH_LIMIT`], or if a message of
    /// a known type lacks what makes it understandable. A page drops such a frame and goes on.
    pub fn parse(text: &str) -> Result<Event, Malformed> {
        let frame = json::read(text)?;
        let envelope = Fields::of(&frame, "frame")?;
        if envelope.value("claz").and_then(Value::as_str) == Some("ping") {
            return Ok(Event::Ping);
        }
        let msg_type = envelope.text_or_empty("msgType")?;
        let message = envelope.value("ctiMessage").unwrap_or(&Value::Null);
        let fields = || Fields::of(message, "ctiMessage");
        Ok(match msg_type.as_str() {
            "LoggedOn" => Event::LoggedOn,
            "LoggedOnError" => {
                Event::LoggedOnError(LoggedOnError::from_name(&fields()?.text_or_empty("Error")?))
            }
            "Error" => Event::Error { error: fields()?.text_or_empty("Error")? },
            "RightProfile" => Event::RightProfile(RightProfile::from_value(message)?),
            "UserConfigUpdate" => Event::UserConfigUpdate(UserConfigUpdate::from_value(message)?),
            "UsersStatuses" => Event::UsersStatuses(each(message, UserStatus::from_value)?),
            "CtiStatuses" => Event::CtiStatuses(each(message, CtiStatus::from_value)?),
            "UserStatusUpdate" => Event::UserStatusUpdate { status: fields()?.text_if_given("status")? },
            "UserPreference" => Event::UserPreference(preferences_from_value(message)?),
            "UserDisplayName" => Event::UserDisplayName {
                user_name: fields()?.text("userName")?,
                display_name: fields()?.text_or_empty("displayName")?,
            },
            "VoiceMailStatusUpdate" => Event::VoiceMailStatusUpdate(VoiceMailStatus::from_value(message)?),
            "PhoneStatusUpdate" => {
                let number = fields()?.integer_if_given("status")?;
                let status =
                    number.map(|number| PhoneStatus::from_number(number).unwrap_or(PhoneStatus::Error));
                Event::PhoneStatusUpdate { status }
            }
            "PhoneEvent" => Event::PhoneEvent(PhoneEvent::from_value(message)?),
            "CurrentCallsPhoneEvents" => {
                let events = fields()?.array("events")?;
                let events = events.iter().map(PhoneEvent::from_value).collect::<Result<_, _>>()?;
                Event::CurrentCallsPhoneEvents { events }
            }
            "LineConfig" => Event::LineConfig(LineConfig::from_value(message)?),
            "IceConfig" => Event::IceConfig(IceConfig::from_value(message)?),
            "WebRTCCmd" => Event::WebRtcCmd(WebRtcCommand::from_value(message)?),
            _ => match List::from_answer(&msg_type) {
                Some(list) if message.as_array().is_some_and(Vec::is_empty) => Event::EmptyList(list),
                _ => Event::Other { msg_type },
            },
        })
    }
}

fn each<T>(message: &Value, read: fn(&Value) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
    json::array_of(message, "ctiMessage")?.iter().map(read).collect()
}
