use timing::{Duration, Instant};

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So often at once; at least 1.
    pub burst: u32,
    /// So often a second in the long run; at least 1.
    pub per_second: u32,
}

/// Counts against a [`Rate`], in one number: the instant at which the whole burst would be free again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// Takes one, if there is one to take.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let every = Duration::from_secs(1) / rate.per_second.max(1);
        let from = self.full_at.max(now);
        if from.since(now) + every > every * rate.burst.max(1) {
            return false;
        }
        self.full_at = from + every;
        true
    }
}

/// Bytes that may be told to somebody who may not be where he says he is: about as many as were heard from
/// there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Credit {
    bytes: usize,
    at: Instant,
}

impl Credit {
    /// What a stranger may be told beyond what he has said: a challenge, its repetitions, an answer to
    /// OPTIONS.
    const HEAD_START: usize = 4_096;
    /// So quickly the head start comes back: an OPTIONS every few seconds is always answered.
    const PER_SECOND: usize = 100;
    /// More than that nobody saves up.
    const MOST: usize = 65_536;

    pub(super) fn new(now: Instant) -> Self {
        Credit { bytes: Self::HEAD_START, at: now }
    }

    pub(super) fn hear(&mut self, bytes: usize, now: Instant) {
        self.refill(now);
        self.bytes = (self.bytes + bytes).min(Self::MOST);
    }

    /// Spends so many bytes, if there are as many.
    pub(super) fn tell(&mut self, bytes: usize, now: Instant) -> bool {
        self.refill(now);
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }

    fn refill(&mut self, now: Instant) {
        let seconds = usize::try_from(now.since(self.at).as_secs()).unwrap_or(usize::MAX);
        if seconds > 0 {
            self.at = now;
            let refilled = self.bytes.saturating_add(seconds.saturating_mul(Self::PER_SECOND));
            self.bytes = self.bytes.max(refilled.min(Self::HEAD_START));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ORIGIN + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate { burst: 3, per_second: 2 };
        let mut bucket = Bucket::default();
        let taken = |bucket: &mut Bucket, now| (0..10).filter(|_| bucket.take(rate, now)).count();
        assert_eq!(taken(&mut bucket, at(0)), 3);
        assert_eq!(taken(&mut bucket, at(400)), 0);
        assert_eq!(taken(&mut bucket, at(1_000)), 2);
        assert_eq!(taken(&mut bucket, at(60_000)), 3);
    }

    #[test]
    fn a_stranger_is_told_no_more_than_he_said_but_for_a_head_start() {
        let mut credit = Credit::new(at(0));
        assert!(credit.tell(4_000, at(0)));
        assert!(!credit.tell(97, at(0)));
        credit.hear(500, at(0));
        assert!(credit.tell(596, at(0)));
        assert!(!credit.tell(1, at(999)));
        assert!(credit.tell(100, at(1_000)));
        credit.hear(10_000_000, at(1_000));
        assert!(!credit.tell(65_537, at(1_000)));
        assert!(credit.tell(65_536, at(3_600_000)), "refilling takes nothing away");
    }
}
