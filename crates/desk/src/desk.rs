mod clicks;
mod hearing;
mod phone;
mod presence;
mod server;
mod standing;
mod words;

use std::collections::VecDeque;

use model::PhoneNumber;
use softphone::{LineAccount, MediaState, Registration, RegistrationProblem};
use timing::{Deadline, Instant};

use crate::calls::{Calls, Entry, KeptCall};
use crate::card::CallCard;
use crate::command::{Command, Order};
use crate::connection::{Connections, Outage};
use crate::control::{Control, Refusal};
use crate::event::Event;
use crate::link::{ANSWER_LIMIT, Link};
use crate::notice::{Level, Notice, Notices};
use crate::recent::PastCall;
use crate::session::{DeskState, LineCard, Microphone, Session, SignInProblem, Tab, UserCard};

/// The number that plays back what it hears.
pub const ECHO_NUMBER: &str = "*55";

/// What an agent sees and may do.
///
/// After every input the shell drains `poll_order`.
#[derive(Debug)]
pub struct Desk {
    session: Session,
    /// When we stop waiting for the answer to a login.
    sign_in_until: Option<Instant>,
    user: Option<UserCard>,
    line: Option<LineCard>,
    /// The server has said that there is none.
    no_line: bool,
    account: Option<LineAccount>,
    link: Link,
    renew_at: Option<Instant>,
    tab: Tab,
    registration: Registration,
    /// Why the phone was lost, until it is registered again.
    phone_lost: Option<RegistrationProblem>,
    calls: Calls,
    /// The server has told which calls run.
    calls_listed: bool,
    microphone: Microphone,
    bell_blocked: bool,
    voice_blocked: bool,
    notices: Notices,
    orders: VecDeque<Order>,
    shown_state: (DeskState, Instant),
}

impl Desk {
    /// A desk at which nobody is signed in; the seed spreads its retries.
    pub fn new(seed: [u8; 32]) -> Self {
        Desk {
            session: Session::SignedOut { problem: None },
            sign_in_until: None,
            user: None,
            line: None,
            no_line: false,
            account: None,
            link: Link::new(seed),
            renew_at: None,
            tab: Tab::Asking,
            registration: Registration::Off,
            phone_lost: None,
            calls: Calls::default(),
            calls_listed: false,
            microphone: Microphone::Unknown,
            bell_blocked: false,
            voice_blocked: false,
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
                self.sign_in_until = Some(now + ANSWER_LIMIT);
            }
            Event::SignedIn { login, ttl } if self.session == Session::SigningIn => {
                self.sign_in(login, now);
                self.renew_after(ttl, now);
                self.link.open(&mut self.orders, now);
            }
            // It comes too late: the person was told that it did not work.
            Event::SignedIn { .. } => self.orders.push_back(Order::ForgetSession),
            Event::SignInFailed(problem) => self.sign_in_failed(problem),
            Event::SessionFound { login, calls } => {
                self.sign_in(login, now);
                self.calls.keep(calls);
                self.link.check(&mut self.orders, now);
            }
            Event::SessionChecked(check) => self.session_checked(check, now),
            Event::EventsClosed => {
                self.calls_listed = false;
                self.link.closed(now);
            }
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
            Event::CallMicrophone { call, microphone } => self.call_microphone(call, microphone, now),
            Event::DevicesChanged { allowed, present } => self.devices_changed(allowed, present, now),
            Event::BellBlocked(blocked) => self.bell_blocked = blocked,
            Event::VoiceBlocked(blocked) => self.voice_blocked = blocked,
            Event::NetworkChanged => self.link.hurry(&mut self.orders, now),
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
            Command::Answer(card) => self.answer(card, now)?,
            Command::Decline(card) => self.decline(card, now)?,
            Command::End(card) => self.end(card, now)?,
            Command::ToggleHold(card) => self.toggle_hold(card, now)?,
            Command::ToggleMute(card) => self.toggle_mute(card)?,
            Command::SendDtmf(card, key) => self.send_dtmf(card, key)?,
            Command::TakePhone => self.take_phone()?,
            Command::RetryNow => {
                self.link.hurry(&mut self.orders, now);
                self.orders.push_back(Order::HurryPhone);
            }
            Command::TryMicrophone => self.try_microphone(),
            Command::DismissNotice(id) => self.notices.dismiss(id),
        }
        self.note_state(now);
        Ok(())
    }

    /// Time has come to what `poll_timeout` said.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.link.handle_timeout(&mut self.orders, now);
        if self.sign_in_until.is_some_and(|until| until <= now) {
            self.sign_in_failed(SignInProblem::Unreachable);
        }
        if self.calls.handle_timeout(now) {
            self.notices.say(Level::Warning, "The server did not confirm.", now);
        }
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
        let own = [
            self.renew_at.map(|at| Deadline::new(at, "renew the token")),
            self.sign_in_until.map(|at| Deadline::new(at, "the login hangs")),
            self.calls.poll_timeout().map(|at| Deadline::new(at, "the server does not confirm")),
        ];
        own.into_iter().fold(self.link.poll_timeout(), Deadline::sooner)
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

    /// What the browser keeps silent until the page is clicked, as a sentence.
    pub fn sound_blocked(&self) -> Option<&'static str> {
        let talks = || self.calls.iter().any(|entry| entry.has_sound());
        if self.voice_blocked && talks() {
            return Some("You cannot hear the caller.");
        }
        (self.bell_blocked || self.voice_blocked).then_some("Calls would ring silently.")
    }

    /// Whether the microphone is switched off in the call that we talk in.
    pub fn muted(&self) -> bool {
        self.calls
            .iter()
            .filter(|entry| entry.has_sound())
            .any(|entry| entry.phone.as_ref().is_some_and(|phone| phone.muted))
    }

    /// What was said, newest first.
    pub fn notices(&self) -> &[Notice] {
        self.notices.list()
    }

    /// The calls, oldest first.
    pub fn calls(&self) -> Vec<CallCard> {
        self.calls.cards(self.phone_up(), self.link.connection().is_up())
    }

    /// The calls of this page that are over, newest first.
    pub fn recent(&self) -> &[PastCall] {
        self.calls.recent()
    }

    /// What a reload of the page would lose; none until the server has told which calls run.
    pub fn kept_calls(&self) -> Option<Vec<KeptCall>> {
        self.calls_listed.then(|| self.calls.kept())
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

    /// What is broken and being mended.
    pub fn outage(&self) -> Option<Outage> {
        let heard = |entry: &Entry| entry.state().is_answered() && entry.sound() == Some(MediaState::Up);
        Outage::of(&self.connections(), self.calls.iter().any(heard))
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
            // Taking the phone ends the calls of the tab that has it, and only the server knows of them.
            Tab::Other if self.events_refusal().is_some() => Some(Refusal::EventsLost),
            Tab::Other if !self.calls_listed => Some(Refusal::Waiting),
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

    /// Looks at the dial field while somebody types: what may still become a number is none yet, but not wrong.
    ///
    /// # Errors
    /// [`Refusal::NotANumber`] if nothing typed behind it can make it one.
    pub fn check_typed(text: &str) -> Result<(), Refusal> {
        // With a digit behind it every beginning of a number is one.
        let dials = |text: &str| text.parse::<PhoneNumber>().is_ok();
        if dials(&[text, "0"].concat()) || dials(text) { Ok(()) } else { Err(Refusal::NotANumber) }
    }
}
