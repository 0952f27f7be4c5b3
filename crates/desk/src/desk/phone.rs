use softphone::{Fact, MediaFailure};
use timing::Instant;

use super::{Desk, words};
use crate::calls::Entry;
use crate::notice::Level;
use crate::session::Microphone;

/// What the softphone and the browser tell.
impl Desk {
    pub(super) fn apply_phone(&mut self, fact: Fact, now: Instant) {
        match fact {
            Fact::RegistrationChanged(registration) => self.registration = registration,
            Fact::CallChanged(call) => self.calls.phone_changed(call),
            Fact::CallEnded { call, end } => {
                let who = self
                    .calls
                    .iter()
                    .find(|entry| entry.phone_id() == Some(call.id))
                    .map_or_else(|| call.remote_user.clone(), Entry::name);
                if let Some((level, text)) = words::ending(&call, end, &who) {
                    self.notices.say(level, text, now);
                }
                self.calls.phone_ended(&call);
            }
            Fact::HoldFailed { .. } => {
                self.notices.say(Level::Error, "The call could not be held. Your microphone is off.", now);
            }
            Fact::ResumeFailed { .. } => {
                self.notices.say(Level::Error, "The call could not be resumed. It is still on hold.", now);
            }
            Fact::MediaFailed { failure, .. } => {
                let microphone = match failure {
                    MediaFailure::MicrophoneRefused => Microphone::Refused,
                    MediaFailure::MicrophoneMissing => Microphone::Missing,
                    MediaFailure::MicrophoneBusy => Microphone::Busy,
                    MediaFailure::InsecurePage => Microphone::Insecure,
                    MediaFailure::Negotiation => {
                        return self.notices.say(
                            Level::Error,
                            "The sound of the call could not be set up.",
                            now,
                        );
                    }
                };
                self.microphone_changed(microphone, now);
            }
        }
    }

    pub(super) fn microphone_changed(&mut self, microphone: Microphone, now: Instant) {
        self.microphone = microphone;
        if let Some(problem) = microphone.problem() {
            self.notices.say(Level::Error, problem, now);
        }
    }
}
