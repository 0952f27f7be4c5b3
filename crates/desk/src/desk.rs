mod clicks;
mod phone;
mod presence;
mod server;
mod standing;
mod words;

use std::collections::VecDeque;

use model::PhoneNumber;
use softphone::{Fact, LineAccount, Registration};
use timing::{Deadline, Instant};

use crate::calls::Calls;
use crate::card::{CallCard, CardId};
use crate::connection::Connections;
use crate::control::{Control, Refusal};
use crate::link::{Link, SessionCheck};
use crate::notice::{Level, Notice, Notices};
use crate::session::{DeskState, LineCard, Microphone, Session, SignInProblem, Tab, UserCard};

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
    },
    /// The answer to [`Order::CheckSession`].
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
    /// Whether the browser keeps sound silent until the page is clicked.
    SoundBlocked(bool),
    /// The computer has another network, or is back from sleep.
    NetworkChanged,
}

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
    /// Ask the server whether the kept token holds, and keep the renewed one.
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
    /// Ask for the phone of this user; answered by [`Event::Tab`].
    ClaimPhone {
        /// The login: one phone per user and browser.
        login: String,
        /// Take it from the tab that has it.
        steal: bool,
    },
    /// Let another tab have it.
    ReleasePhone,
}

/// What an agent sees and may do.
///
/// After every input the shell drains `poll_order`.
#[derive(Debug)]
pub struct Desk {
    session: Session,
    user: Option<UserCard>,
    line: Option<LineCard>,
    /// The server has said that there is none.
    no_line: bool,
    account: Option<LineAccount>,
    link: Link,
    renew_at: Option<Instant>,
    tab: Tab,
    registration: Registration,
    calls: Calls,
    microphone: Microphone,
    sound_blocked: bool,
    notices: Notices,
    orders: VecDeque<Order>,
    shown_state: (DeskState, Instant),
}

impl Desk {
    /// A desk at which nobody is signed in; the seed spreads its retries.
    pub fn new(seed: [u8; 32]) -> Self {
        Desk {
            session: Session::SignedOut { problem: None },
            user: None,
            line: None,
            no_line: false,
            account: None,
            link: Link::new(seed),
            renew_at: None,
            tab: Tab::Asking,
            registration: Registration::Off,
            calls: Calls::default(),
            microphone: Microphone::Unknown,
            sound_blocked: false,
            notices: Notices::default(),
            orders: VecDeque::new(),
            shown_state: (DeskState::SignedOut, Instant::ORIGIN),
        }
    }

    /// Folds what has happened into what is shown.
    pub fn apply(&mut self, event: Event, now: Instant) {
        match event {
            Event::SigningIn => {
                if self.is_signed_in() {
                    self.sign_out(None);
                }
                self.session = Session::SigningIn;
            }
            Event::SignedIn { login, ttl } => {
                self.sign_in(login, now);
                self.renew_after(ttl, now);
                self.link.open(&mut self.orders, now);
            }
            Event::SignInFailed(problem) => self.session = Session::SignedOut { problem: Some(problem) },
            Event::SessionFound { login } => {
                self.sign_in(login, now);
                self.link.check(&mut self.orders);
            }
            Event::SessionChecked(check) => self.session_checked(check, now),
            Event::EventsClosed => self.link.closed(now),
            Event::EventsMalformed => self.link.heard(),
            Event::Cti(event) => {
                self.link.heard();
                self.apply_cti(event, now);
            }
            Event::Phone(fact) => self.apply_phone(fact, now),
            Event::PhoneRefused(refusal) => self.notices.say(Level::Warning, words::refused(refusal), now),
            Event::Refused(refusal) => self.notices.say(Level::Warning, refusal.text(), now),
            Event::Tab(tab) => self.tab_changed(tab, now),
            Event::Microphone(microphone) => self.microphone_changed(microphone, now),
            Event::SoundBlocked(blocked) => self.sound_blocked = blocked,
            Event::NetworkChanged => self.link.hurry(&mut self.orders),
        }
        self.note_state(now);
    }

    /// Takes a wish; what it does shows in the facts that follow.
    ///
    /// # Errors
    /// A [`Refusal`] with its sentence; nothing has changed then.
    pub fn handle_command(&mut self, command: Command, now: Instant) -> Result<(), Refusal> {
        match command {
            Command::SignOut => self.sign_out(None),
            Command::Dial(text) => self.dial(&text)?,
            Command::Answer(card) => self.answer(card)?,
            Command::Decline(card) => self.decline(card)?,
            Command::End(card) => self.end(card)?,
            Command::ToggleHold(card) => self.toggle_hold(card)?,
            Command::ToggleMute(card) => self.toggle_mute(card)?,
            Command::SendDtmf(card, key) => self.send_dtmf(card, key)?,
            Command::TakePhone => self.take_phone()?,
            Command::RetryNow => {
                self.link.hurry(&mut self.orders);
                self.orders.push_back(Order::HurryPhone);
            }
            Command::DismissNotice(id) => self.notices.dismiss(id),
        }
        self.note_state(now);
        Ok(())
    }

    /// Time has come to what `poll_timeout` said.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(&mut self.orders, now);
        if self.renew_at.is_some_and(|at| at <= now) {
            self.renew_at = None;
            self.orders.push_back(Order::CheckSession);
        }
        self.note_state(now);
    }

    /// The next thing for a neighbour to do.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// When to call `handle_timeout`.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let renew = self.renew_at.map(|at| Deadline::new(at, "renew the token"));
        Deadline::sooner(self.link.poll_timeout(), renew)
    }

    /// Whether somebody is signed in.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Who is signed in.
    pub fn user(&self) -> Option<&UserCard> {
        self.user.as_ref()
    }

    /// The user's line, once the server has told.
    pub fn line(&self) -> Option<&LineCard> {
        self.line.as_ref()
    }

    /// Which tab has the phone.
    pub fn tab(&self) -> Tab {
        self.tab
    }

    /// How the microphone stands.
    pub fn microphone(&self) -> Microphone {
        self.microphone
    }

    /// Whether sound needs a click first.
    pub fn sound_blocked(&self) -> bool {
        self.sound_blocked
    }

    /// What was said, newest first.
    pub fn notices(&self) -> &[Notice] {
        self.notices.list()
    }

    /// The calls, oldest first.
    pub fn calls(&self) -> Vec<CallCard> {
        self.calls.cards(self.phone_up(), self.link.connection().is_up())
    }

    /// What the agent is doing, and since when.
    pub fn state(&self) -> (DeskState, Instant) {
        self.shown_state
    }

    /// The three connections.
    pub fn connections(&self) -> Connections {
        Connections {
            events: self.link.connection(),
            phone: self.phone_connection(),
            audio: self.audio_connection(),
        }
    }

    /// Whether a call can be made now.
    pub fn can_dial(&self) -> Control {
        self.dial_refusal().map_or(Control::FREE, Control::refused)
    }

    /// Whether the phone can be brought into this tab.
    pub fn can_take_phone(&self) -> Control {
        let refusal = match self.tab {
            _ if !self.is_signed_in() => Some(Refusal::SignedOut),
            Tab::Owner => Some(Refusal::HasThePhone),
            Tab::Asking => Some(Refusal::Waiting),
            Tab::Other if self.calls.iter().next().is_some() => Some(Refusal::OtherTabTalks),
            Tab::Other => None,
        };
        refusal.map_or(Control::FREE, Control::refused)
    }

    /// Reads what was typed into the dial field.
    ///
    /// # Errors
    /// [`Refusal::NoNumber`] if it is empty, [`Refusal::NotANumber`] if it cannot be dialled.
    pub fn read_number(text: &str) -> Result<PhoneNumber, Refusal> {
        if text.trim().is_empty() {
            return Err(Refusal::NoNumber);
        }
        text.parse().map_err(|_| Refusal::NotANumber)
    }
}
