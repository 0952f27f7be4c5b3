use std::collections::BTreeMap;

use model::{Forward, PhoneNumber, UserId};

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
    /// Send the other party of the user's current call to a number, and be out of it.
    DirectTransfer {
        /// Whose call.
        user: UserId,
        /// Where to.
        destination: PhoneNumber,
    },
    /// Keep the other party of the user's current call waiting, and call a number from his phone.
    Consult {
        /// Whose call.
        user: UserId,
        /// Whom to ask.
        destination: PhoneNumber,
    },
    /// Join the other parties of the user's two calls, and be out of both.
    CompleteTransfer {
        /// Whose calls.
        user: UserId,
    },
    /// End the second of the user's two calls, and go back to the first.
    CancelTransfer {
        /// Whose calls.
        user: UserId,
    },
    /// Make one conversation of the user's two calls.
    Merge {
        /// Whose calls.
        user: UserId,
    },
    /// Choose what happens to the user's calls.
    ChangeServices {
        /// Whose calls.
        user: UserId,
        /// What shall happen.
        change: ServiceChange,
    },
    /// Take no new call and end the running ones: the server is stopping.
    Drain,
}

/// One choice of a user about his calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceChange {
    /// Callers hear busy, or no longer.
    DoNotDisturb(bool),
    /// A second call rings, or its caller hears busy.
    CallWaiting(bool),
    /// The forward of all calls.
    Unconditional(Forward),
    /// The forward when busy.
    Busy(Forward),
    /// The forward when nobody answers.
    NoAnswer(Forward),
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
    /// A forward to the number that is forwarded.
    #[error("calls cannot be forwarded to one's own number")]
    OwnNumber,
    /// The two calls' sound is carried in places that cannot be joined.
    #[error("these two calls cannot be joined")]
    CannotJoin,
    /// The user's phone does not take such wishes.
    #[error("this phone cannot be asked to do that")]
    PhoneCannot,
    /// More data than a call may carry: 64 names, 8 KiB.
    #[error("too much data for one call: at most 64 names and 8 KiB")]
    TooMuchData,
    /// The server is stopping or full.
    #[error("the server takes no new calls now")]
    NoRoom,
}

impl Refusal {
    /// How somebody is told that a number leads nowhere for him.
    pub(crate) fn of(cause: model::EndCause) -> Refusal {
        match cause {
            model::EndCause::Forbidden => Refusal::Forbidden,
            _ => Refusal::UnknownNumber,
        }
    }
}
