use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use timing::{Duration, Instant};

use crate::order::LegId;

/// As many as a leg lets check at a time; the one unheard of the longest is forgotten.
const MAX_SOURCES: usize = 32;
/// A source belongs to its leg for so long after its last check: three that a browser sends (RFC 7675 §5.1).
const OWNED_FOR: Duration = Duration::from_secs(15);

/// Which leg a datagram is for: checks by our ICE user fragment, all else by an address from which a check of
/// that leg was in order. No leg is ever searched for by trial.
#[derive(Debug, Default)]
pub(super) struct Demux {
    by_fragment: HashMap<String, LegId>,
    by_source: HashMap<SocketAddr, Owner>,
    /// What is known of each leg, to forget it with.
    of_leg: BTreeMap<LegId, Known>,
}

#[derive(Debug, Default)]
struct Known {
    fragment: String,
    /// The one that checked last at the end.
    sources: VecDeque<SocketAddr>,
}

#[derive(Debug)]
struct Owner {
    leg: LegId,
    checked: Instant,
}

/// By what a datagram is to be assigned (RFC 7983 §7).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Addressed<'a> {
    /// A connectivity check to this ICE user fragment.
    ToFragment(&'a str),
    /// DTLS, RTP or RTCP.
    BySource,
    ToNobody,
}

impl Demux {
    pub(super) fn by_fragment(&self, ufrag: &str) -> Option<LegId> {
        self.by_fragment.get(ufrag).copied()
    }

    pub(super) fn by_source(&self, source: SocketAddr) -> Option<LegId> {
        self.by_source.get(&source).map(|owner| owner.leg)
    }

    /// Makes `ufrag` the fragment of `leg`, in place of a former one.
    pub(super) fn name(&mut self, leg: LegId, ufrag: String) {
        let known = self.of_leg.entry(leg).or_default();
        if known.fragment != ufrag {
            self.by_fragment.remove(&known.fragment);
            known.fragment.clone_from(&ufrag);
            self.by_fragment.insert(ufrag, leg);
        }
    }

    /// A check of `leg` from `source` was in order: what else comes from there is for this leg, unless it is
    /// another's. A check tells who sent it but not from where, so that it takes no source from a leg that
    /// goes on checking from it.
    pub(super) fn validate(&mut self, source: SocketAddr, leg: LegId, now: Instant) {
        let former = self.by_source.get(&source);
        if former.is_some_and(|owner| owner.leg != leg && now.since(owner.checked) < OWNED_FOR) {
            return;
        }
        if let Some(former) = self.by_source.insert(source, Owner { leg, checked: now })
            && let Some(known) = self.of_leg.get_mut(&former.leg)
        {
            known.sources.retain(|known| *known != source);
        }
        let known = self.of_leg.entry(leg).or_default();
        if known.sources.len() == MAX_SOURCES
            && let Some(oldest) = known.sources.pop_front()
        {
            self.by_source.remove(&oldest);
        }
        known.sources.push_back(source);
    }

    pub(super) fn forget(&mut self, leg: LegId) {
        let Some(known) = self.of_leg.remove(&leg) else { return };
        self.by_fragment.remove(&known.fragment);
        for source in known.sources {
            self.by_source.remove(&source);
        }
    }
}

impl<'a> Addressed<'a> {
    pub(super) fn of(datagram: &'a [u8]) -> Addressed<'a> {
        match datagram {
            [0..=3, ..] => match local_fragment(datagram) {
                Some(ufrag) => Addressed::ToFragment(ufrag),
                // without a user name: an indication or response, which the peer may send
                None if datagram.len() >= 20 => Addressed::BySource,
                None => Addressed::ToNobody,
            },
            [20..=63 | 128..=191, ..] => Addressed::BySource,
            _ => Addressed::ToNobody,
        }
    }
}

/// The part of the USERNAME before the colon: in a check to us, our fragment (RFC 8445 §7.2.2).
fn local_fragment(datagram: &[u8]) -> Option<&str> {
    const HEADER: usize = 20;
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const USERNAME: u16 = 0x0006;
    if datagram.get(4..8)? != COOKIE {
        return None;
    }
    let mut rest = datagram.get(HEADER..)?;
    loop {
        let [kind_high, kind_low, length_high, length_low] = *rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let value = rest.get(4..4 + length)?;
        if u16::from_be_bytes([kind_high, kind_low]) == USERNAME {
            let name = str::from_utf8(value).ok()?;
            return Some(name.split(':').next().unwrap_or(name));
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(username: &str) -> Vec<u8> {
        let mut datagram = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        datagram.extend([7; 12]);
        datagram.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        datagram.extend([0, 6, 0, username.len() as u8]);
        datagram.extend(username.as_bytes());
        datagram.resize(datagram.len().next_multiple_of(4), 0);
        datagram
    }

    fn port(number: u16) -> SocketAddr {
        ([127, 0, 0, 1], number).into()
    }

    #[test]
    fn checks_go_by_fragment_and_all_else_by_source() {
        assert_eq!(Addressed::of(&check("ours:theirs")), Addressed::ToFragment("ours"));
        assert_eq!(Addressed::of(&[22, 1, 2]), Addressed::BySource);
        assert_eq!(Addressed::of(&[128, 111]), Addressed::BySource);
        for junk in [&[][..], &[70, 1], &[200], &[0, 1, 0, 0], &check("a:b")[..19]] {
            assert_eq!(Addressed::of(junk), Addressed::ToNobody, "{junk:?}");
        }
    }

    #[test]
    fn a_check_cut_anywhere_never_panics() {
        let whole = check("ours:theirs");
        for length in 0..whole.len() {
            Addressed::of(&whole[..length]);
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    #[test]
    fn a_source_stays_with_the_leg_that_goes_on_checking_from_it() {
        let mut demux = Demux::default();
        for second in (0..60).step_by(5) {
            demux.validate(port(1), LegId(1), at(second));
            demux.validate(port(1), LegId(2), at(second + 4));
            assert_eq!(demux.by_source(port(1)), Some(LegId(1)));
        }
        demux.validate(port(1), LegId(2), at(55 + 15));
        assert_eq!(demux.by_source(port(1)), Some(LegId(2)), "its former leg is not there any more");
        demux.forget(LegId(1));
        assert_eq!(demux.by_source(port(1)), Some(LegId(2)));
        demux.forget(LegId(2));
        assert_eq!(demux.by_source(port(1)), None);
    }

    #[test]
    fn a_leg_keeps_the_sources_that_checked_last_and_one_fragment() {
        let mut demux = Demux::default();
        for number in 0..100 {
            demux.validate(port(1000), LegId(1), at(0));
            demux.validate(port(number), LegId(1), at(0));
        }
        assert_eq!(demux.by_source(port(1000)), Some(LegId(1)), "the renewed");
        assert_eq!(demux.by_source(port(68)), None);
        assert_eq!(demux.by_source(port(69)), Some(LegId(1)));
        assert_eq!(demux.by_source.len(), MAX_SOURCES);
        demux.name(LegId(1), "before".into());
        demux.name(LegId(1), "after".into());
        assert_eq!(demux.by_fragment("before"), None);
        assert_eq!(demux.by_fragment("after"), Some(LegId(1)));
    }
}
