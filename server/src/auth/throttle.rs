//! Slows guessing down, by user and by address, and never locks anybody out for good.
//!
//! Every try is charged before the password is checked and given back when it was right. A pair of user and address
//! that has logged in before is charged on an account of its own, so that a stranger who keeps guessing somebody's
//! password delays strangers only.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use timing::{Duration, Instant};

/// So many wrong tries in a row are free of waiting; then one more each `refill`.
#[derive(Clone, Copy)]
struct Rate {
    burst: u32,
    refill: Duration,
}

const PER_USER: Rate = Rate { burst: 10, refill: Duration::from_secs(6) };
// An office behind one address logs in within minutes, and each of its logins is charged while it is checked.
const PER_ADDRESS: Rate = Rate { burst: 60, refill: Duration::from_secs(2) };

/// How many accounts and familiar pairs are remembered; beyond it the oldest make room.
const MAX_REMEMBERED: usize = 50_000;

/// The guesser has to wait this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many tries; wait {} s", self.0.as_secs())]
pub struct TooMany(pub Duration);

/// A charged try. Unless it is called a success, it stays charged.
#[derive(Debug)]
#[must_use]
pub struct Try {
    pair: Pair,
    charged: Vec<Account>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pair {
    login: String,
    address: IpAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Account {
    User(String),
    Address(IpAddr),
    Familiar(Pair),
}

impl Account {
    fn rate(&self) -> Rate {
        match self {
            Account::User(_) | Account::Familiar(_) => PER_USER,
            Account::Address(_) => PER_ADDRESS,
        }
    }
}

/// The accounts of tries.
#[derive(Default)]
pub struct Throttle {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    // When each account will be empty again; one try moves it by the account's refill time (a leaky bucket).
    empty_at: HashMap<Account, Instant>,
    familiar: HashMap<Pair, Instant>,
}

impl Throttle {
    /// Charges a try to log in as `login` from `address`.
    ///
    /// # Errors
    /// [`TooMany`] when an account is used up; then nothing is charged.
    pub fn charge(&self, login: &str, address: IpAddr, now: Instant) -> Result<Try, TooMany> {
        let pair = Pair { login: login.to_owned(), address: network_of(address) };
        let mut books = self.books();
        let charged = if books.familiar.contains_key(&pair) {
            vec![Account::Familiar(pair.clone())]
        } else {
            vec![Account::User(pair.login.clone()), Account::Address(pair.address)]
        };
        let wait = charged.iter().map(|account| books.wait(account, now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(TooMany(wait));
        }
        for account in &charged {
            books.charge(account.clone(), now);
        }
        Ok(Try { pair, charged })
    }

    /// Gives a try back, and remembers that this user logs in from there.
    pub fn succeeded(&self, try_: Try, now: Instant) {
        let mut books = self.books();
        for account in &try_.charged {
            books.give_back(account);
        }
        if books.familiar.len() >= MAX_REMEMBERED {
            drop_older_half(&mut books.familiar);
        }
        books.familiar.insert(try_.pair, now);
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn wait(&self, account: &Account, now: Instant) -> Duration {
        let Rate { burst, refill } = account.rate();
        let full_from = refill * (burst - 1);
        self.empty_at
            .get(account)
            .map_or(Duration::ZERO, |empty_at| empty_at.since(now).saturating_sub(full_from))
    }

    fn charge(&mut self, account: Account, now: Instant) {
        if self.empty_at.len() >= MAX_REMEMBERED {
            self.empty_at.retain(|_, empty_at| *empty_at > now);
            if self.empty_at.len() >= MAX_REMEMBERED {
                drop_older_half(&mut self.empty_at);
            }
        }
        let refill = account.rate().refill;
        let empty_at = self.empty_at.entry(account).or_insert(now);
        *empty_at = (*empty_at).max(now) + refill;
    }

    fn give_back(&mut self, account: &Account) {
        if let Some(empty_at) = self.empty_at.get_mut(account) {
            let refill = account.rate().refill;
            *empty_at = Instant::ORIGIN + empty_at.since_origin().saturating_sub(refill);
        }
    }
}

/// What counts as one peer: one household has many IPv6 addresses but one /64, and IPv4 addresses count alone.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) & !u128::from(u64::MAX)).to_be_bytes()),
    }
}

fn drop_older_half<K: Clone + Eq + std::hash::Hash>(remembered: &mut HashMap<K, Instant>) {
    let mut times: Vec<Instant> = remembered.values().copied().collect();
    let middle = times.len() / 2;
    let (_, &mut median, _) = times.select_nth_unstable(middle);
    remembered.retain(|_, time| *time > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn guesses(throttle: &Throttle, login: &str, address: IpAddr, from: u64, to: u64) -> usize {
        (from..to).filter(|second| throttle.charge(login, address, at(*second)).is_ok()).count()
    }

    #[test]
    fn guesses_at_one_user_come_to_ten_a_minute() {
        let throttle = Throttle::default();
        assert_eq!(guesses(&throttle, "alice", HOME, 0, 60), 10 + 9);
        assert_eq!(guesses(&throttle, "alice", HOME, 60, 3660), 600);
    }

    #[test]
    fn the_wait_is_said_and_is_enough() {
        let throttle = Throttle::default();
        for _ in 0..10 {
            let _ = throttle.charge("alice", HOME, at(1)).unwrap();
        }
        let TooMany(wait) = throttle.charge("alice", HOME, at(1)).unwrap_err();
        assert_eq!(wait, Duration::from_secs(6));
        assert!(throttle.charge("alice", HOME, at(1) + wait).is_ok());
    }

    #[test]
    fn one_password_over_many_users_is_slowed_by_address() {
        let throttle = Throttle::default();
        let tried = (0..1000).filter(|n| throttle.charge(&format!("user{n}"), HOME, at(1)).is_ok()).count();
        assert_eq!(tried, 60);
    }

    #[test]
    fn a_thousand_addresses_share_one_users_account() {
        let throttle = Throttle::default();
        let tried = (0..1000u32)
            .filter(|n| {
                throttle.charge("alice", IpAddr::from((0x0a00_0000 | n).to_be_bytes()), at(1)).is_ok()
            })
            .count();
        assert_eq!(tried, 10);
    }

    #[test]
    fn the_real_user_gets_in_while_strangers_guess() {
        let throttle = Throttle::default();
        let first = throttle.charge("alice", HOME, at(0)).unwrap();
        throttle.succeeded(first, at(0));
        let stranger: IpAddr = "198.51.100.7".parse().unwrap();
        guesses(&throttle, "alice", stranger, 0, 100);
        assert!(throttle.charge("alice", stranger, at(100)).is_err());
        assert!(throttle.charge("alice", HOME, at(100)).is_ok());
    }

    #[test]
    fn right_passwords_cost_nothing() {
        let throttle = Throttle::default();
        for _ in 0..1000 {
            let try_ = throttle.charge("alice", HOME, at(5)).unwrap();
            throttle.succeeded(try_, at(5));
        }
    }

    #[test]
    fn an_ipv6_household_is_one_address() {
        let a = network_of("2001:db8:1:2:3::4".parse().unwrap());
        assert_eq!(a, network_of("2001:db8:1:2:ffff::9".parse().unwrap()));
        assert_ne!(a, network_of("2001:db8:1:3::".parse().unwrap()));
        assert_eq!(network_of("::ffff:192.0.2.1".parse().unwrap()), HOME);
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..200_000u32 {
            let _ = throttle.charge("x", IpAddr::from((0x0a00_0000 | n).to_be_bytes()), at(u64::from(n)));
        }
        assert!(throttle.books().empty_at.len() <= MAX_REMEMBERED);
    }
}
