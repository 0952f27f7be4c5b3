use timing::Duration;

/// Waiting times between attempts to reach a server: 0.5 s, doubled each time up to 15 s, each shortened by a random
/// part of up to a half, so that a thousand pages do not come back in the same instant after a restart.
#[derive(Clone, Debug)]
pub struct Backoff {
    attempt: u32,
    random: u64,
}

/// Short enough that a restarted server is not noticed by most people.
const FIRST: Duration = Duration::from_millis(500);
/// Nobody should look at a dead page for longer than this after the server is back.
const LONGEST: Duration = Duration::from_secs(15);

impl Backoff {
    /// A fresh series; the seed decides its random part.
    pub fn new(seed: [u8; 32]) -> Self {
        let random = seed.chunks_exact(8).filter_map(|part| part.try_into().ok()).map(u64::from_le_bytes);
        Backoff { attempt: 0, random: random.fold(0, |all, part| all ^ part) }
    }

    /// How long to wait before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.attempt.min(10)).min(LONGEST);
        self.attempt = self.attempt.saturating_add(1);
        whole.mul_f64(0.5 + self.random_part() / 2.0)
    }

    /// From 0 to 1, by SplitMix64: spreading needs no secrets, and a page no second cipher.
    fn random_part(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from((mixed >> 32) as u32) / f64::from(u32::MAX)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(first: u8) -> [u8; 32] {
        std::array::from_fn(|place| first.wrapping_mul(31).wrapping_add(place as u8))
    }

    #[test]
    fn delays_grow_to_fifteen_seconds_and_start_over() {
        let mut backoff = Backoff::new(seed(3));
        let mut ceiling = FIRST;
        for _ in 0..20 {
            let delay = backoff.next_delay();
            assert!(delay <= ceiling && delay >= ceiling / 2, "{delay:?} within {ceiling:?}");
            ceiling = (ceiling * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next_delay() <= FIRST);
    }

    #[test]
    fn two_pages_do_not_wait_equally_long() {
        assert_ne!(Backoff::new(seed(1)).next_delay(), Backoff::new(seed(2)).next_delay());
    }
}
