use softphone::{MediaState, Registration, RegistrationProblem};
use timing::Instant;

use super::Desk;
use crate::calls::Entry;
use crate::card::CardState;
use crate::connection::Connection;
use crate::session::{DeskState, Tab};

/// How things stand.
impl Desk {
    pub(super) fn phone_up(&self) -> bool {
        self.registration == Registration::Registered
    }

    pub(super) fn phone_connection(&self) -> Connection {
        if !self.is_signed_in() {
            return Connection::Off;
        }
        match (&self.line, self.tab) {
            (_, Tab::Other) => return Connection::Elsewhere { reason: "The phone is in another tab." },
            (Some(line), _) if !line.in_browser => {
                return Connection::Elsewhere { reason: "Your line has a desk phone; this page steers it." };
            }
            _ if self.no_line => {
                return Connection::Blocked { reason: "You have no phone line." };
            }
            _ => {}
        }
        let (retry_at, problem) = match (self.registration, self.phone_lost) {
            (Registration::Registered, _) => return Connection::Up,
            (Registration::Waiting { retry_at, problem }, _) => (Some(retry_at), problem),
            (Registration::Connecting, Some(problem)) => (None, problem),
            (Registration::Off | Registration::Connecting, _) => return Connection::Connecting,
        };
        Connection::Down {
            retry_at,
            reason: match problem {
                RegistrationProblem::NoConnection => "The phone server cannot be reached.",
                RegistrationProblem::NoAnswer => "The phone server does not answer.",
                RegistrationProblem::Refused(401 | 403 | 404 | 407) => "The phone server refuses your line.",
                RegistrationProblem::Refused(_) => "The phone server cannot take your line now.",
            },
        }
    }

    pub(super) fn audio_connection(&self) -> Connection {
        if self.sound_blocked().is_some() {
            return Connection::Blocked { reason: "Sound is blocked. Click to allow it." };
        }
        if let Some(reason) = self.microphone.problem() {
            return Connection::Blocked { reason };
        }
        let sounds =
            || self.calls.iter().filter(|entry| entry.state().is_answered()).filter_map(Entry::sound);
        if sounds().any(|sound| sound == MediaState::Lost) {
            return Connection::Down {
                retry_at: None,
                reason: "The sound is interrupted. The call goes on.",
            };
        }
        if sounds().any(|sound| sound == MediaState::Connecting) {
            return Connection::Connecting;
        }
        if sounds().next().is_some() { Connection::Up } else { Connection::Off }
    }

    pub(super) fn note_state(&mut self, now: Instant) {
        let state = self.state_now();
        if state != self.shown_state.0 {
            self.shown_state = (state, now);
        }
    }

    pub(super) fn state_now(&self) -> DeskState {
        let any = |wanted: &[CardState]| self.calls.iter().any(|entry| wanted.contains(&entry.state()));
        match self.phone_connection() {
            _ if !self.is_signed_in() => DeskState::SignedOut,
            _ if any(&[CardState::OnCall, CardState::Connecting]) => DeskState::OnCall,
            _ if any(&[CardState::Ringing]) => DeskState::Ringing,
            _ if any(&[CardState::Dialling, CardState::Alerting]) => DeskState::Dialling,
            _ if any(&[CardState::OnHold]) => DeskState::OnHold,
            Connection::Up => DeskState::Ready,
            Connection::Connecting if self.link.connection().is_broken() => DeskState::PhoneLost,
            Connection::Connecting => DeskState::Connecting,
            // Only the server knows how a phone stands that is not in this page.
            Connection::Elsewhere { .. } => match self.link.connection() {
                Connection::Up if self.tab == Tab::Other => DeskState::Ready,
                Connection::Up => DeskState::DeskPhone,
                Connection::Connecting => DeskState::Connecting,
                _ => DeskState::ServerLost,
            },
            Connection::Blocked { .. } => DeskState::NoLine,
            Connection::Down { .. } | Connection::Off => DeskState::PhoneLost,
        }
    }
}
