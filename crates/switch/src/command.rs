use std::collections::BTreeMap;

use model::{PhoneNumber, UserId};

/// What a person or a program may wish of the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ring the user's own phone, which answers by itself, then call `destination`.
    Dial {
        /// Who dials.
        user: UserId,
        /// Whom.
        destination: PhoneNumber,
        /// Data that travels with the call, names with `USR_`.
        variables: BTreeMap<String, String>,
    },
    /// End the given call, or the user's only one.
    HangUp {
        /// Whose call.
        user: UserId,
        /// Which, by its `uniqueId`.
        unique_id: Option<String>,
    },
    /// Have the user's phone act on the given call, or on the one that the act can only mean.
    Phone {
        /// Whose phone.
        user: UserId,
        /// Which call, by its `uniqueId`.
        unique_id: Option<String>,
        /// What the phone shall do.
        act: PhoneAct,
    },
    /// Attach data to the user's current calls.
    SetData {
        /// Whose calls.
        user: UserId,
        /// Names (with `USR_`) and values.
        variables: BTreeMap<String, String>,
    },
    /// Take no new call and end the running ones: the server is stopping.
    Drain,
}

/// What only the phone itself can do with one of its dialogs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneAct {
    /// Answer the ringing call.
    Answer,
    /// Put the call on hold, or take it back.
    ToggleHold,
    /// Mute the microphone, or open it again.
    ToggleMicrophone,
    /// Send one DTMF key (`0-9*#A-D`).
    SendDtmf(char),
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The user has no line.
    #[error("this user has no line")]
    NoLine,
    /// No phone is registered on the user's line.
    #[error("no phone is registered on this line")]
    PhoneUnavailable,
    /// The number exists nowhere.
    #[error("this number does not exist")]
    UnknownNumber,
    /// The user has no leave to call such numbers, or has called too much.
    #[error("no leave to call this number now")]
    Forbidden,
    /// The user has no such call, or none that this could be done with.
    #[error("no call to do this with")]
    NoSuchCall,
    /// More than one call could be meant.
    #[error("more than one call: name one by its uniqueId")]
    WhichCall,
    /// The user has as many calls as a phone can hold.
    #[error("too many calls on this line")]
    TooManyCalls,
    /// More data than a call may carry: 64 names, 8 KiB.
    #[error("too much data for one call: at most 64 names and 8 KiB")]
    TooMuchData,
    /// The server is stopping or full.
    #[error("the server takes no new calls now")]
    NoRoom,
}
