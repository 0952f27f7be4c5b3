use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use timing::{Deadline, Duration, Instant, Timers};

use super::bucket::{Bucket, Credit, Rate};
use super::stun;
use crate::config::FlowId;

/// What the peers of one UDP socket may hold on to. A stranger is a peer that has proved nothing, not even
/// that it is where its datagrams say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramLimits {
    /// Remote addresses at once. One too many takes the place of the stranger that was silent the longest.
    pub peers: usize,
    /// Datagrams of strangers from one host (for IPv6: one /64) that are listened to.
    pub requests: Rate,
    /// Datagrams of strangers from everywhere; it bounds the transactions they can make us keep for 64·T1.
    pub strangers: Rate,
    /// Datagrams to strangers on one host.
    pub answers: Rate,
    /// A stranger is forgotten when nothing came or went for so long: 64·T1, when its last transaction has
    /// ended.
    pub stranger_idle: Duration,
    /// Others are asked about after so long.
    pub idle: Duration,
}

impl Default for DatagramLimits {
    fn default() -> Self {
        DatagramLimits {
            peers: 50_000,
            requests: Rate { burst: 100, per_second: 20 },
            strangers: Rate { burst: 1_000, per_second: 300 },
            answers: Rate { burst: 20, per_second: 5 },
            stranger_idle: Duration::from_secs(32),
            idle: Duration::from_secs(600),
        }
    }
}

/// What is to be done with a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Hand it to the user agent.
    Message {
        /// As coming by this flow.
        flow: FlowId,
        /// Whether the flow has to be opened first.
        is_new: bool,
    },
    /// Send this back: it was a question that needs no user agent.
    Reply(Vec<u8>),
    /// Nothing: it was a keep-alive, or noise.
    Ignored,
    /// Nothing, and count it.
    Dropped(Dropped),
}

/// Why a datagram is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Its host sends too much.
    HostTooFast,
    /// All strangers together send too much.
    StrangersTooFast,
    /// There are too many peers that have proved themselves.
    NoRoom,
}

/// What time has done to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerFact {
    /// The peer is forgotten; close its flow.
    Forgotten(FlowId),
    /// Nothing has come or gone for long: close the flow and [`forget`](Datagrams::forget) it, unless
    /// somebody counts on it. Told again after the same time.
    Idle(FlowId),
}

/// The peers of one UDP socket, a flow for each remote address, and how much strangers among them may ask.
///
/// Whoever can write a false source address can make us send to a victim. So strangers are told little more
/// than they said, at a low rate; a peer that has proved who it is, is spared both limits.
#[derive(Debug)]
pub struct Datagrams {
    limits: DatagramLimits,
    peers: HashMap<SocketAddr, Peer>,
    hosts: HashMap<IpAddr, Host>,
    strangers: Bucket,
    stranger_timers: Timers<SocketAddr>,
    proven_timers: Timers<SocketAddr>,
    facts: VecDeque<PeerFact>,
}

#[derive(Debug)]
struct Peer {
    flow: FlowId,
    proven: bool,
    /// We have spoken first.
    reached: bool,
}

#[derive(Debug)]
struct Host {
    peers: usize,
    requests: Bucket,
    answers: Bucket,
    credit: Credit,
}

impl Datagrams {
    /// No peers yet.
    pub fn new(limits: DatagramLimits) -> Self {
        Datagrams {
            limits,
            peers: HashMap::new(),
            hosts: HashMap::new(),
            strangers: Bucket::default(),
            stranger_timers: Timers::default(),
            proven_timers: Timers::default(),
            facts: VecDeque::new(),
        }
    }

    /// A datagram has come. `new_flow` numbers the flow of a remote address that is new.
    pub fn receive(
        &mut self,
        from: SocketAddr,
        bytes: &[u8],
        now: Instant,
        new_flow: impl FnOnce() -> FlowId,
    ) -> Arrival {
        let is_message = !bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) && !stun::is_stun(bytes);
        if !self.peers.get(&from).is_some_and(|peer| peer.proven)
            && let Err(dropped) = self.admit(from, now)
        {
            return Arrival::Dropped(dropped);
        }
        if is_message {
            let known = self.peers.get(&from).map(|peer| peer.flow);
            let flow = known.or_else(|| self.add(from, now, new_flow));
            let Some(flow) = flow else { return Arrival::Dropped(Dropped::NoRoom) };
            self.touch(from, now);
            if let Some(host) = self.hosts.get_mut(&host_of(from)) {
                host.credit.hear(bytes.len(), now);
            }
            return Arrival::Message { flow, is_new: known.is_none() };
        }
        self.touch(from, now);
        stun::answer(bytes, from).map_or(Arrival::Ignored, Arrival::Reply)
    }

    /// Whether so many bytes may be sent to `to` now, on this flow of its.
    pub fn may_send(&mut self, to: SocketAddr, flow: FlowId, bytes: usize, now: Instant) -> bool {
        let Some(peer) = self.peers.get(&to).filter(|peer| peer.flow == flow) else { return false };
        let may = peer.proven
            || self.hosts.get_mut(&host_of(to)).is_some_and(|host| {
                host.answers.take(self.limits.answers, now) && host.credit.tell(bytes, now)
            });
        if may {
            self.touch(to, now);
        }
        may
    }

    /// The peer on this flow has proved who it is.
    pub fn prove(&mut self, address: SocketAddr, flow: FlowId, now: Instant) {
        let peer = self.peers.get_mut(&address).filter(|peer| peer.flow == flow && !peer.proven);
        if let Some(peer) = peer {
            peer.proven = true;
            self.stranger_timers.cancel(&address);
            self.touch(address, now);
        }
    }

    /// We speak to a peer of our own choice, on a flow that is new; it is spared the limits from the start.
    ///
    /// `false` when there is no room for it, or its address is reached by another flow already: what comes from
    /// there could not be told apart. Any other flow that the address had until now is
    /// [forgotten](PeerFact::Forgotten).
    pub fn reach(&mut self, address: SocketAddr, flow: FlowId, now: Instant) -> bool {
        if self.peers.get(&address).is_some_and(|peer| peer.reached) {
            return false;
        }
        let old = self.remove(address);
        self.facts.extend(old.map(PeerFact::Forgotten));
        let is_there = self.add(address, now, || flow).is_some();
        self.prove(address, flow, now);
        if let Some(peer) = self.peers.get_mut(&address) {
            peer.reached = true;
        }
        is_there
    }

    /// The flow is closed already; what comes from its address next opens another one.
    pub fn forget(&mut self, address: SocketAddr, flow: FlowId) {
        if self.peers.get(&address).is_some_and(|peer| peer.flow == flow) {
            self.remove(address);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Deadline> {
        Deadline::sooner(self.stranger_timers.next(), self.proven_timers.next())
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(address) = self.stranger_timers.pop_due(now) {
            let flow = self.remove(address);
            self.facts.extend(flow.map(PeerFact::Forgotten));
        }
        while let Some(address) = self.proven_timers.pop_due(now) {
            self.facts.extend(self.peers.get(&address).map(|peer| PeerFact::Idle(peer.flow)));
            self.touch(address, now);
        }
    }

    /// The next thing that has happened.
    pub fn poll_fact(&mut self) -> Option<PeerFact> {
        self.facts.pop_front()
    }

    fn admit(&mut self, from: SocketAddr, now: Instant) -> Result<(), Dropped> {
        if let Some(host) = self.hosts.get_mut(&host_of(from))
            && !host.requests.take(self.limits.requests, now)
        {
            return Err(Dropped::HostTooFast);
        }
        if !self.strangers.take(self.limits.strangers, now) {
            return Err(Dropped::StrangersTooFast);
        }
        Ok(())
    }

    fn add(&mut self, from: SocketAddr, now: Instant, new_flow: impl FnOnce() -> FlowId) -> Option<FlowId> {
        if self.peers.len() >= self.limits.peers {
            let silent = self.stranger_timers.next()?;
            let silent = self.stranger_timers.pop_due(silent.at)?;
            let flow = self.remove(silent);
            self.facts.extend(flow.map(PeerFact::Forgotten));
        }
        let flow = new_flow();
        self.peers.insert(from, Peer { flow, proven: false, reached: false });
        let host = self.hosts.entry(host_of(from)).or_insert_with(|| Host {
            peers: 0,
            requests: Bucket::default(),
            answers: Bucket::default(),
            credit: Credit::new(now),
        });
        host.peers += 1;
        Some(flow)
    }

    fn remove(&mut self, address: SocketAddr) -> Option<FlowId> {
        let peer = self.peers.remove(&address)?;
        self.stranger_timers.cancel(&address);
        self.proven_timers.cancel(&address);
        let key = host_of(address);
        if let Some(host) = self.hosts.get_mut(&key) {
            host.peers -= 1;
            if host.peers == 0 {
                self.hosts.remove(&key);
            }
        }
        Some(peer.flow)
    }

    fn touch(&mut self, address: SocketAddr, now: Instant) {
        match self.peers.get(&address) {
            Some(Peer { proven: true, .. }) => {
                self.proven_timers.set(address, Deadline::new(now + self.limits.idle, "idle UDP flow"));
            }
            Some(_) => {
                let deadline = Deadline::new(now + self.limits.stranger_idle, "silent stranger");
                self.stranger_timers.set(address, deadline);
            }
            None => {}
        }
    }
}

/// What counts as one host: whoever has an IPv6 address mostly has 2^64 of them.
fn host_of(address: SocketAddr) -> IpAddr {
    match address.ip().to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIP: &[u8] = b"OPTIONS sip:a SIP/2.0\r\n\r\n";

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn address(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn small() -> Datagrams {
        Datagrams::new(DatagramLimits {
            peers: 3,
            requests: Rate { burst: 10, per_second: 1 },
            strangers: Rate { burst: 23, per_second: 1 },
            ..DatagramLimits::default()
        })
    }

    /// A datagram from there, on flow `number` if it needs a new one.
    fn hear(datagrams: &mut Datagrams, from: SocketAddr, number: u64, now: Instant) -> Arrival {
        datagrams.receive(from, SIP, now, || FlowId(number))
    }

    fn facts(datagrams: &mut Datagrams) -> Vec<PeerFact> {
        std::iter::from_fn(|| datagrams.poll_fact()).collect()
    }

    #[test]
    fn a_peer_of_our_choice_takes_the_place_of_a_stranger_and_is_heard_without_limits() {
        let mut datagrams = small();
        let carrier = address(7, 5060);
        hear(&mut datagrams, carrier, 1, at(0));
        assert!(datagrams.reach(carrier, FlowId(2), at(0)));
        assert_eq!(facts(&mut datagrams), [PeerFact::Forgotten(FlowId(1))]);
        for _ in 0..100 {
            let arrival = Arrival::Message { flow: FlowId(2), is_new: false };
            assert_eq!(hear(&mut datagrams, carrier, 3, at(0)), arrival);
            assert!(datagrams.may_send(carrier, FlowId(2), 1_000, at(0)));
        }
        assert!(!datagrams.may_send(carrier, FlowId(1), 1, at(0)), "the old flow is closed");
        assert!(!datagrams.reach(carrier, FlowId(3), at(0)), "another trunk needs another socket");
        assert!(datagrams.may_send(carrier, FlowId(2), 1, at(0)));
        datagrams.forget(carrier, FlowId(2));
        assert!(datagrams.reach(carrier, FlowId(3), at(0)));
    }

    #[test]
    fn an_address_has_one_flow_until_it_was_silent_for_long() {
        let mut datagrams = small();
        let (first, other_port) = (address(1, 1), address(1, 2));
        let opened = |number| Arrival::Message { flow: FlowId(number), is_new: true };
        assert_eq!(hear(&mut datagrams, first, 1, at(0)), opened(1));
        assert_eq!(hear(&mut datagrams, other_port, 2, at(0)), opened(2));
        let again = Arrival::Message { flow: FlowId(1), is_new: false };
        assert_eq!(hear(&mut datagrams, first, 9, at(20)), again);
        assert_eq!(datagrams.poll_timeout().map(|deadline| deadline.at), Some(at(32)));
        datagrams.handle_timeout(at(32));
        assert_eq!(facts(&mut datagrams), [PeerFact::Forgotten(FlowId(2))]);
        assert!(datagrams.may_send(first, FlowId(1), 400, at(50)));
        datagrams.handle_timeout(at(81));
        assert_eq!(
            (facts(&mut datagrams), datagrams.peers.len()),
            (vec![], 1),
            "an answer is a sign of life too"
        );
        datagrams.handle_timeout(at(82));
        assert_eq!(facts(&mut datagrams), [PeerFact::Forgotten(FlowId(1))]);
        assert_eq!((datagrams.hosts.len(), datagrams.poll_timeout()), (0, None));
        assert!(!datagrams.may_send(first, FlowId(1), 1, at(82)));
        assert_eq!(hear(&mut datagrams, first, 3, at(82)), opened(3));
    }

    #[test]
    fn a_flood_from_one_host_leaves_room_for_another() {
        let mut datagrams = small();
        let mut heard = 0;
        for _ in 0..20_000 {
            heard += u32::from(
                hear(&mut datagrams, address(1, 1), 1, at(0)) != Arrival::Dropped(Dropped::HostTooFast),
            );
        }
        assert_eq!(heard, 11, "the first one opens the account");
        assert!(matches!(hear(&mut datagrams, address(2, 1), 2, at(0)), Arrival::Message { .. }));
        for port in 0..30 {
            hear(&mut datagrams, address(3, port), 100 + u64::from(port), at(0));
        }
        let late = hear(&mut datagrams, address(4, 1), 3, at(0));
        assert_eq!(late, Arrival::Dropped(Dropped::StrangersTooFast));
    }

    #[test]
    fn strangers_are_told_little_and_proven_peers_everything() {
        let mut datagrams = small();
        let (peer, flow) = (address(1, 1), FlowId(1));
        hear(&mut datagrams, peer, 1, at(0));
        let told = |datagrams: &mut Datagrams, bytes, now| {
            (0..1_000).filter(|_| datagrams.may_send(peer, flow, bytes, now)).count()
        };
        assert_eq!(told(&mut datagrams, 10, at(0)), 20);
        assert_eq!(told(&mut datagrams, 10, at(1)), 5);
        assert_eq!(told(&mut datagrams, 1_000, at(100)), 4, "by bytes");
        datagrams.prove(peer, FlowId(7), at(100));
        assert_eq!(told(&mut datagrams, 1_000, at(100)), 0, "another flow's proof");
        datagrams.prove(peer, flow, at(100));
        assert_eq!(told(&mut datagrams, 1_000, at(100)), 1_000);
        assert!(
            (0..1_000)
                .all(|_| hear(&mut datagrams, peer, 9, at(100)) == Arrival::Message { flow, is_new: false })
        );
    }

    #[test]
    fn the_most_silent_stranger_makes_room_and_proven_peers_do_not() {
        let mut datagrams = small();
        for host in 1..=3 {
            hear(&mut datagrams, address(host, 1), u64::from(host), at(u64::from(host)));
        }
        datagrams.prove(address(1, 1), FlowId(1), at(3));
        hear(&mut datagrams, address(4, 1), 4, at(4));
        assert_eq!(facts(&mut datagrams), [PeerFact::Forgotten(FlowId(2))]);
        datagrams.prove(address(3, 1), FlowId(3), at(4));
        datagrams.prove(address(4, 1), FlowId(4), at(4));
        assert_eq!(hear(&mut datagrams, address(5, 1), 5, at(4)), Arrival::Dropped(Dropped::NoRoom));
        datagrams.handle_timeout(at(603));
        assert_eq!(facts(&mut datagrams), [PeerFact::Idle(FlowId(1))]);
        datagrams.forget(address(1, 1), FlowId(9));
        assert_eq!(datagrams.peers.len(), 3);
        datagrams.forget(address(1, 1), FlowId(1));
        assert_eq!(datagrams.peers.len(), 2);
    }

    #[test]
    fn keep_alives_open_no_flow_and_stun_is_answered() {
        let mut datagrams = small();
        let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        for (bytes, answered) in [(&b"\r\n\r\n"[..], false), (b"\0", false), (b"", false), (&stun, true)] {
            let arrival = datagrams.receive(address(1, 1), bytes, at(0), || FlowId(1));
            assert_eq!(matches!(arrival, Arrival::Reply(_)), answered, "{bytes:?}");
        }
        assert_eq!(datagrams.peers.len(), 0);
    }

    #[test]
    fn one_network_of_ipv6_is_one_host() {
        let in_network = |text: &str| host_of(SocketAddr::new(text.parse().unwrap(), 1));
        assert_eq!(in_network("2001:db8::1"), in_network("2001:db8::ffff:2"));
        assert_ne!(in_network("2001:db8::1"), in_network("2001:db8:0:1::1"));
        assert_eq!(in_network("::ffff:192.0.2.1"), in_network("192.0.2.1"));
    }
}
