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
            (_, Tab::Other) => return Connection::Blocked { reason: "The phone is in another tab." },
            (Some(line), _) if !line.in_browser => {
                return Connection::Blocked { reason: "Your line has a desk phone; this page steers it." };
            }
            _ if self.no_line => {
                return Connection::Blocked { reason: "You have no phone line." };
            }
            _ => {}
        }
        match self.registration {
            Registration::Registered => Connection::Up,
            Registration::Off | Registration::Connecting => Connection::Connecting,
            Registration::Waiting { retry_at, problem } => Connection::Down {
                retry_at: Some(retry_at),
                reason: match problem {
                    RegistrationProblem::NoConnection => "The phone server cannot be reached.",
                    RegistrationProblem::NoAnswer => "The phone server does not answer.",
                    RegistrationProblem::Refused(401 | 403 | 404 | 407) => {
                        "The phone server refuses your line."
                    }
                    RegistrationProblem::Refused(_) => "The phone server cannot take your line now.",
                },
            },
        }
    }

    pub(super) fn audio_connection(&self) -> Connection {
        if self.sound_blocked {
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
            // In a mirror the other tab's phone is what counts, and only the server knows it.
            Connection::Blocked { .. } if self.tab == Tab::Other => DeskState::Ready,
            _ => DeskState::PhoneLost,
        }
    }
}
