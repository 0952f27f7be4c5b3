//! The user: rights, settings, presence, voicemail (chapter 4.2 of the protocol).

use std::collections::BTreeMap;

use model::{AgentId, LineId, Role, UserId};
use serde_json::Value;

use crate::Malformed;
use crate::json::{self, Fields, Object};

/// Settings of the user. The full form comes after login, later only what has changed.
///
/// What is `None` is absent from the wire and means "unchanged". In the full form, which is the one with a
/// `full_name`, `agentId` and `voiceMailId` are written as null when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserConfigUpdate {
    /// Whose settings these are.
    pub user_id: UserId,
    /// First and last name as shown. Only the full form has it.
    pub full_name: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Number of the user's mobile phone.
    pub mobile_number: Option<String>,
    /// The user's lines.
    pub line_ids: Option<Vec<LineId>>,
    /// The agent that the user is.
    pub agent_id: Option<AgentId>,
    /// The user's voicemail box.
    pub voice_mail_id: Option<i64>,
    /// Whether the voicemail takes calls.
    pub voice_mail_enabled: Option<bool>,
    /// Do not disturb.
    pub dnd_enabled: Option<bool>,
    /// Forward when there is no answer.
    pub no_answer_forward: Option<Forward>,
    /// Forward of all calls.
    pub unconditional_forward: Option<Forward>,
    /// Forward when busy.
    pub busy_forward: Option<Forward>,
}

/// A forward of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// Whether it is in force.
    pub enabled: bool,
    /// Where to; kept while not in force, and may be empty.
    pub destination: String,
}

impl UserConfigUpdate {
    /// An update that says nothing yet.
    pub fn of(user_id: UserId) -> Self {
        UserConfigUpdate {
            user_id,
            full_name: None,
            first_name: None,
            last_name: None,
            mobile_number: None,
            line_ids: None,
            agent_id: None,
            voice_mail_id: None,
            voice_mail_enabled: None,
            dnd_enabled: None,
            no_answer_forward: None,
            unconditional_forward: None,
            busy_forward: None,
        }
    }

    /// Whether this is the full form.
    pub fn is_full(&self) -> bool {
        self.full_name.is_some()
    }

    pub(crate) fn to_json(&self) -> String {
        let lines = self.line_ids.as_deref().map(|ids| json::array(ids, |id| id.0.to_string()));
        let mut object = Object::new()
            .integer("userId", self.user_id.0)
            .text_if_given("fullName", self.full_name.as_deref())
            .text_if_given("firstName", self.first_name.as_deref())
            .text_if_given("lastName", self.last_name.as_deref())
            .text_if_given("mobileNumber", self.mobile_number.as_deref());
        if let Some(lines) = lines {
            object = object.raw("lineIds", &lines);
        }
        for (field, id) in [("agentId", self.agent_id.map(|id| id.0)), ("voiceMailId", self.voice_mail_id)] {
            object = match id {
                Some(id) => object.integer(field, id),
                None if self.is_full() => object.raw(field, "null"),
                None => object,
            };
        }
        for (field, flag) in [("voiceMailEnabled", self.voice_mail_enabled), ("dndEnabled", self.dnd_enabled)]
        {
            if let Some(flag) = flag {
                object = object.flag(field, flag);
            }
        }
        for (enabled, destination, forward) in [
            ("naFwdEnabled", "naFwdDestination", &self.no_answer_forward),
            ("uncFwdEnabled", "uncFwdDestination", &self.unconditional_forward),
            ("busyFwdEnabled", "busyFwdDestination", &self.busy_forward),
        ] {
            if let Some(forward) = forward {
                object = object.flag(enabled, forward.enabled).text(destination, &forward.destination);
            }
        }
        object.end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "UserConfigUpdate")?;
        let text = |field| fields.value(field).map(|_| fields.text(field)).transpose();
        let lines = fields.value("lineIds").map(|value| {
            let ids = json::array_of(value, "lineIds")?;
            ids.iter().map(|id| json::integer_of(id, "lineIds").map(LineId)).collect()
        });
        Ok(UserConfigUpdate {
            user_id: UserId(fields.integer("userId")?),
            full_name: text("fullName")?,
            first_name: text("firstName")?,
            last_name: text("lastName")?,
            mobile_number: text("mobileNumber")?,
            line_ids: lines.transpose()?,
            agent_id: fields.integer_if_given("agentId")?.filter(|id| *id != 0).map(AgentId),
            voice_mail_id: fields.integer_if_given("voiceMailId")?,
            voice_mail_enabled: fields.flag_if_given("voiceMailEnabled")?,
            dnd_enabled: fields.flag_if_given("dndEnabled")?,
            no_answer_forward: forward(fields, "naFwdEnabled", "naFwdDestination")?,
            unconditional_forward: forward(fields, "uncFwdEnabled", "uncFwdDestination")?,
            busy_forward: forward(fields, "busyFwdEnabled", "busyFwdDestination")?,
        })
    }
}

/// A forward without a destination is unchanged.
fn forward(
    fields: Fields<'_>,
    enabled: &'static str,
    destination: &'static str,
) -> Result<Option<Forward>, Malformed> {
    if fields.value(destination).is_none() {
        return Ok(None);
    }
    Ok(Some(Forward { enabled: fields.flag(enabled)?, destination: fields.text(destination)? }))
}

/// The user's security profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Sees and steers everything.
    Admin,
    /// Sees and steers what is given to him.
    Supervisor,
    /// For the recording application; an ordinary user here.
    Teacher,
    /// An ordinary user. Any unknown text counts as this.
    NoRight,
}

impl Profile {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Admin => "Admin",
            Profile::Supervisor => "Supervisor",
            Profile::Teacher => "Teacher",
            Profile::NoRight => "NoRight",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "Admin" => Profile::Admin,
            "Supervisor" => Profile::Supervisor,
            "Teacher" => Profile::Teacher,
            _ => Profile::NoRight,
        }
    }
}

impl From<Role> for Profile {
    fn from(role: Role) -> Profile {
        match role {
            Role::Administrator => Profile::Admin,
            Role::Supervisor => Profile::Supervisor,
            Role::Agent | Role::User => Profile::NoRight,
        }
    }
}

/// What the user may do beyond the ordinary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightProfile {
    /// The security profile.
    pub profile: Profile,
    /// Extra rights: `recording`, `dissuasion`.
    pub rights: Vec<String>,
}

impl RightProfile {
    pub(crate) fn to_json(&self) -> String {
        Object::new().text("profile", self.profile.as_str()).texts("rights", &self.rights).end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "RightProfile")?;
        Ok(RightProfile {
            profile: Profile::from_name(&fields.text_or_empty("profile")?),
            rights: fields.texts("rights")?,
        })
    }
}

/// A presence status that the user may choose, in the older form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserStatus {
    /// The name to send back.
    pub name: String,
    /// `#rrggbb`.
    pub color: String,
    /// The label.
    pub long_name: String,
    /// What choosing it does.
    pub actions: Vec<StatusAction>,
}

/// Something that happens when a presence status is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusAction {
    /// `queuepause_all`, `queueunpause_all`, `agentlogoff` or `enablednd`.
    pub name: String,
    /// `true`, `false` or empty.
    pub parameters: String,
}

impl UserStatus {
    pub(crate) fn to_json(&self) -> String {
        let actions = json::array(&self.actions, |action| {
            Object::new().text("name", &action.name).text("parameters", &action.parameters).end()
        });
        Object::new()
            .text("name", &self.name)
            .text("color", &self.color)
            .text("longName", &self.long_name)
            .raw("actions", &actions)
            .end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "UsersStatuses")?;
        let actions = fields.array("actions")?.iter().map(|value| {
            let fields = Fields::of(value, "actions")?;
            Ok(StatusAction { name: fields.text("name")?, parameters: fields.text_or_empty("parameters")? })
        });
        Ok(UserStatus {
            name: fields.text("name")?,
            color: fields.text_or_empty("color")?,
            long_name: fields.text_or_empty("longName")?,
            actions: actions.collect::<Result<_, _>>()?,
        })
    }
}

/// A presence status that the user may choose, in the newer form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CtiStatus {
    /// The name to send back.
    pub name: String,
    /// The label.
    pub display_name: String,
    /// Whether it is a reason for a pause; else it is one for being ready.
    pub pause: bool,
}

impl CtiStatus {
    pub(crate) fn to_json(&self) -> String {
        Object::new()
            .text("name", &self.name)
            .text("displayName", &self.display_name)
            .integer("status", i64::from(self.pause))
            .end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "CtiStatuses")?;
        Ok(CtiStatus {
            name: fields.text("name")?,
            display_name: fields.text_or_empty("displayName")?,
            pause: fields.integer_if_given("status")? == Some(1),
        })
    }
}

/// The value of one preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preference {
    /// The value as text.
    pub value: String,
    /// `String`, `Boolean` or `Int`.
    pub value_type: String,
}

pub(crate) fn preferences_to_json(preferences: &BTreeMap<String, Preference>) -> String {
    let object = preferences.iter().fold(Object::new(), |object, (key, preference)| {
        let json =
            Object::new().text("value", &preference.value).text("value_type", &preference.value_type).end();
        object.raw(key, &json)
    });
    object.end()
}

/// Takes an object keyed by preference as well as an array whose items have a `key`.
pub(crate) fn preferences_from_value(value: &Value) -> Result<BTreeMap<String, Preference>, Malformed> {
    let preference = |value: &Value| {
        let fields = Fields::of(value, "UserPreference")?;
        Ok((
            fields.text_or_empty("key")?,
            Preference {
                value: fields.text_or_empty("value")?,
                value_type: fields.text_or_empty("value_type")?,
            },
        ))
    };
    match value {
        Value::Array(items) => json::read_map(items, preference),
        Value::Object(members) => {
            json::read_map(members, |(key, value)| Ok((key.clone(), preference(value)?.1)))
        }
        _ => Err(Malformed::NotAnObject("UserPreference")),
    }
}

/// How many messages lie in the user's voicemail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceMailStatus {
    /// The voicemail box.
    pub voice_mail_id: i64,
    /// Not heard yet.
    pub new_messages: i64,
    /// Shown as what there is to hear.
    pub waiting_messages: i64,
    /// Heard.
    pub old_messages: i64,
}

impl VoiceMailStatus {
    pub(crate) fn to_json(self) -> String {
        Object::new()
            .integer("voiceMailId", self.voice_mail_id)
            .integer("newMessages", self.new_messages)
            .integer("waitingMessages", self.waiting_messages)
            .integer("oldMessages", self.old_messages)
            .end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "VoiceMailStatusUpdate")?;
        let count = |field| Ok(fields.integer_if_given(field)?.unwrap_or(0));
        Ok(VoiceMailStatus {
            voice_mail_id: count("voiceMailId")?,
            new_messages: count("newMessages")?,
            waiting_messages: count("waitingMessages")?,
            old_messages: count("oldMessages")?,
        })
    }
}
