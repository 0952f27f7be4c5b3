use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use timing::{Duration, Instant};

/// Within this time so many wrong passwords are too many.
const WINDOW: Duration = Duration::from_secs(60);
/// For one account, whoever guesses.
const MOST_FOR_ACCOUNT: usize = 10;
/// From one source, whatever it guesses; an office may have many phones with an old password.
const MOST_FROM_SOURCE: usize = 40;
/// From everywhere: more is an attack of many sources on many accounts.
const MOST_AT_ALL: usize = 1_000;
/// Names and sources kept at once; when there are more, the attack is counted as a whole only.
const MOST_KEPT: usize = 10_000;

/// Sweeping takes a time that grows with what is kept.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Counts wrong passwords, so that nobody finds one by trying.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    by_account: BTreeMap<String, Wrong>,
    by_source: BTreeMap<IpAddr, Wrong>,
    all: Wrong,
    /// When what is over was last thrown away.
    swept: Option<Instant>,
}

#[derive(Debug, Default)]
struct Wrong(VecDeque<Instant>);

impl Wrong {
    fn recent(&mut self, now: Instant) -> usize {
        while self.0.front().is_some_and(|at| now.since(*at) > WINDOW) {
            self.0.pop_front();
        }
        self.0.len()
    }

    fn add(&mut self, now: Instant, most: usize) {
        if self.recent(now) < most {
            self.0.push_back(now);
        }
    }
}

impl Guesses {
    /// Whether another password may be tried.
    pub fn may_try(&mut self, account: &str, source: Option<IpAddr>, now: Instant) -> bool {
        let for_account = self.by_account.get_mut(account).map_or(0, |wrong| wrong.recent(now));
        let from_source = source.and_then(|source| self.by_source.get_mut(&source));
        let from_source = from_source.map_or(0, |wrong| wrong.recent(now));
        for_account < MOST_FOR_ACCOUNT && from_source < MOST_FROM_SOURCE && self.all.recent(now) < MOST_AT_ALL
    }

    /// A wrong password was tried.
    pub fn was_wrong(&mut self, account: &str, source: Option<IpAddr>, now: Instant) {
        self.all.add(now, MOST_AT_ALL);
        let is_full = self.by_account.len() >= MOST_KEPT || self.by_source.len() >= MOST_KEPT;
        if is_full && self.swept.is_none_or(|swept| now.since(swept) > SWEEP_EVERY) {
            self.swept = Some(now);
            self.by_account.retain(|_, wrong| wrong.recent(now) > 0);
            self.by_source.retain(|_, wrong| wrong.recent(now) > 0);
        }
        if self.by_account.len() < MOST_KEPT {
            self.by_account.entry(account.to_owned()).or_default().add(now, MOST_FOR_ACCOUNT);
        }
        if let Some(source) = source.filter(|_| self.by_source.len() < MOST_KEPT) {
            self.by_source.entry(source).or_default().add(now, MOST_FROM_SOURCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn ten_guesses_a_minute_from_wherever_they_come() {
        let mut guesses = Guesses::default();
        let start = Instant::ORIGIN;
        for guess in 0..10 {
            assert!(guesses.may_try("anna", source(guess), start), "{guess}");
            guesses.was_wrong("anna", source(guess), start);
        }
        assert!(!guesses.may_try("anna", source(99), start));
        assert!(guesses.may_try("bruno", source(1), start));
        assert!(guesses.may_try("anna", source(99), start + Duration::from_secs(61)));
    }

    #[test]
    fn one_source_does_not_try_its_way_through_the_accounts() {
        let mut guesses = Guesses::default();
        for guess in 0..MOST_FROM_SOURCE {
            assert!(guesses.may_try(&format!("user{guess}"), source(1), Instant::ORIGIN));
            guesses.was_wrong(&format!("user{guess}"), source(1), Instant::ORIGIN);
        }
        assert!(!guesses.may_try("another", source(1), Instant::ORIGIN));
        assert!(guesses.may_try("another", source(2), Instant::ORIGIN));
    }

    #[test]
    fn many_sources_and_names_cost_bounded_memory() {
        let mut guesses = Guesses::default();
        for guess in 0..30_000_u32 {
            let ip = IpAddr::from(guess.to_be_bytes());
            guesses.was_wrong(&guess.to_string(), Some(ip), Instant::ORIGIN);
        }
        assert!(guesses.by_account.len() <= MOST_KEPT && guesses.by_source.len() <= MOST_KEPT);
        assert!(!guesses.may_try("new", source(1), Instant::ORIGIN), "all of it is an attack");
        assert!(guesses.may_try("new", source(1), Instant::ORIGIN + Duration::from_secs(61)));
    }
}
