//! Whether the peer is there, and whether it is heard.

use timing::{Duration, Instant};

use super::{BrowserLeg, FIGURES_EVERY, Link};
use crate::leg::{Leg as _, Output};

/// A browser checks its consent every four to six seconds (RFC 7675 §5.1); three of them in a row are missing.
const LOST_AFTER: Duration = Duration::from_secs(20);
/// Long enough for discontinuous transmission, which sends something every 400 ms.
const SILENT_AFTER: Duration = Duration::from_secs(10);

impl BrowserLeg {
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = now;
        if self.link == Link::Lost {
            self.move_link(Link::Up, now);
        }
    }

    pub(super) fn hear_audio(&mut self, now: Instant) {
        self.audio_heard = now;
        if std::mem::take(&mut self.silent) {
            self.outbox.push_back(Output::Audible);
        }
    }

    pub(super) fn watch(&mut self, now: Instant) {
        if self.link == Link::Up && now.since(self.heard) >= LOST_AFTER {
            self.move_link(Link::Lost, now);
        }
        if !self.speaks() {
            self.audio_heard = now;
        } else if !self.silent && now.since(self.audio_heard) >= SILENT_AFTER {
            self.silent = true;
            self.outbox.push_back(Output::Silent);
        }
        if self.link == Link::Up && self.next_figures <= now {
            self.next_figures = now + FIGURES_EVERY;
            self.outbox.push_back(Output::Figures(self.figures()));
        }
    }

    pub(super) fn move_link(&mut self, to: Link, now: Instant) {
        let from = self.link;
        if from == to || from == Link::Closed {
            return;
        }
        self.link = to;
        self.splice.interrupt();
        match to {
            Link::Up => {
                self.audio_heard = now;
                self.outbox.push_back(Output::Connected);
            }
            Link::Lost => self.outbox.push_back(Output::Lost),
            Link::Closed if from != Link::Lost => self.outbox.push_back(Output::Lost),
            Link::Closed | Link::New => {}
        }
    }
}
