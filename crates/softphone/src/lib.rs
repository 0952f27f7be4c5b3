//! The browser's user agent: one registration over one SIP WebSocket, and the calls on it.
//!
//! [`Softphone`] is the one entry type. It knows no browser: sockets, peer connections and the microphone are
//! asked for as an [`Order`], what has happened comes back through `handle_*` and the calls named after what the
//! browser did (`socket_opened`, `local_description`, …), and what people should see leaves as a [`Fact`].
//!
//! ```
//! use softphone::{Command, Config, LineAccount, Order, Softphone};
//! use timing::Instant;
//!
//! let mut phone = Softphone::new(Config { user_agent: "Hotdesk".into(), secure: false, seed: [7; 32] });
//! let account = LineAccount {
//!     name: "k3v9xq".into(),
//!     password: "not-real".into(),
//!     domain: "default".into(),
//!     display_name: "Alice Martin".into(),
//! };
//! phone.handle_command(Command::Start(account), Instant::ORIGIN)?;
//! assert_eq!(phone.poll_order(), Some(Order::OpenSocket));
//! # Ok::<(), softphone::Refusal>(())
//! ```
//!
//! Left to others: the socket and its token, SDP making and ICE (`app/browser`), the words on the screen (`desk`).
#![warn(missing_docs)]

mod account;
mod backoff;
mod call;
mod link;
mod phone;
mod sdp;

pub use account::LineAccount;
pub use backoff::Backoff;
pub use call::{
    CallDirection, CallEnd, CallState, MediaFailure, MediaState, Pending, PhoneCall, PhoneCallId,
};
pub use link::{Registration, RegistrationProblem};
pub use phone::{Config, Softphone};
pub use sdp::Direction;

/// What a person or the server wishes of the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Registers this account and keeps it registered. The same account again changes nothing.
    Start(LineAccount),
    /// Ends all calls, removes the registration and closes the socket.
    Stop,
    /// Calls a number; an unheld call goes on hold first.
    Dial {
        /// The user part of the request URI: digits, `*`, `#`, an optional leading `+`.
        number: String,
    },
    /// Takes a ringing call; other unheld calls go on hold first.
    Answer {
        /// Which call.
        call: PhoneCallId,
    },
    /// Refuses a ringing call (SIP 603).
    Decline {
        /// Which call.
        call: PhoneCallId,
    },
    /// Ends a call in whatever state it is.
    HangUp {
        /// Which call.
        call: PhoneCallId,
    },
    /// Puts an answered call on hold (re-INVITE with `sendonly`, RFC 3264 §8.4).
    Hold {
        /// Which call.
        call: PhoneCallId,
    },
    /// Takes a held call back; other unheld calls go on hold first.
    Resume {
        /// Which call.
        call: PhoneCallId,
    },
    /// Switches the microphone of one call; nothing travels on the wire.
    Mute {
        /// Which call.
        call: PhoneCallId,
        /// Whether the other side stops hearing us.
        on: bool,
    },
    /// Sends one key (RFC 4733 through the browser, SIP INFO where the browser cannot).
    SendDtmf {
        /// Which call.
        call: PhoneCallId,
        /// One of `0-9 * # A-D`.
        key: char,
    },
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The line is not registered.
    #[error("the phone is not registered")]
    NotRegistered,
    /// There is no call with this id.
    #[error("no such call")]
    NoSuchCall,
    /// The call is in a state that does not allow it.
    #[error("the call's state does not allow this")]
    WrongState,
    /// Two calls are running already.
    #[error("two calls are running already")]
    TooManyCalls,
    /// The text is no phone number.
    #[error("not a phone number")]
    NotANumber,
    /// The key is none of `0-9 * # A-D`.
    #[error("not a key of a phone")]
    NotAKey,
}

/// What the browser is asked to do. Orders cannot be refused; failure comes back as a `handle`-like call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Open the SIP WebSocket, sub-protocol `sip` (RFC 7118). Answered by `socket_opened` or `socket_closed`.
    OpenSocket,
    /// Close it, after the messages already given out by `poll_transmit`. Its end is not told back.
    CloseSocket,
    /// Make a peer connection and an offer for it. Answered by `local_description` or `media_failed`.
    CreateOffer {
        /// For which call.
        call: PhoneCallId,
    },
    /// Make a peer connection for this offer, and the answer. Answered by `local_description` or `media_failed`.
    CreateAnswer {
        /// For which call.
        call: PhoneCallId,
        /// The remote SDP.
        offer: String,
    },
    /// Apply the remote answer to the last local offer.
    SetAnswer {
        /// For which call.
        call: PhoneCallId,
        /// The remote SDP.
        answer: String,
        /// It came with a provisional response and a final one may follow (`pranswer`, RFC 9429 §4.1.10.1).
        provisional: bool,
    },
    /// Make a new offer on the existing peer connection. Answered by `local_description` or `media_failed`.
    CreateReoffer {
        /// For which call.
        call: PhoneCallId,
        /// The direction of our audio: `SendOnly` holds, `SendRecv` resumes.
        direction: Direction,
        /// Whether new ICE credentials are wanted because the path was lost (RFC 8445 §2.4).
        restart_ice: bool,
    },
    /// The remote side refused our new offer: go back to the former description (JSEP rollback).
    RollBack {
        /// For which call.
        call: PhoneCallId,
    },
    /// Answer an offer on the existing peer connection. Answered by `local_description` or `media_failed`.
    AnswerReoffer {
        /// For which call.
        call: PhoneCallId,
        /// The remote SDP.
        offer: String,
        /// The direction of our audio before the remote side's own direction limits it.
        direction: Direction,
    },
    /// Let the microphone through, or silence it.
    SetMicrophone {
        /// For which call.
        call: PhoneCallId,
        /// Whether the other side may hear us.
        on: bool,
    },
    /// Send one key by RFC 4733. Where the browser cannot, it calls `tone_failed`.
    SendTone {
        /// On which call.
        call: PhoneCallId,
        /// One of `0-9 * # A-D`.
        key: char,
    },
    /// Close the peer connection and give the microphone back.
    ClosePeer {
        /// Of which call.
        call: PhoneCallId,
    },
}

/// What has happened, for whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The registration is in another state.
    RegistrationChanged(Registration),
    /// A call began or changed; this is how it is now.
    CallChanged(PhoneCall),
    /// A call is over, and so it was.
    CallEnded {
        /// Its last state.
        call: PhoneCall,
        /// Why it ended.
        end: CallEnd,
    },
    /// The other side did not take our hold. The call goes on, and its microphone is off.
    HoldFailed {
        /// Which call.
        call: PhoneCallId,
    },
    /// The other side did not take our resume. The call is still held.
    ResumeFailed {
        /// Which call.
        call: PhoneCallId,
    },
    /// The browser could not give sound to this call.
    MediaFailed {
        /// Which call.
        call: PhoneCallId,
        /// Why.
        failure: MediaFailure,
    },
}
