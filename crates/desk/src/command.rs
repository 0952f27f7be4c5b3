use softphone::PhoneCallId;

use crate::card::CardId;

/// What a person wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ends the session.
    SignOut,
    /// Calls what was typed.
    Dial(String),
    /// Takes a ringing call.
    Answer(CardId),
    /// Refuses a ringing call.
    Decline(CardId),
    /// Ends a call.
    End(CardId),
    /// Holds a call, or takes it back.
    ToggleHold(CardId),
    /// Switches the microphone of a call.
    ToggleMute(CardId),
    /// Sends a key.
    SendDtmf(CardId, char),
    /// Brings the phone into this tab.
    TakePhone,
    /// Does not wait for the next attempt.
    RetryNow,
    /// Looks whether the microphone can be used now.
    TryMicrophone,
    /// Takes a notice off the list.
    DismissNotice(u64),
}

/// What the neighbours are asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Open the CTI socket with the kept token.
    OpenEvents,
    /// Close it.
    CloseEvents,
    /// Ask the server whether the kept token holds, and keep the renewed one. A question under way is given up.
    CheckSession,
    /// Forget the token.
    ForgetSession,
    /// Send this on the CTI socket.
    Cti(cti::Command),
    /// Hand this to the softphone.
    Phone(softphone::Command),
    /// Let the softphone wait no longer for its next attempt.
    HurryPhone,
    /// Use these servers for the next peer connections.
    UseIceServers(cti::IceConfig),
    /// Open the microphone and give it back; answered by [`Event::Microphone`](crate::Event::Microphone).
    TryMicrophone,
    /// Open a microphone for a call that has lost its own; answered by
    /// [`Event::CallMicrophone`](crate::Event::CallMicrophone).
    ReopenMicrophone {
        /// Which call.
        call: PhoneCallId,
    },
    /// Ask for the phone of this user; answered by [`Event::Tab`](crate::Event::Tab).
    ClaimPhone {
        /// The login: one phone per user and browser.
        login: String,
        /// Take it from the tab that has it.
        steal: bool,
    },
    /// Let another tab have it.
    ReleasePhone,
}
