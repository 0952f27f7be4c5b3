//! The plain `desk` as signals, and the actions that views call.
//!
//! [`Store`] is what views hold. Behind it stands one [`wiring::Wiring`] per page, which owns the desk, the softphone
//! and what the browser has open for them.

mod shown;
mod wiring;

use desk::{
    CallCard, CardId, Command, Connections, Control, Desk, DeskState, LineCard, Microphone, Notice, Outage,
    PastCall, Session, Tab, UserCard,
};
use leptos::prelude::{expect_context, provide_context};
use timing::Instant;

use crate::signal::ReadSignal;

/// How loud the two sides of the call in front are: 0 at −60 dBFS and below, 1 at 0 dBFS.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// What the other side gets of us.
    pub microphone: f32,
    /// What we get of the other side.
    pub remote: f32,
}

/// What is shown, each part a signal that changes only when it differs; and what can be wished.
#[derive(Clone, Copy)]
pub struct Store {
    /// Whether somebody is signed in.
    pub session: ReadSignal<Session>,
    /// What the agent is doing.
    pub state: ReadSignal<DeskState>,
    /// Since when.
    pub state_since: ReadSignal<Instant>,
    /// Events, phone and audio.
    pub connections: ReadSignal<Connections>,
    /// Who is signed in.
    pub user: ReadSignal<Option<UserCard>>,
    /// The user's line.
    pub line: ReadSignal<Option<LineCard>>,
    /// The calls, oldest first.
    pub calls: ReadSignal<Vec<CallCard>>,
    /// Whether a call can be made now.
    pub dial: ReadSignal<Control>,
    /// Which tab has the phone.
    pub tab: ReadSignal<Tab>,
    /// Whether the phone can be brought into this tab.
    pub take: ReadSignal<Control>,
    /// How the microphone stands.
    pub microphone: ReadSignal<Microphone>,
    /// What is broken and being mended.
    pub outage: ReadSignal<Option<Outage>>,
    /// The calls that are over, newest first.
    pub recent: ReadSignal<Vec<PastCall>>,
    /// Whether we are muted in the call that we talk in.
    pub muted: ReadSignal<bool>,
    /// What the browser keeps silent until the page is clicked, as a sentence.
    pub sound_blocked: ReadSignal<Option<&'static str>>,
    /// What was said, newest first.
    pub notices: ReadSignal<Vec<Notice>>,
    /// Ten times a second while a call has sound.
    pub levels: ReadSignal<Levels>,
    /// Once a second; what is elapsed is computed from it, never counted.
    pub now: ReadSignal<Instant>,
}

/// The store of the page.
///
/// # Panics
/// Above the component that called [`Store::start`].
pub fn use_store() -> Store {
    expect_context()
}

impl Store {
    /// Begins: takes up the session that was kept over a reload, and gives the store to all components below.
    pub fn start() -> Store {
        let store = wiring::start();
        provide_context(store);
        store
    }

    /// Signs in.
    pub fn sign_in(&self, login: String, password: String) {
        wiring::sign_in(login, password);
    }

    /// Ends the session; calls in this tab end with it.
    pub fn sign_out(&self) {
        wiring::click(Command::SignOut);
    }

    /// Looks at the dial field while somebody types.
    ///
    /// # Errors
    /// Why it never will be a number, as a sentence.
    pub fn check_typed(&self, text: &str) -> Result<(), &'static str> {
        Desk::check_typed(text).map_err(desk::Refusal::text)
    }

    /// Reads the dial field when it is to be dialled.
    ///
    /// # Errors
    /// Why it cannot be dialled, as a sentence.
    pub fn check_dial(&self, text: &str) -> Result<(), &'static str> {
        Desk::read_number(text).map(drop).map_err(desk::Refusal::text)
    }

    /// Calls what was typed. Whether it was taken; if not, a notice says why.
    pub fn dial_number(&self, text: &str) -> bool {
        wiring::click(Command::Dial(text.to_owned()))
    }

    /// Takes a ringing call.
    pub fn answer(&self, card: CardId) {
        wiring::click(Command::Answer(card));
    }

    /// Refuses a ringing call.
    pub fn decline(&self, card: CardId) {
        wiring::click(Command::Decline(card));
    }

    /// Ends a call.
    pub fn end(&self, card: CardId) {
        wiring::click(Command::End(card));
    }

    /// Holds a call, or takes it back.
    pub fn toggle_hold(&self, card: CardId) {
        wiring::click(Command::ToggleHold(card));
    }

    /// Switches the microphone of a call.
    pub fn toggle_mute(&self, card: CardId) {
        wiring::click(Command::ToggleMute(card));
    }

    /// Sends a key.
    pub fn send_dtmf(&self, card: CardId, key: char) {
        wiring::click(Command::SendDtmf(card, key));
    }

    /// Brings the phone into this tab.
    pub fn take_phone(&self) {
        wiring::click(Command::TakePhone);
    }

    /// Looks whether the microphone can be used now.
    pub fn try_microphone(&self) {
        wiring::click(Command::TryMicrophone);
    }

    /// Lets sound out; call it from a click.
    pub fn allow_sound(&self) {
        wiring::allow_sound();
    }

    /// Does not wait for the next attempt to reach the server.
    pub fn retry_now(&self) {
        wiring::click(Command::RetryNow);
    }

    /// Takes a notice off the list.
    pub fn dismiss_notice(&self, id: u64) {
        wiring::click(Command::DismissNotice(id));
    }
}
