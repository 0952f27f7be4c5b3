//! The one place that reads a clock; engines are handed what it says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use timing::{Deadline, Instant};

/// This process's time line, and the wall clock beside it.
///
/// Durations and deadlines use [`Clock::now`], which never steps back. The wall clock is for what others read:
/// token claims, call records, logs.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: std::time::Instant,
}

impl Clock {
    /// A time line that begins now.
    pub fn start() -> Self {
        Clock { epoch: std::time::Instant::now() }
    }

    /// The operating system's instant at which the time line begins, for workers that keep their own clock.
    pub fn epoch(self) -> std::time::Instant {
        self.epoch
    }

    /// The instant it is.
    pub fn now(self) -> Instant {
        let micros = self.epoch.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// Waits until `wake` is due; for ever if there is none.
    pub async fn sleep_until(self, wake: Option<Deadline>) {
        match wake {
            Some(deadline) => self.sleep_to(deadline.at).await,
            None => std::future::pending().await,
        }
    }

    async fn sleep_to(self, at: Instant) {
        match self.epoch.checked_add(at.since_origin()) {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Seconds since 1970 by the wall clock; 0 if that clock stands before 1970.
    pub fn unix_seconds(self) -> i64 {
        i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
    }

    /// Milliseconds since 1970 by the wall clock; 0 if that clock stands before 1970.
    pub fn unix_millis(self) -> i64 {
        i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_deadline_that_has_passed_does_not_wait() {
        let clock = Clock::start();
        clock.sleep_until(Some(Deadline::new(Instant::ORIGIN, "past"))).await;
        assert!(clock.now() > Instant::ORIGIN);
        assert!(clock.unix_millis() / 1000 - clock.unix_seconds() <= 1);
    }
}
