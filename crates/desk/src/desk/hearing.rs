use softphone::PhoneCallId;
use timing::Instant;

use super::Desk;
use crate::card::Voice;
use crate::command::Order;
use crate::event::CallMicrophone;
use crate::notice::Level;
use crate::session::Microphone;

/// The microphone, in and out of calls.
impl Desk {
    pub(super) fn microphone_changed(&mut self, microphone: Microphone, now: Instant) {
        let before = std::mem::replace(&mut self.microphone, microphone);
        match microphone.problem() {
            Some(problem) => self.notices.say(Level::Error, problem, now),
            None if before.problem().is_some() && microphone == Microphone::Ready => {
                self.notices.say(Level::Info, "The microphone works.", now);
            }
            None => {}
        }
    }

    pub(super) fn call_microphone(&mut self, call: PhoneCallId, microphone: CallMicrophone, now: Instant) {
        let Some(entry) = self.calls.of_phone(call) else { return };
        let before = entry.voice;
        entry.voice = match microphone {
            CallMicrophone::Asked => Voice::Asked { since: now },
            CallMicrophone::Open | CallMicrophone::Changed { .. } => Voice::Open,
            CallMicrophone::Lost(_) => Voice::Lost,
            CallMicrophone::Silent => Voice::Silent,
        };
        match microphone {
            CallMicrophone::Open => self.microphone_changed(Microphone::Ready, now),
            CallMicrophone::Changed { label } => {
                self.microphone = Microphone::Ready;
                let text = match crate::readable(&label) {
                    label if label.is_empty() => "Now using another microphone.".to_owned(),
                    label => format!("Now using {label}."),
                };
                self.notices.say(Level::Info, text, now);
            }
            CallMicrophone::Lost(failure) => {
                let microphone = Microphone::after(failure).unwrap_or(Microphone::Missing);
                // An attempt in vain is no news.
                if before != Voice::Lost || self.microphone != microphone {
                    self.microphone_changed(microphone, now);
                }
            }
            CallMicrophone::Asked | CallMicrophone::Silent => {}
        }
    }

    pub(super) fn devices_changed(&mut self, allowed: Option<bool>, present: bool, now: Instant) {
        if self.reopen_microphones() {
            return;
        }
        let seen = match self.microphone {
            Microphone::Insecure => return,
            _ if allowed == Some(false) => Microphone::Refused,
            _ if !present => Microphone::Missing,
            Microphone::Refused | Microphone::Missing => Microphone::Unknown,
            // Whether another program still holds it, only opening it tells.
            Microphone::Busy | Microphone::Unknown | Microphone::Ready => return,
        };
        if seen != self.microphone {
            self.microphone_changed(seen, now);
        }
    }

    pub(super) fn try_microphone(&mut self) {
        if !self.reopen_microphones() {
            self.orders.push_back(Order::TryMicrophone);
        }
    }

    /// Asks for a microphone for each call that has lost its own; whether there was one.
    fn reopen_microphones(&mut self) -> bool {
        let lost = self.calls.iter().filter(|entry| entry.voice == Voice::Lost);
        let lost: Vec<PhoneCallId> = lost.filter_map(|entry| entry.phone_id()).collect();
        let any = !lost.is_empty();
        self.orders.extend(lost.into_iter().map(|call| Order::ReopenMicrophone { call }));
        any
    }
}
