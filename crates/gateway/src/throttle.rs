use timing::Instant;

/// The message limit of a CTI user: a leaky bucket that drains 90 messages in 30 s and holds at most 180.
///
/// It works like nginx's `limit_req`, but exactly: the level is kept in millionths of a message, of which three
/// drain in each microsecond, so that no rounding ever favours or robs a client. In any window of `t` seconds at
/// most `180 + 3·t` messages are taken, and a client that sends fewer than three a second is never refused.
///
/// The protocol counts by socket (§2.5) and, at the edge, by client address (§1.7). Here a user has one
/// bucket for all his sockets, so that a second socket is no second allowance.
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
    use std::iter::repeat_n;

    use proptest::prelude::*;
    use timing::Duration;

    use super::*;

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

    /// The same rule in another form, the virtual scheduling of ITU-T I.371: when the bucket would be empty
    /// again, in thirds of a microsecond, of which a message takes a million.
    #[derive(Default)]
    struct Schedule {
        empty_at: u64,
    }

    impl Schedule {
        fn take(&mut self, micros: u64) -> bool {
            let now = micros * 3;
            let empty_at = self.empty_at.max(now) + 1_000_000;
            let taken = empty_at - now <= 180 * 1_000_000;
            if taken {
                self.empty_at = empty_at;
            }
            taken
        }
    }

    /// Microseconds between two messages: none, about a third of a second, anything below, and long pauses.
    fn gap() -> impl Strategy<Value = u64> {
        prop_oneof![
            4 => Just(0),
            2 => 333_330..333_337u64,
            2 => 0..400_000u64,
            1 => 1_000_000..120_000_000u64,
            1 => 0..u64::from(u32::MAX) * 1_000,
        ]
    }

    /// Messages that follow each other at one distance, and how many of them.
    fn runs() -> impl Strategy<Value = Vec<(u64, usize)>> {
        prop::collection::vec((gap(), 1..100usize), 2..10)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn every_answer_is_that_of_the_exact_schedule(runs in runs(), last in 820..900usize) {
            let (mut throttle, mut schedule) = (Throttle::default(), Schedule::default());
            let (mut now, mut refused) = (0, 0);
            // at least a thousand messages in a case, the last of them at once
            let runs = [(0, 181)].into_iter().chain(runs).chain([(0, last)]);
            for gap in runs.flat_map(|(gap, messages)| repeat_n(gap, messages)) {
                now += gap;
                let taken = throttle.take(Instant::from_micros(now));
                prop_assert!(taken == schedule.take(now), "taken: {} at {} µs", taken, now);
                refused += usize::from(!taken);
            }
            prop_assert!(refused >= last - 180, "only {} refused", refused);
        }
    }
}
