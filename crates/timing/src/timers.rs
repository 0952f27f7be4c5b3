use std::collections::{BTreeMap, BTreeSet};

use crate::{Deadline, Instant};

/// A set of named timers: at most one per key, taken out in the order in which they fall due.
///
/// Keys that fall due at the same instant come out in key order, so a run can be replayed.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    by_key: BTreeMap<K, Deadline>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Timers { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets the timer `key`, replacing its former deadline.
    pub fn set(&mut self, key: K, deadline: Deadline) {
        self.cancel(&key);
        self.by_time.insert((deadline.at, key.clone()));
        self.by_key.insert(key, deadline);
    }

    /// Takes the timer `key` away; does nothing when it is not set.
    pub fn cancel(&mut self, key: &K) {
        if let Some(old) = self.by_key.remove(key) {
            self.by_time.remove(&(old.at, key.clone()));
        }
    }

    /// The deadline of `key`, if it is set.
    pub fn deadline(&self, key: &K) -> Option<Deadline> {
        self.by_key.get(key).copied()
    }

    /// The next deadline of all.
    pub fn next(&self) -> Option<Deadline> {
        self.by_time.first().and_then(|(_, key)| self.by_key.get(key).copied())
    }

    /// Takes out one timer that is due at `now`, the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// All keys that are set, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.by_key.keys()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Duration;

    fn at(seconds: u64) -> Deadline {
        Deadline::new(Instant::ORIGIN + Duration::from_secs(seconds), "test")
    }

    #[test]
    fn timers_fall_due_in_order_and_only_once() {
        let mut timers = Timers::default();
        timers.set("late", at(9));
        timers.set("soon", at(2));
        timers.set("soon", at(3));
        assert_eq!(timers.next(), Some(at(3)));
        assert_eq!(timers.keys().collect::<Vec<_>>(), [&"late", &"soon"]);
        assert_eq!(timers.pop_due(at(2).at), None);
        assert_eq!(timers.pop_due(at(9).at), Some("soon"));
        assert_eq!(timers.pop_due(at(9).at), Some("late"));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_cancelled_timer_never_falls_due() {
        let mut timers = Timers::default();
        timers.set(1, at(1));
        timers.cancel(&1);
        assert_eq!(timers.pop_due(at(5).at), None);
        assert_eq!(timers.next(), None);
    }
}
