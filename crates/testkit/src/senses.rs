//! What is seen and heard in a story.

use softphone::CallState;
use switch::{CallEnded, Fact, PhoneFact, PhoneFactKind};
use timing::Instant;

use crate::browser::LISTENED;
use crate::world::World;

impl World {
    /// The state of the only call on the page; `None` without a call.
    pub fn state(&self, name: &str) -> Option<CallState> {
        self.browser(name).calls().first().map(|call| call.state)
    }

    /// Whether `name` has heard `voice` just now.
    pub fn hears(&self, name: &str, voice: &str) -> bool {
        let since = self.listened_since();
        match self.sip_phones.get(name) {
            Some(phone) => phone.heard(voice.as_bytes(), since),
            None => self.browser(name).heard(voice, since),
        }
    }

    /// Whether `name` has heard something just now that nobody has said: music or a tone.
    pub fn hears_a_sound(&self, name: &str) -> bool {
        let since = self.listened_since();
        let is_sound = |heard: &[u8]| {
            !heard.starts_with(b"desk-") && !self.lines.iter().any(|(n, _)| n.as_bytes() == heard)
        };
        match self.sip_phones.get(name) {
            Some(phone) => phone.heard_since(since).any(is_sound),
            None => self.browser(name).heard_since(since).any(is_sound),
        }
    }

    fn listened_since(&self) -> Instant {
        Instant::from_micros(self.now.as_micros().saturating_sub(LISTENED.as_micros() as u64))
    }

    /// Whether `name` has heard nothing at all just now.
    pub fn hears_nobody(&self, name: &str) -> bool {
        let since = self.listened_since();
        match self.sip_phones.get(name) {
            Some(phone) => phone.heard_since(since).next().is_none(),
            None => self.browser(name).heard_since(since).next().is_none(),
        }
    }

    /// What the user was told of his calls, in order.
    pub fn told(&self, name: &str) -> Vec<PhoneFactKind> {
        self.phone_facts(name).iter().map(|fact| fact.kind).collect()
    }

    /// The same with all that goes with it.
    pub fn phone_facts(&self, name: &str) -> Vec<&PhoneFact> {
        let user = self.user(name);
        let phone = self.facts.iter().filter_map(|fact| match fact {
            Fact::Phone(phone) if phone.user == user => Some(phone),
            _ => None,
        });
        phone.collect()
    }

    /// The calls that are over.
    pub fn records(&self) -> Vec<&CallEnded> {
        self.facts
            .iter()
            .filter_map(|fact| if let Fact::CallEnded(ended) = fact { Some(ended) } else { None })
            .collect()
    }
}
