use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use timing::Instant;

/// Below are the services of a machine, which must not be hit by what a description makes us send.
const LOWEST_PORT: u16 = 1024;

/// Where a plane may send media to, whatever a description says.
#[derive(Debug)]
pub(crate) struct Policy {
    /// The addresses of this server.
    pub(crate) own: Vec<IpAddr>,
    /// Its media ports.
    pub(crate) reserved: Vec<RangeInclusive<u16>>,
}

/// Where one stream comes from and goes to.
///
/// That is the address in the peer's description. While the window after a negotiation is open, the first
/// packet in order settles it: from the described address, or from another port of that host or of the host
/// that signals, and then nothing from elsewhere is taken. Where the described address is of no use, as
/// behind NAT, the window stays open until the signalling host has sent something; strangers change nothing.
#[derive(Debug)]
pub(super) struct Path {
    policy: Arc<Policy>,
    local: SocketAddr,
    signalled: IpAddr,
    /// As the peer wrote it.
    described: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    settled: bool,
    /// The end of the window; `None` for one that only the first packet closes.
    until: Option<Instant>,
}

/// Who a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Peer,
    /// Will be the peer if the packet is in order.
    Candidate,
    Stranger,
}

impl Policy {
    /// Whether media may go from `local` to `to` for a peer whose signalling is at `signalled`.
    fn permits(&self, to: SocketAddr, signalled: IpAddr, local: SocketAddr) -> bool {
        let ip = to.ip();
        if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return false;
        }
        if to.port() < LOWEST_PORT || ip.is_ipv4() != local.is_ipv4() {
            return false;
        }
        if signalled.is_loopback() {
            // one of this machine's own programs; all that it could do wrong here is a loop
            return to != local && (to.ip(), to.port()) != (local.ip(), local.port().wrapping_add(1));
        }
        let own_port = self.own.contains(&ip) && self.reserved.iter().any(|ports| ports.contains(&to.port()));
        !ip.is_loopback() && !own_port && (Reach::of(ip) >= Reach::of(signalled) || ip == signalled)
    }
}

/// From how far an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    Host,
    Link,
    Site,
    World,
}

impl Reach {
    pub(crate) fn of(ip: IpAddr) -> Reach {
        match ip {
            ip if ip.is_loopback() => Reach::Host,
            IpAddr::V4(ip) if ip.is_link_local() => Reach::Link,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Reach::Link,
            IpAddr::V4(ip) if ip.is_private() || is_shared(ip) => Reach::Site,
            IpAddr::V6(ip) if ip.is_unique_local() => Reach::Site,
            _ => Reach::World,
        }
    }
}

/// Carrier-grade NAT (RFC 6598).
fn is_shared(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    first == 100 && (64..128).contains(&second)
}

impl Path {
    pub(super) fn new(policy: &Arc<Policy>, local: SocketAddr, signalled: IpAddr) -> Path {
        Path {
            policy: Arc::clone(policy),
            local,
            signalled: signalled.to_canonical(),
            described: None,
            destination: None,
            settled: false,
            until: None,
        }
    }

    /// The peer's signalling comes from elsewhere now; it opens no window by itself: a description does.
    pub(super) fn move_signalling(&mut self, signalled: IpAddr) {
        self.signalled = signalled.to_canonical();
    }

    /// Takes what a new description says, which may be nothing, and opens the window.
    pub(super) fn describe(&mut self, described: Option<SocketAddr>, until: Option<Instant>) {
        self.settled = false;
        self.until = until;
        if described.is_some() && described != self.described {
            self.described = described;
            self.destination = described.filter(|address| self.permits(*address));
        }
    }

    pub(super) fn destination(&self) -> Option<SocketAddr> {
        self.destination
    }

    pub(super) fn sender(&self, source: SocketAddr, now: Instant) -> Sender {
        if self.destination == Some(source) {
            return Sender::Peer;
        }
        let is_open =
            !self.settled && (self.destination.is_none() || self.until.is_none_or(|until| now <= until));
        let described = self.described.filter(|address| self.permits(*address));
        let known =
            source.ip() == self.signalled || described.is_some_and(|described| described.ip() == source.ip());
        if is_open && known && self.permits(source) { Sender::Candidate } else { Sender::Stranger }
    }

    /// A packet of the peer or of a candidate was in order.
    pub(super) fn confirm(&mut self, source: SocketAddr) {
        self.destination = Some(source);
        self.settled = true;
    }

    fn permits(&self, to: SocketAddr) -> bool {
        self.policy.permits(to, self.signalled, self.local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "198.51.100.7:20000";

    fn path(described: &str, signalled: &str) -> Path {
        let own = "198.51.100.7".parse().expect("an address");
        let policy = Arc::new(Policy { own: vec![own], reserved: vec![7000..=7001, 20_000..=29_999] });
        let local = LOCAL.parse().expect("an address");
        let mut path = Path::new(&policy, local, signalled.parse().expect("an address"));
        path.describe(Some(address(described)), Some(at(3)));
        path
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn media_goes_where_a_description_may_send_it_and_nowhere_else() {
        for (described, signalled, permitted) in [
            ("203.0.113.9:4000", "203.0.113.9", true),
            ("203.0.113.9:4000", "192.0.2.1", true),
            ("10.0.0.9:4000", "10.0.0.9", true),
            ("10.0.0.9:4000", "192.168.1.1", true),
            ("203.0.113.9:4000", "10.0.0.9", true),
            ("127.0.0.1:4000", "127.0.0.1", true),
            ("127.0.0.1:20002", "127.0.0.1", true),
            ("198.51.100.7:4000", "203.0.113.9", true),
            ("10.0.0.9:4000", "203.0.113.9", false),
            ("100.64.0.9:4000", "203.0.113.9", false),
            ("169.254.0.9:4000", "10.0.0.9", false),
            ("127.0.0.1:4000", "203.0.113.9", false),
            ("127.0.0.1:4000", "10.0.0.9", false),
            ("224.0.0.1:4000", "127.0.0.1", false),
            ("255.255.255.255:4000", "127.0.0.1", false),
            ("0.0.0.0:4000", "127.0.0.1", false),
            ("198.51.100.7:7001", "203.0.113.9", false),
            ("198.51.100.7:20010", "203.0.113.9", false),
            ("203.0.113.9:53", "203.0.113.9", false),
            ("[2001:db8::1]:4000", "203.0.113.9", false),
            (LOCAL, "127.0.0.1", false),
        ] {
            let destination = path(described, signalled).destination();
            assert_eq!(destination.is_some(), permitted, "{described} for {signalled}");
        }
    }

    #[test]
    fn one_latch_to_another_port_within_the_window_and_then_none() {
        let mut path = path("203.0.113.9:4000", "192.0.2.1");
        assert_eq!(path.sender(address("203.0.113.66:4000"), at(0)), Sender::Stranger);
        assert_eq!(path.sender(address("192.0.2.1:6000"), at(1)), Sender::Candidate);
        assert_eq!(path.sender(address("203.0.113.9:4002"), at(4)), Sender::Stranger, "too late");
        assert_eq!(path.sender(address("203.0.113.9:4002"), at(3)), Sender::Candidate);
        path.confirm(address("203.0.113.9:4002"));
        assert_eq!(path.destination(), Some(address("203.0.113.9:4002")));
        for source in ["203.0.113.9:4000", "203.0.113.9:4004", "192.0.2.1:6000"] {
            assert_eq!(path.sender(address(source), at(1)), Sender::Stranger, "{source}");
        }
    }

    #[test]
    fn the_described_address_is_the_peer_at_once_and_ends_the_window() {
        let mut path = path("203.0.113.9:4000", "203.0.113.9");
        assert_eq!(path.sender(address("203.0.113.9:4000"), at(60)), Sender::Peer);
        path.confirm(address("203.0.113.9:4000"));
        assert_eq!(path.sender(address("203.0.113.9:4002"), at(1)), Sender::Stranger);
    }

    #[test]
    fn behind_nat_only_the_signalling_host_counts_however_late() {
        let mut path = path("192.168.1.5:4000", "203.0.113.9");
        assert_eq!(path.destination(), None);
        for source in ["192.168.1.5:4000", "203.0.113.66:4000", "198.51.100.7:20002"] {
            assert_eq!(path.sender(address(source), at(1)), Sender::Stranger, "{source}");
        }
        assert_eq!(path.sender(address("203.0.113.9:51000"), at(30)), Sender::Candidate);
        path.confirm(address("203.0.113.9:51000"));
        assert_eq!(path.sender(address("203.0.113.9:51002"), at(30)), Sender::Stranger);
    }

    #[test]
    fn a_later_description_reopens_the_window_and_only_another_address_moves_the_stream() {
        let mut path = path("203.0.113.9:4000", "203.0.113.9");
        path.confirm(address("203.0.113.9:4002"));
        path.describe(None, Some(at(13)));
        path.describe(Some(address("203.0.113.9:4000")), Some(at(13)));
        assert_eq!(path.destination(), Some(address("203.0.113.9:4002")), "the same description");
        assert_eq!(path.sender(address("203.0.113.9:4004"), at(12)), Sender::Candidate);
        path.describe(Some(address("203.0.113.10:4000")), Some(at(13)));
        assert_eq!(path.destination(), Some(address("203.0.113.10:4000")));
        assert_eq!(path.sender(address("203.0.113.9:4002"), at(14)), Sender::Stranger);
    }
}
