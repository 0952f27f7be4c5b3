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

/// When who was told to wait may try again.
pub(crate) const RETRY_AFTER: Duration = WINDOW;

/// Counts wrong passwords, so that nobody finds one by trying.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    by_account: BTreeMap<String, Wrong>,
    by_source: BTreeMap<IpAddr, Wrong>,
    by_both: BTreeMap<(String, IpAddr), Wrong>,
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
    /// Whether another password may be tried. A phone that is registered where it speaks (`is_there`) is not shut
    /// out by those who guess its password elsewhere, nor by those who guess others' passwords where it is.
    pub fn may_try(&mut self, account: &str, source: Option<IpAddr>, is_there: bool, now: Instant) -> bool {
        let for_account = self.by_account.get_mut(account).map_or(0, |wrong| wrong.recent(now));
        let from_source = source.and_then(|source| self.by_source.get_mut(&network(source)));
        let from_source = from_source.map_or(0, |wrong| wrong.recent(now));
        if is_there {
            let key = source.map(|source| (account.to_owned(), network(source)));
            let wrong = key.and_then(|key| self.by_both.get_mut(&key));
            return wrong.is_none_or(|wrong| wrong.recent(now) < MOST_FOR_ACCOUNT);
        }
        // in an attack of many on many, who has failed so far is part of it, and nobody else
        let is_attack = self.all.recent(now) >= MOST_AT_ALL;
        let (account, source) = if is_attack { (1, 1) } else { (MOST_FOR_ACCOUNT, MOST_FROM_SOURCE) };
        for_account < account && from_source < source
    }

    /// A wrong password was tried.
    pub fn was_wrong(&mut self, account: &str, source: Option<IpAddr>, now: Instant) {
        self.all.add(now, MOST_AT_ALL);
        let kept = [self.by_account.len(), self.by_source.len(), self.by_both.len()];
        let is_full = kept.iter().any(|kept| *kept >= MOST_KEPT);
        if is_full && self.swept.is_none_or(|swept| now.since(swept) > SWEEP_EVERY) {
            self.swept = Some(now);
            self.by_account.retain(|_, wrong| wrong.recent(now) > 0);
            self.by_source.retain(|_, wrong| wrong.recent(now) > 0);
            self.by_both.retain(|_, wrong| wrong.recent(now) > 0);
        }
        if self.by_account.len() < MOST_KEPT {
            self.by_account.entry(account.to_owned()).or_default().add(now, MOST_FOR_ACCOUNT);
        }
        let source = source.map(network);
        if let Some(source) = source.filter(|_| self.by_source.len() < MOST_KEPT) {
            self.by_source.entry(source).or_default().add(now, MOST_FROM_SOURCE);
        }
        if let Some(source) = source.filter(|_| self.by_both.len() < MOST_KEPT) {
            self.by_both.entry((account.to_owned(), source)).or_default().add(now, MOST_FOR_ACCOUNT);
        }
    }
}

/// One customer has a whole /64 of IPv6.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) >> 64 << 64).to_be_bytes()),
        v4 => v4,
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
            assert!(guesses.may_try("anna", source(guess), false, start), "{guess}");
            guesses.was_wrong("anna", source(guess), start);
        }
        assert!(!guesses.may_try("anna", source(99), false, start));
        assert!(guesses.may_try("anna", source(98), true, start), "the phone itself goes on");
        assert!(guesses.may_try("bruno", source(1), false, start));
        assert!(guesses.may_try("anna", source(99), false, start + Duration::from_secs(61)));
    }

    #[test]
    fn one_source_does_not_try_its_way_through_the_accounts() {
        let mut guesses = Guesses::default();
        for guess in 0..MOST_FROM_SOURCE {
            assert!(guesses.may_try(&format!("user{guess}"), source(1), false, Instant::ORIGIN));
            guesses.was_wrong(&format!("user{guess}"), source(1), Instant::ORIGIN);
        }
        assert!(!guesses.may_try("another", source(1), false, Instant::ORIGIN));
        assert!(guesses.may_try("another", source(2), false, Instant::ORIGIN));
    }

    #[test]
    fn a_phone_among_guessers_goes_on_until_it_is_itself_about_which_they_guess() {
        let mut guesses = Guesses::default();
        for guess in 0..MOST_FROM_SOURCE {
            guesses.was_wrong(&format!("user{guess}"), source(1), Instant::ORIGIN);
        }
        assert!(guesses.may_try("anna", source(1), true, Instant::ORIGIN));
        for _ in 0..MOST_FOR_ACCOUNT {
            assert!(guesses.may_try("anna", source(1), true, Instant::ORIGIN));
            guesses.was_wrong("anna", source(1), Instant::ORIGIN);
        }
        assert!(!guesses.may_try("anna", source(1), true, Instant::ORIGIN));
        assert!(guesses.may_try("bruno", source(1), true, Instant::ORIGIN));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let mut guesses = Guesses::default();
        let of = |last: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]));
        for guess in 0..40 {
            guesses.was_wrong(&guess.to_string(), of(guess), Instant::ORIGIN);
        }
        assert!(!guesses.may_try("new", of(99), false, Instant::ORIGIN));
        let other = Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1]));
        assert!(guesses.may_try("new", other, false, Instant::ORIGIN));
    }

    #[test]
    fn many_sources_and_names_cost_bounded_memory() {
        let mut guesses = Guesses::default();
        for guess in 0..30_000_u32 {
            let ip = IpAddr::from(guess.to_be_bytes());
            guesses.was_wrong(&guess.to_string(), Some(ip), Instant::ORIGIN);
        }
        assert!(
            guesses.by_account.len() <= MOST_KEPT
                && guesses.by_source.len() <= MOST_KEPT
                && guesses.by_both.len() <= MOST_KEPT
        );
        let failed = Some(IpAddr::from(1_u32.to_be_bytes()));
        assert!(!guesses.may_try("new", failed, false, Instant::ORIGIN), "it is part of the attack");
        assert!(!guesses.may_try("2", source(1), false, Instant::ORIGIN), "so is whom it is about");
        assert!(guesses.may_try("new", source(1), false, Instant::ORIGIN), "others are not shut out");
        let later = Instant::ORIGIN + Duration::from_secs(61);
        assert!(guesses.may_try("new", failed, false, later));
    }
}
