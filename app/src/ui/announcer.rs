//! The two live regions of a page. Messages wait their turn, one a second, and are not repeated.

use std::{collections::VecDeque, time::Duration};

use leptos::prelude::*;

use super::live::live;

/// How long a message stays alone in its region, so that a screen reader takes it up before the next.
const TURN: Duration = Duration::from_secs(1);

/// Speaks to screen readers; get it with `use_context`. Timers and counters never go here.
#[derive(Clone, Copy)]
pub struct Announcer {
    polite: Voice,
    urgent: Voice,
    refusal: RwSignal<String>,
}

impl Announcer {
    /// Makes the announcer and offers it to all views below.
    pub fn provide() -> Self {
        let announcer =
            Self { polite: Voice::new(), urgent: Voice::new(), refusal: RwSignal::new(String::new()) };
        provide_context(announcer);
        announcer
    }

    /// Says this when the screen reader pauses.
    pub fn say(self, message: impl Into<String>) {
        self.polite.say(message.into());
    }

    /// Says why a press did nothing, and lets the page show it.
    pub fn refuse(self, reason: impl Into<String>) {
        let text = reason.into();
        self.say(text.clone());
        self.refusal.set(text);
    }

    /// The latest refusal, empty before the first; the same one again wakes its readers too.
    pub fn refusal(self) -> String {
        self.refusal.get()
    }

    /// Says this at once: a call rings, the sound is lost.
    pub fn call_out(self, message: impl Into<String>) {
        self.urgent.say(message.into());
    }
}

/// Where the announcer speaks; once a page, always in the document.
#[component]
pub fn LiveRegions(announcer: Announcer) -> impl IntoView {
    view! {
        <div id="announcer-polite" class="unseen" role="status">{live(move || announcer.polite.spoken.get())}</div>
        <div id="announcer-urgent" class="unseen" role="alert">{live(move || announcer.urgent.spoken.get())}</div>
    }
}

#[derive(Clone, Copy)]
struct Voice {
    spoken: RwSignal<String>,
    waiting: StoredValue<VecDeque<String>>,
    speaking: StoredValue<bool>,
}

impl Voice {
    fn new() -> Self {
        Self {
            spoken: RwSignal::new(String::new()),
            waiting: StoredValue::new(VecDeque::new()),
            speaking: StoredValue::new(false),
        }
    }

    fn say(self, message: String) {
        self.waiting.update_value(|waiting| {
            if waiting.back() != Some(&message) {
                waiting.push_back(message);
            }
        });
        if !self.speaking.get_value() {
            self.next();
        }
    }

    fn next(self) {
        // The page may have been left while a message waited.
        let Some(next) = self.waiting.try_update_value(VecDeque::pop_front) else { return };
        let more = next.is_some();
        self.speaking.set_value(more);
        self.spoken.set(next.unwrap_or_default());
        if more {
            set_timeout(move || self.next(), TURN);
        }
    }
}
