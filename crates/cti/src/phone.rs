//! Calls of the user (chapter 4.3 of the protocol).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Malformed;
use crate::json::{Fields, Object};

/// The state of a phone. The numbers are on the wire; 0 to 16 are the bits of Asterisk's extension states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum PhoneStatus {
    /// Idle.
    Available = 0,
    /// In a call.
    Calling = 1,
    /// Busy.
    Busy = 2,
    /// No device is registered. The library spells it `INDISPONIBLE`.
    Unavailable = 4,
    /// Ringing.
    Ringing = 8,
    /// In a call, and another one rings.
    BusyAndRinging = 9,
    /// The call is on hold.
    OnHold = 16,
    /// The hint is deactivated.
    Deactivated = -1,
    /// There is no such hint.
    Unexisting = -2,
    /// Something is wrong with the phone.
    Error = -99,
}

impl PhoneStatus {
    /// All states, in the order of the protocol's table.
    pub const ALL: [PhoneStatus; 10] = [
        PhoneStatus::Available,
        PhoneStatus::Calling,
        PhoneStatus::Busy,
        PhoneStatus::Unavailable,
        PhoneStatus::Ringing,
        PhoneStatus::BusyAndRinging,
        PhoneStatus::OnHold,
        PhoneStatus::Deactivated,
        PhoneStatus::Unexisting,
        PhoneStatus::Error,
    ];

    /// The number on the wire.
    pub fn number(self) -> i64 {
        i64::from(self as i8)
    }

    /// The state with that number.
    pub fn from_number(number: i64) -> Option<PhoneStatus> {
        PhoneStatus::ALL.into_iter().find(|status| status.number() == number)
    }
}

/// What has happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// The user calls, the other side does not answer yet.
    Dialing,
    /// The user is called.
    Ringing,
    /// The two talk, or talk again.
    Established,
    /// The user holds the call.
    OnHold,
    /// The call is over.
    Released,
    /// The call did not come about. Clients treat it as released.
    Failure,
}

impl EventType {
    const NAMES: [(EventType, &'static str); 6] = [
        (EventType::Dialing, "EventDialing"),
        (EventType::Ringing, "EventRinging"),
        (EventType::Established, "EventEstablished"),
        (EventType::OnHold, "EventOnHold"),
        (EventType::Released, "EventReleased"),
        (EventType::Failure, "EventFailure"),
    ];

    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        EventType::NAMES[self as usize].1
    }

    fn from_name(name: &str) -> Option<Self> {
        EventType::NAMES.into_iter().find(|(_, known)| *known == name).map(|(event_type, _)| event_type)
    }
}

/// Who called whom, seen from the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallDirection {
    /// The user was called.
    Incoming,
    /// The user calls.
    Outgoing,
    /// Not known.
    Unknown,
}

impl CallDirection {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            CallDirection::Incoming => "Incoming",
            CallDirection::Outgoing => "Outgoing",
            CallDirection::Unknown => "DirectionUnknown",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "Incoming" => CallDirection::Incoming,
            "Outgoing" => CallDirection::Outgoing,
            _ => CallDirection::Unknown,
        }
    }
}

/// One change of one of the user's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneEvent {
    /// What has happened.
    pub event_type: EventType,
    /// The user's own number.
    pub dn: String,
    /// The other side's number; may be empty.
    pub other_dn: String,
    /// The other side's name; may be empty.
    pub other_dname: String,
    /// One for all legs of a call. Clients keep calls by it.
    pub linked_id: String,
    /// One for the user's leg: what `hangup`, `answer`, `hold` and `toggleMicrophone` name.
    pub unique_id: String,
    /// Technical name of the queue through which the call came.
    pub queue_name: Option<String>,
    /// Who called whom.
    pub direction: CallDirection,
    /// CTI login of the other side, if it is a user.
    pub username: Option<String>,
    /// Attached data. See [`PhoneEvent::SIP_CALL_ID`].
    pub user_data: BTreeMap<String, String>,
}

impl PhoneEvent {
    /// The member of [`PhoneEvent::user_data`] that holds the SIP Call-ID of the user's leg (RFC 3261 §20.8); by it
    /// a page finds its browser call.
    pub const SIP_CALL_ID: &'static str = "SIPCALLID";

    /// What data attached by users are prefixed with; only such data come back.
    pub const USER_PREFIX: &'static str = "USR_";

    /// The SIP Call-ID of the user's leg.
    pub fn sip_call_id(&self) -> Option<&str> {
        self.user_data.get(PhoneEvent::SIP_CALL_ID).map(String::as_str)
    }

    pub(crate) fn to_json(&self) -> String {
        Object::new()
            .text("eventType", self.event_type.as_str())
            .text("DN", &self.dn)
            .text("otherDN", &self.other_dn)
            .text("otherDName", &self.other_dname)
            .text("linkedId", &self.linked_id)
            .text("uniqueId", &self.unique_id)
            .text_if_given("queueName", self.queue_name.as_deref())
            .text("callDirection", self.direction.as_str())
            .text_if_given("username", self.username.as_deref())
            .text_map("userData", &self.user_data)
            .end()
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Malformed> {
        let fields = Fields::of(value, "PhoneEvent")?;
        let event_type = EventType::from_name(&fields.text("eventType")?)
            .ok_or(Malformed::Wrong { field: "eventType", expected: "a known event type" })?;
        Ok(PhoneEvent {
            event_type,
            dn: fields.text_or_empty("DN")?,
            other_dn: fields.text_or_empty("otherDN")?,
            other_dname: fields.text_or_empty("otherDName")?,
            linked_id: fields.text_or_empty("linkedId")?,
            unique_id: fields.text_or_empty("uniqueId")?,
            queue_name: fields.text_if_given("queueName")?,
            direction: CallDirection::from_name(&fields.text_or_empty("callDirection")?),
            username: fields.text_if_given("username")?,
            user_data: fields.text_map("userData")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phone_states_have_the_numbers_of_the_protocol() {
        let numbers: Vec<i64> = PhoneStatus::ALL.into_iter().map(PhoneStatus::number).collect();
        assert_eq!(numbers, [0, 1, 2, 4, 8, 9, 16, -1, -2, -99]);
        for status in PhoneStatus::ALL {
            assert_eq!(PhoneStatus::from_number(status.number()), Some(status));
        }
        assert_eq!(PhoneStatus::from_number(3), None);
    }

    #[test]
    fn event_types_are_read_back() {
        for (event_type, name) in EventType::NAMES {
            assert_eq!(event_type.as_str(), name);
            assert_eq!(EventType::from_name(name), Some(event_type));
        }
    }
}
