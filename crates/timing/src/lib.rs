//! Time as a value: the instants, spans and deadlines that every engine is handed.
//!
//! Engines in this house have no clock. A shell owns one, and passes `now` as the last argument of every
//! call; an engine answers with the [`Deadline`] at which it wants to be woken. That is why a whole shift can
//! be replayed in a test, and why the same engines run in the browser, where `std::time::Instant` panics.
//!
//! ```
//! use timing::{Deadline, Duration, Instant};
//!
//! let start = Instant::ORIGIN;
//! let deadline = Deadline::new(start + Duration::from_secs(5), "no answer");
//! assert!(!deadline.is_due(start));
//! assert!(deadline.is_due(start + Duration::from_secs(5)));
//! ```
//!
//! Left to others: reading a clock (shells), calendars and time zones (`store`, views).
#![warn(missing_docs)]

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

pub use std::time::Duration;

mod timers;
pub use timers::Timers;

/// A point on one process's monotonic time line, in microseconds since that process's origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// Where the time line begins.
    pub const ORIGIN: Instant = Instant(0);

    /// The instant this many microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Instant(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from the origin to this instant.
    pub const fn since_origin(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// The time from `earlier` to this instant; zero if `earlier` is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, span: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// When an engine wants to be woken, and why (for logs and for tests).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The instant to wake at.
    pub at: Instant,
    /// What will be due then, in the words of the standard where it has some (`"Timer G"`).
    pub why: &'static str,
}

impl Deadline {
    /// A deadline at `at`, because of `why`.
    pub const fn new(at: Instant, why: &'static str) -> Self {
        Deadline { at, why }
    }

    /// Whether the deadline has come at `now`.
    pub fn is_due(self, now: Instant) -> bool {
        self.at <= now
    }

    /// The sooner of two optional deadlines; the first on a tie.
    pub fn sooner(a: Option<Deadline>, b: Option<Deadline>) -> Option<Deadline> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_saturate_instead_of_wrapping() {
        let early = Instant::from_micros(5);
        let late = Instant::from_micros(9);
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late - early, Duration::from_micros(4));
        assert_eq!(Instant::from_micros(u64::MAX) + Duration::from_secs(1), Instant::from_micros(u64::MAX));
    }

    #[test]
    fn the_sooner_deadline_wins_and_the_first_on_a_tie() {
        let a = Deadline::new(Instant::from_micros(1), "a");
        let b = Deadline::new(Instant::from_micros(1), "b");
        let c = Deadline::new(Instant::ORIGIN, "c");
        assert_eq!(Deadline::sooner(Some(a), Some(b)), Some(a));
        assert_eq!(Deadline::sooner(Some(a), Some(c)), Some(c));
        assert_eq!(Deadline::sooner(None, Some(b)), Some(b));
    }
}
