use softphone::{Fact, Registration};
use timing::Instant;

use super::{Desk, words};
use crate::calls::Entry;
use crate::card::Voice;
use crate::notice::Level;
use crate::session::Microphone;

/// What the softphone tells.
impl Desk {
    pub(super) fn apply_phone(&mut self, fact: Fact, now: Instant) {
        match fact {
            Fact::RegistrationChanged(registration) => {
                self.registration = registration;
                self.phone_lost = match registration {
                    Registration::Waiting { problem, .. } => Some(problem),
                    Registration::Connecting => self.phone_lost,
                    Registration::Off | Registration::Registered => None,
                };
            }
            Fact::CallChanged(call) => self.calls.phone_changed(call),
            Fact::CallEnded { call, end } => {
                let known = self.calls.iter().find(|entry| entry.phone_id() == Some(call.id));
                let who = known.map_or_else(|| call.remote_user.clone(), Entry::name);
                if let Some((level, text)) = words::ending(&call, end, &who) {
                    self.notices.say(level, text, now);
                }
                self.calls.phone_ended(&call, end, now);
                // A voice that was kept silent is gone with its call.
                self.voice_blocked &= self.calls.iter().any(|entry| entry.phone.is_some());
            }
            Fact::HoldFailed { .. } => {
                self.notices.say(Level::Error, "The call could not be held. Your microphone is off.", now);
            }
            Fact::ResumeFailed { .. } => {
                self.notices.say(Level::Error, "The call could not be resumed. It is still on hold.", now);
            }
            Fact::MediaFailed { call, failure } => {
                if let Some(entry) = self.calls.of_phone(call) {
                    entry.voice = Voice::Open;
                }
                match Microphone::after(failure) {
                    Some(microphone) => self.microphone_changed(microphone, now),
                    None => {
                        self.notices.say(Level::Error, "The sound of the call could not be set up.", now);
                    }
                }
            }
        }
    }
}
