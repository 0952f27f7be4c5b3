use std::net::SocketAddr;

use timing::{Duration, Instant};

/// The engine keeps a pair for so long after its last check.
const FRESH: Duration = Duration::from_secs(15);
/// A browser checks from each of its addresses, through each NAT: a dozen on a bad day.
const MOST_FRESH: usize = 32;
/// The engine forgets no address before the next ICE restart.
const MOST_SEEN: usize = 256;

/// From where the peer's checks have come since the last ICE restart.
///
/// Each new source is one more candidate and pair in the engine, which looks through all of them for every
/// datagram. Whoever has our password may check from as many ports as he likes, so that they are counted here.
#[derive(Debug, Default)]
pub(super) struct Paths {
    seen: Vec<Path>,
}

#[derive(Debug)]
struct Path {
    source: SocketAddr,
    checked: Instant,
}

impl Paths {
    /// Whether a check from `source` may reach the engine.
    pub(super) fn admits(&self, source: SocketAddr, now: Instant) -> bool {
        if self.seen.iter().any(|path| path.source == source) {
            return true;
        }
        let fresh = self.seen.iter().filter(|path| now.since(path.checked) < FRESH).count();
        fresh < MOST_FRESH && self.seen.len() < MOST_SEEN
    }

    /// A check from `source` was authentic.
    pub(super) fn note(&mut self, source: SocketAddr, now: Instant) {
        match self.seen.iter_mut().find(|path| path.source == source) {
            Some(path) => path.checked = now,
            None => self.seen.push(Path { source, checked: now }),
        }
    }

    /// ICE has restarted: the engine has forgotten all of them.
    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    fn check(paths: &mut Paths, port: u16, now: Instant) -> bool {
        let admitted = paths.admits(source(port), now);
        if admitted {
            paths.note(source(port), now);
        }
        admitted
    }

    #[test]
    fn sources_are_few_at_a_time_and_bounded_until_ice_restarts() {
        let mut paths = Paths::default();
        let mut admitted = 0;
        for round in 0..20_u16 {
            let now = Instant::ORIGIN + FRESH * u32::from(round);
            let new = (0..1000).filter(|number| check(&mut paths, round * 1000 + number, now)).count();
            assert!(new <= MOST_FRESH, "{new} at once");
            admitted += new;
        }
        assert_eq!(admitted, MOST_SEEN);
        let now = Instant::ORIGIN + FRESH * 20;
        assert!(check(&mut paths, 0, now), "a known one is always heard");
        assert!(!check(&mut paths, 60_000, now));
        paths.clear();
        assert!(check(&mut paths, 60_000, now));
    }
}
