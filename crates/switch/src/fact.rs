use std::collections::BTreeMap;

use model::{CallId, EndCause, PhoneNumber, UserId, UserServices};

use crate::trunk::{NotLet, TrunkId, TrunkStatus};

/// What has happened in the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The status of a user's line changed.
    LineChanged {
        /// Whose line.
        user: UserId,
        /// Its number.
        number: PhoneNumber,
        /// What it is now.
        status: LineStatus,
    },
    /// One of a user's calls changed.
    Phone(PhoneFact),
    /// A user's phone shall act on one of its SIP dialogs: only the phone can answer, hold, mute or send a tone.
    PhoneAct {
        /// Whose phone.
        user: UserId,
        /// The SIP Call-ID of the dialog meant.
        sip_call_id: String,
        /// What the phone shall do.
        act: crate::PhoneAct,
    },
    /// A user has chosen what happens to his calls, to be kept.
    ServicesChanged {
        /// Who.
        user: UserId,
        /// All that he has chosen.
        services: UserServices,
    },
    /// No call needs the media worker any more that was chosen for this one and those that grew out of it.
    WorkerFree {
        /// The first of them.
        home: CallId,
    },
    /// A call has begun, whether or not it comes to an answer.
    CallBegan(CallBegan),
    /// The parties of a call hear each other for the first time.
    CallAnswered {
        /// The call.
        call: CallId,
    },
    /// A call is over: the facts of its record.
    CallEnded(CallEnded),
    /// A trunk stands otherwise than before.
    TrunkChanged {
        /// Which.
        trunk: TrunkId,
        /// How.
        status: TrunkStatus,
    },
    /// A trunk does not accept who we are: it has refused our registration, or asks for a password where it has none
    /// of ours to ask for.
    TrunkRefusedUs {
        /// Which.
        trunk: TrunkId,
        /// With what; nothing when no answer came.
        status: Option<u16>,
    },
    /// A trunk has not answered for long: this flow to it is to be closed, and another server tried.
    TrunkSilent {
        /// Which.
        trunk: TrunkId,
        /// The flow.
        flow: sip::FlowId,
    },
    /// A user wanted to call outside and may not, which may be fraud.
    NotLetOut {
        /// Who.
        user: UserId,
        /// Why.
        why: NotLet,
    },
}

/// The status of a line (the Asterisk extension states that the CTI wire carries).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LineStatus {
    /// No phone is registered.
    #[default]
    Unavailable,
    /// A phone is registered and idle.
    Available,
    /// In a call, or dialling.
    Calling,
    /// A call comes in.
    Ringing,
    /// In a call while another comes in.
    CallingAndRinging,
    /// All its calls are on hold.
    OnHold,
}

/// What kind of change a [`PhoneFact`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneFactKind {
    /// The user is calling someone.
    Dialling,
    /// Someone is calling the user.
    Ringing,
    /// The parties can talk (again).
    Established,
    /// The user put the other party on hold.
    OnHold,
    /// The call is over for the user.
    Released(EndCause),
}

/// Who started a call, as its user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallDirection {
    /// Someone called the user.
    Incoming,
    /// The user called someone.
    Outgoing,
}

/// One change of one user's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneFact {
    /// Whose call.
    pub user: UserId,
    /// What changed.
    pub kind: PhoneFactKind,
    /// The call.
    pub call: CallId,
    /// The user's own number.
    pub number: PhoneNumber,
    /// The other party's number; empty if unknown.
    pub other_number: String,
    /// The other party's name; empty if unknown.
    pub other_name: String,
    /// Shared by both parties of the call.
    pub linked_id: String,
    /// This party's channel.
    pub unique_id: String,
    /// Who started it.
    pub direction: CallDirection,
    /// The Call-ID of the user's SIP dialog, once it has one.
    pub sip_call_id: Option<String>,
    /// Data attached to the call (`USR_…`).
    pub variables: BTreeMap<String, String>,
}

/// One side of a finished call.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PartyInfo {
    /// Whether the party is outside, behind a trunk.
    pub outside: bool,
    /// The user, if the party is one of ours.
    pub user: Option<UserId>,
    /// The number, as dialled or as owned.
    pub number: String,
    /// The name; empty if unknown.
    pub name: String,
}

/// A call that has just begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBegan {
    /// The call.
    pub call: CallId,
    /// The id that CTI events carry.
    pub linked_id: String,
    /// Who calls.
    pub caller: PartyInfo,
    /// Who is called.
    pub callee: PartyInfo,
}

/// A finished call. Times are milliseconds since 1970 by the server's clock at start plus monotonic time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnded {
    /// The call.
    pub call: CallId,
    /// The id that CTI events carried.
    pub linked_id: String,
    /// Who called.
    pub caller: PartyInfo,
    /// Who was called.
    pub callee: PartyInfo,
    /// When the caller dialled.
    pub started_at: i64,
    /// When the call was answered, if it was.
    pub answered_at: Option<i64>,
    /// When it ended.
    pub ended_at: i64,
    /// Why it ended.
    pub cause: EndCause,
}
