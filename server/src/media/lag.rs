//! How long things wait for a worker's loop, and when that is too long.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use timing::Instant;

/// How often the lag and the number of legs are told to the pool and to the metrics.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(1);
/// A worker that is further behind takes no new call while another is not.
const LATE: Duration = Duration::from_millis(5);
/// A packet of speech; what waits for longer is heard.
const OVERLOADED: Duration = Duration::from_millis(20);
/// Over so many seconds in a row a worker must be behind before calls are refused for it.
const SECONDS: usize = 3;
/// A loop that has not come round for so long beyond [`TELL_EVERY`] stands still.
const STUCK: Duration = Duration::from_millis(500);

/// What a worker tells of itself, read without a lock.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) legs: AtomicUsize,
    /// What one wait in a hundred was longer than within the last second, in microseconds.
    lag_us: AtomicU64,
    /// The least of these over the last [`SECONDS`].
    lasting_us: AtomicU64,
    last_turn_us: AtomicU64,
}

/// The waits since they were last told, and those of the seconds before.
#[derive(Debug)]
pub(super) struct Lag {
    counts: [u32; BUCKETS + 1],
    worst: Duration,
    next_tell: Instant,
    seconds: [Duration; SECONDS],
}

const BUCKET: Duration = Duration::from_micros(250);
/// The last is for whatever is longer than all of these.
const BUCKETS: usize = 128;

impl Load {
    pub(super) fn new(now: Instant) -> Load {
        Load {
            legs: AtomicUsize::new(0),
            lag_us: AtomicU64::new(0),
            lasting_us: AtomicU64::new(0),
            last_turn_us: AtomicU64::new(now.as_micros()),
        }
    }

    /// How long whatever is asked now may have to wait.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        Duration::from_micros(self.lag_us.load(Ordering::Relaxed)).max(self.overdue(now))
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.lag(now) > LATE
    }

    pub(super) fn is_overloaded(&self, now: Instant) -> bool {
        let lasting = Duration::from_micros(self.lasting_us.load(Ordering::Relaxed));
        lasting > OVERLOADED || self.overdue(now) > STUCK
    }

    /// The loop comes round at least every [`TELL_EVERY`].
    fn overdue(&self, now: Instant) -> Duration {
        let last_turn = Instant::from_micros(self.last_turn_us.load(Ordering::Relaxed));
        now.since(last_turn).saturating_sub(TELL_EVERY)
    }

    pub(super) fn turn(&self, now: Instant) {
        self.last_turn_us.store(now.as_micros(), Ordering::Relaxed);
    }

    /// The worker is gone for good.
    pub(super) fn give_up(&self) {
        self.lag_us.store(u64::MAX, Ordering::Relaxed);
        self.lasting_us.store(u64::MAX, Ordering::Relaxed);
        self.legs.store(0, Ordering::Relaxed);
    }

    fn tell(&self, lag: Duration, lasting: Duration) {
        let micros = |lag: Duration| u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.lag_us.store(micros(lag), Ordering::Relaxed);
        self.lasting_us.store(micros(lasting), Ordering::Relaxed);
    }
}

impl Default for Lag {
    fn default() -> Self {
        Lag {
            counts: [0; BUCKETS + 1],
            worst: Duration::ZERO,
            next_tell: Instant::ORIGIN,
            seconds: [Duration::ZERO; SECONDS],
        }
    }
}

impl Lag {
    pub(super) fn note(&mut self, wait: Duration) {
        let bucket = usize::try_from(wait.as_micros() / BUCKET.as_micros()).unwrap_or(BUCKETS);
        self.counts[bucket.min(BUCKETS)] += 1;
        self.worst = self.worst.max(wait);
    }

    /// Once a second: tells `load`, and returns the lag and the longest wait of all for the metrics.
    pub(super) fn tell(&mut self, load: &Load, now: Instant) -> Option<(Duration, Duration)> {
        if now < self.next_tell {
            return None;
        }
        let (lag, worst) = (self.one_in_a_hundred(), self.worst);
        self.seconds.rotate_left(1);
        self.seconds[SECONDS - 1] = lag;
        load.tell(lag, self.seconds.iter().min().copied().unwrap_or_default());
        *self = Lag { next_tell: now + TELL_EVERY, seconds: self.seconds, ..Lag::default() };
        Some((lag, worst))
    }

    /// What one wait in a hundred was longer than, rounded up to a bucket.
    fn one_in_a_hundred(&self) -> Duration {
        let mut longer = self.counts.iter().sum::<u32>() / 100;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            if *count > longer {
                let end = u32::try_from(bucket + 1).unwrap_or(u32::MAX);
                return if bucket == BUCKETS { self.worst } else { BUCKET * end };
            }
            longer -= count;
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn milliseconds(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// A second with a thousand waits.
    fn second(lag: &mut Lag, load: &Load, number: u64, waits: impl Fn(u64) -> Duration) {
        (0..1000).for_each(|turn| lag.note(waits(turn)));
        load.turn(at(number));
        lag.tell(load, at(number)).expect("a second is over");
    }

    #[test]
    fn one_long_wait_among_many_is_no_lag_and_one_in_fifty_is() {
        let (mut lag, load) = (Lag::default(), Load::new(at(0)));
        second(&mut lag, &load, 1, |turn| milliseconds(if turn % 500 == 0 { 900 } else { 1 }));
        assert_eq!(load.lag(at(1)), Duration::from_micros(1250));
        assert!(!load.is_late(at(1)));
        second(&mut lag, &load, 2, |turn| milliseconds(if turn % 50 == 0 { 900 } else { 1 }));
        assert_eq!(load.lag(at(2)), milliseconds(900));
        assert!(load.is_late(at(2)));
    }

    #[test]
    fn calls_are_refused_after_three_bad_seconds_and_taken_after_a_good_one() {
        let (mut lag, load) = (Lag::default(), Load::new(at(0)));
        for number in 1..=3 {
            assert!(!load.is_overloaded(at(number)), "{number}");
            second(&mut lag, &load, number, |_| milliseconds(25));
        }
        assert!(load.is_overloaded(at(3)));
        second(&mut lag, &load, 4, |_| milliseconds(1));
        assert!(!load.is_overloaded(at(4)) && !load.is_late(at(4)));
    }

    #[test]
    fn a_loop_that_does_not_come_round_is_late_and_then_overloaded() {
        let load = Load::new(at(0));
        load.turn(at(10));
        assert!(!load.is_late(at(11)), "it may sleep for a second");
        assert!(load.is_late(at(11) + milliseconds(6)) && !load.is_overloaded(at(11) + milliseconds(6)));
        assert!(load.is_overloaded(at(12)));
        load.turn(at(12));
        assert!(!load.is_late(at(12)));
        load.give_up();
        assert!(load.is_late(at(12)) && load.is_overloaded(at(12)));
    }
}
