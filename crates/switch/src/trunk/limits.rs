use std::collections::{BTreeSet, VecDeque};

use timing::{Duration, Instant};

/// How much somebody, or a trunk, may call. What is not said is not limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// Calls that run at once.
    pub at_once: Option<u32>,
    /// Calls begun within any sixty seconds.
    pub per_minute: Option<u32>,
    /// Calls begun within any twenty-four hours.
    pub per_day: Option<u32>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limited {
    /// Too many calls run.
    #[error("as many run as may")]
    AtOnce,
    /// Too many began within a minute.
    #[error("as many began within a minute as may")]
    TooFast,
    /// Too many began within a day.
    #[error("as many began within a day as may")]
    TooManyToday,
}

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What somebody, or a trunk, has called. The windows slide: no limit is reached twice around its edge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    /// By whatever number its owner gives each.
    running: BTreeSet<u64>,
    /// When calls began, oldest first, as far back as a limit looks.
    began: VecDeque<Instant>,
}

impl Meter {
    /// Whether one more call may begin.
    pub fn check(&mut self, limits: &Limits, now: Instant) -> Result<(), Limited> {
        self.forget(limits, now);
        let reached = |limit: Option<u32>, count: usize| limit.is_some_and(|limit| count >= limit as usize);
        let last_minute = self.began.iter().rev().take_while(|at| now.since(**at) < MINUTE).count();
        if reached(limits.at_once, self.running.len()) {
            Err(Limited::AtOnce)
        } else if reached(limits.per_minute, last_minute) {
            Err(Limited::TooFast)
        } else if reached(limits.per_day, self.began.len()) {
            Err(Limited::TooManyToday)
        } else {
            Ok(())
        }
    }

    /// A call begins, whatever the limits say.
    pub fn begin(&mut self, call: u64, limits: &Limits, now: Instant) {
        self.forget(limits, now);
        self.running.insert(call);
        if limits.per_minute.is_some() || limits.per_day.is_some() {
            self.began.push_back(now);
        }
    }

    /// A call is over.
    pub fn end(&mut self, call: u64) {
        self.running.remove(&call);
    }

    /// How many calls run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn forget(&mut self, limits: &Limits, now: Instant) {
        let horizon = if limits.per_day.is_some() { DAY } else { MINUTE };
        while self.began.front().is_some_and(|at| now.since(*at) >= horizon) {
            self.began.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn each_limit_holds_and_lets_go() {
        let limits = Limits { at_once: Some(2), per_minute: Some(3), per_day: Some(5) };
        let mut meter = Meter::default();
        let mut outcomes = Vec::new();
        for (call, second) in
            [0, 10, 20, 30, 59, 60, 65, 69, 70, 200, 24 * 3600, 24 * 3600 + 9, 24 * 3600 + 10]
                .into_iter()
                .enumerate()
        {
            let call = call as u64;
            let outcome = meter.check(&limits, at(second));
            if outcome.is_ok() {
                meter.begin(call, &limits, at(second));
            }
            meter.end(call);
            outcomes.push((second, outcome));
        }
        let day = 24 * 3600;
        let (fast, today) = (Err(Limited::TooFast), Err(Limited::TooManyToday));
        assert_eq!(
            outcomes,
            [
                (0, Ok(())),
                (10, Ok(())),
                (20, Ok(())),
                (30, fast),
                (59, fast),
                (60, Ok(())),
                (65, fast),
                (69, fast),
                (70, Ok(())),
                (200, today),
                (day, Ok(())),
                (day + 9, today),
                (day + 10, Ok(())),
            ]
        );
        let mut meter = Meter::default();
        meter.begin(1, &limits, at(0));
        meter.begin(2, &limits, at(0));
        assert_eq!(meter.check(&limits, at(120)), Err(Limited::AtOnce));
        meter.end(1);
        meter.end(1);
        assert_eq!(meter.check(&limits, at(120)), Ok(()));
        assert_eq!(meter.running(), 1);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_limited() {
        let (limits, mut meter) = (Limits::default(), Meter::default());
        for call in 0..1_000 {
            assert_eq!(meter.check(&limits, at(0)), Ok(()));
            meter.begin(call, &limits, at(0));
            meter.end(call);
        }
        assert!(meter.began.is_empty() && meter.running.is_empty());
    }
}
