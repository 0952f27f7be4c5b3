use softphone::{Fact, MediaFailure, PhoneCallId};

use crate::calls::KeptCall;
use crate::control::Refusal;
use crate::link::SessionCheck;
use crate::session::{Microphone, SignInProblem, Tab};

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Login and password are being checked.
    SigningIn,
    /// They are right.
    SignedIn {
        /// The login as the server keeps it.
        login: String,
        /// Seconds for which the token holds.
        ttl: Option<u64>,
    },
    /// They are not, or could not be checked.
    SignInFailed(SignInProblem),
    /// The page was loaded anew and has kept a session of this user.
    SessionFound {
        /// The login.
        login: String,
        /// The calls that ran then.
        calls: Vec<KeptCall>,
    },
    /// The answer to [`Order::CheckSession`](crate::Order::CheckSession).
    SessionChecked(SessionCheck),
    /// The CTI socket is closed, or could not be opened.
    EventsClosed,
    /// A frame of the CTI socket that could not be understood.
    EventsMalformed,
    /// A message of the CTI socket.
    Cti(cti::Event),
    /// The softphone says.
    Phone(Fact),
    /// The softphone refused what this desk had allowed; shown, never lost.
    PhoneRefused(softphone::Refusal),
    /// A click did nothing, and the person should know why.
    Refused(Refusal),
    /// Who has the phone.
    Tab(Tab),
    /// How the microphone stands.
    Microphone(Microphone),
    /// How the microphone of one call stands.
    CallMicrophone {
        /// Which call.
        call: PhoneCallId,
        /// How.
        microphone: CallMicrophone,
    },
    /// Microphones came or went, or the browser's permission changed.
    DevicesChanged {
        /// Whether the page may use a microphone; none if the browser does not tell, or would ask.
        allowed: Option<bool>,
        /// Whether there is one.
        present: bool,
    },
    /// Whether the browser keeps the bell silent until the page is clicked.
    BellBlocked(bool),
    /// Whether it keeps the other side's voice silent.
    VoiceBlocked(bool),
    /// The computer has another network, or is back from sleep.
    NetworkChanged,
}

/// How the microphone of one call stands, as its peer connection tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallMicrophone {
    /// The browser was asked for it, and may be asking the person.
    Asked,
    /// It is open.
    Open,
    /// It was taken away, and no other could be opened. The call goes on.
    Lost(MediaFailure),
    /// It was taken away, and this one is used now.
    Changed {
        /// The device's name; empty if the browser does not tell.
        label: String,
    },
    /// It is there, and gives nothing.
    Silent,
}
