use timing::Instant;

/// The message limit of a CTI user: a leaky bucket that drains 90 messages in 30 s and holds at most 180.
///
/// It works like nginx's `limit_req`, but exactly: the level is kept in millionths of a message, of which three
/// drain in each microsecond, so that no rounding ever favours or robs a client. In any window of `t` seconds at
/// most `180 + 3·t` messages are taken, and a client that sends fewer than three a second is never refused.
#[derive(Clone, Debug, Default)]
pub struct Throttle {
    /// Millionths of a message.
    level: u64,
    filled_at: Instant,
}

const MESSAGE: u64 = 1_000_000;
/// 90 messages in 30 s are three millionths of a message in a microsecond.
const DRAIN_PER_MICROSECOND: u64 =
    cti::session::THROTTLE_MESSAGES as u64 * MESSAGE / (cti::session::THROTTLE_PERIOD.as_secs() * 1_000_000);
const FULL: u64 = cti::session::THROTTLE_BURST as u64 * MESSAGE;

impl Throttle {
    /// Whether one more message is taken at `now`; a refused one does not count.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = u64::try_from(now.since(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_sub(passed.saturating_mul(DRAIN_PER_MICROSECOND));
        self.filled_at = self.filled_at.max(now);
        if self.level + MESSAGE > FULL {
            return false;
        }
        self.level += MESSAGE;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use timing::Duration;

    #[test]
    fn a_burst_of_180_is_taken_and_the_181st_is_not() {
        let mut throttle = Throttle::default();
        let taken = (0..181).filter(|_| throttle.take(Instant::ORIGIN)).count();
        assert_eq!(taken, 180);
        let a_third_later = Instant::from_micros(333_333);
        assert!(!throttle.take(a_third_later), "one microsecond too early");
        assert!(throttle.take(Instant::from_micros(333_334)));
        assert!(!throttle.take(Instant::from_micros(333_334)));
    }

    #[test]
    fn a_client_just_under_three_a_second_is_never_refused() {
        let mut throttle = Throttle::default();
        let mut now = Instant::ORIGIN;
        for _ in 0..100_000 {
            assert!(throttle.take(now));
            now += Duration::from_micros(1_000_000 * 10 / 29);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn no_window_takes_more_than_the_burst_and_its_drain(gaps in prop::collection::vec(0u64..400_000, 1..400)) {
            let mut throttle = Throttle::default();
            let mut now = 0u64;
            let mut taken = Vec::new();
            for gap in gaps {
                now += gap;
                if throttle.take(Instant::from_micros(now)) {
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (count, to) in taken[first..].iter().enumerate() {
                    let allowed = 180 * MESSAGE + 3 * (to - from);
                    prop_assert!((count as u64 + 1) * MESSAGE <= allowed);
                }
            }
        }
    }
}
