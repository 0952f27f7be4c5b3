//! A worker's UDP sockets: one port number on each address for browsers, and two for each plain leg, which come
//! and go. They are read and written in batches.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use media::Transmit;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;

/// Datagrams for one system call.
const BATCH: usize = 32;
/// Nothing that belongs to us is longer; a longer datagram is cut by the kernel and dropped by us.
const LONGEST: usize = 1600;
/// Half a second of 500 calls.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Some seconds of one call.
const LEG_BUFFER_BYTES: usize = 128 * 1024;
/// Expedited forwarding, for routers on the way (RFC 8837 §5); in the upper six bits.
const EXPEDITED: u32 = 46 << 2;

/// The sockets of one worker. They can be moved to its thread, where [`Ports::attach`] makes them [`Attached`].
pub(super) struct Ports {
    sockets: Vec<(UdpSocket, Vec<SocketAddr>)>,
    candidates: Vec<SocketAddr>,
}

/// Sockets at work on the worker's thread.
pub(super) struct Attached {
    registry: Registry,
    /// By their tokens; a token is used again once its socket is closed.
    sockets: Vec<Option<Port>>,
    by_local: HashMap<SocketAddr, usize>,
    /// Tokens of those that have something to read, and of those that have something to send.
    readable: VecDeque<usize>,
    waiting: Vec<usize>,
    /// One for IPv4 and one for IPv6: what is read into them keeps the length of the last address, and a longer
    /// one would be cut.
    received: [MultiHeaders<SockaddrStorage>; 2],
    sending: MultiHeaders<SockaddrStorage>,
}

struct Port {
    socket: UdpSocket,
    /// What peers are told of it, the first standing for all that comes in.
    advertised: Vec<SocketAddr>,
    /// Whether there may be more to read: readiness is told only once.
    readable: bool,
    outgoing: Vec<Transmit>,
}

/// Where received bytes are put, shared by all sockets of a worker.
pub(super) struct Buffers {
    bytes: Box<[[u8; LONGEST]; BATCH]>,
    filled: Vec<(usize, SocketAddr)>,
}

impl Ports {
    /// Opens UDP `port` for all of `addresses`; 0 takes any free port, another for each address.
    pub(super) fn open(addresses: &[IpAddr], port: u16) -> Result<Ports, StartError> {
        let mut sockets = Vec::new();
        for is_ipv4 in [true, false] {
            let family: Vec<IpAddr> =
                addresses.iter().copied().filter(|address| address.is_ipv4() == is_ipv4).collect();
            if !family.is_empty() {
                sockets.extend(open_family(&family, port)?);
            }
        }
        let advertised: Vec<SocketAddr> =
            sockets.iter().flat_map(|(_, advertised)| advertised).copied().collect();
        // in the order of the configuration, whose first is the default
        let candidates = addresses
            .iter()
            .filter_map(|address| advertised.iter().find(|known| known.ip() == *address).copied())
            .collect();
        Ok(Ports { sockets, candidates })
    }

    /// What to tell to browsers.
    pub(super) fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    pub(super) fn attach(self, registry: &Registry) -> io::Result<Attached> {
        let mut attached = Attached {
            registry: registry.try_clone()?,
            sockets: Vec::with_capacity(self.sockets.len()),
            by_local: HashMap::new(),
            readable: VecDeque::new(),
            waiting: Vec::new(),
            received: [(); 2].map(|()| MultiHeaders::preallocate(BATCH, None)),
            sending: MultiHeaders::preallocate(BATCH, None),
        };
        for (socket, advertised) in self.sockets {
            attached.add(socket, advertised)?;
        }
        Ok(attached)
    }
}

impl Attached {
    /// Opens `local` while the others are at work: on that address, or on all of its family where it is not
    /// this machine's own.
    pub(super) fn open(&mut self, local: SocketAddr) -> io::Result<()> {
        let opened = match open_socket(local.ip(), local.port(), LEG_BUFFER_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                open_socket(any_of(local.ip()), local.port(), LEG_BUFFER_BYTES)
            }
            other => other,
        };
        self.add(opened?.0, vec![local])
    }

    /// Closes what was opened as `local`. What waits there to be sent is dropped.
    pub(super) fn close(&mut self, local: SocketAddr) {
        let Some(token) = self.by_local.remove(&local) else { return };
        let Some(mut port) = self.sockets.get_mut(token).and_then(Option::take) else { return };
        if let Err(error) = self.registry.deregister(&mut port.socket) {
            tracing::debug!(%error, "a media socket is closed without being deregistered");
        }
        self.readable.retain(|readable| *readable != token);
        self.waiting.retain(|waiting| *waiting != token);
    }

    fn add(&mut self, mut socket: UdpSocket, advertised: Vec<SocketAddr>) -> io::Result<()> {
        let free = self.sockets.iter().position(Option::is_none);
        let token = free.unwrap_or(self.sockets.len());
        self.registry.register(&mut socket, Token(token), Interest::READABLE)?;
        self.by_local.extend(advertised.iter().map(|local| (*local, token)));
        let port = Port { socket, advertised, readable: true, outgoing: Vec::new() };
        match self.sockets.get_mut(token) {
            Some(place) => *place = Some(port),
            None => self.sockets.push(Some(port)),
        }
        self.readable.push_back(token);
        Ok(())
    }

    pub(super) fn set_readable(&mut self, token: Token) {
        if let Some(port) = self.sockets.get_mut(token.0).and_then(Option::as_mut)
            && !std::mem::replace(&mut port.readable, true)
        {
            self.readable.push_back(token.0);
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// Reads up to one batch from each socket that has something, and hands each datagram to `take` as source,
    /// our candidate or port, bytes.
    pub(super) fn receive(
        &mut self,
        buffers: &mut Buffers,
        mut take: impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) {
        for _ in 0..self.readable.len() {
            let Some(token) = self.readable.pop_front() else { break };
            let Some(port) = self.sockets.get_mut(token).and_then(Option::as_mut) else { continue };
            let Some(local) = port.advertised.first().copied() else { continue };
            match port.fill(buffers, &mut self.received[usize::from(local.is_ipv6())]) {
                Ok(()) => {
                    // fewer than asked for: that was all, and whatever comes now is told anew
                    port.readable = buffers.filled.len() == BATCH;
                    for ((length, source), bytes) in buffers.filled.iter().zip(buffers.bytes.iter()) {
                        take(*source, local, &bytes[..*length]);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => port.readable = false,
                // the complaint of a router about something sent before; the next call reads on
                Err(error) => tracing::debug!(%error, "a media socket complained"),
            }
            if port.readable {
                self.readable.push_back(token);
            }
        }
    }

    /// Puts a datagram into its socket's batch, and sends the batch when it is full.
    pub(super) fn send(&mut self, transmit: Transmit) {
        let token = self.by_local.get(&transmit.source).copied();
        let Some((token, port)) =
            token.and_then(|token| Some((token, self.sockets.get_mut(token)?.as_mut()?)))
        else {
            tracing::debug!(source = %transmit.source, "no socket to send from");
            return;
        };
        if port.outgoing.is_empty() {
            self.waiting.push(token);
        }
        port.outgoing.push(transmit);
        if port.outgoing.len() == BATCH {
            port.flush(&mut self.sending);
            self.waiting.retain(|waiting| *waiting != token);
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self) {
        while let Some(token) = self.waiting.pop() {
            if let Some(port) = self.sockets.get_mut(token).and_then(Option::as_mut) {
                port.flush(&mut self.sending);
            }
        }
    }
}

impl Port {
    fn fill(&mut self, buffers: &mut Buffers, headers: &mut MultiHeaders<SockaddrStorage>) -> io::Result<()> {
        buffers.filled.clear();
        let Buffers { bytes, filled } = buffers;
        let socket = &self.socket;
        let fd = socket.as_raw_fd();
        socket.try_io(|| {
            let mut slices = bytes.each_mut().map(|bytes| [IoSliceMut::new(bytes)]);
            for message in recvmmsg(fd, headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)? {
                let whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
                let source = message.address.as_ref().and_then(address);
                // a length of zero is dropped by the plane; here it keeps the places in step
                let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                filled.push((if whole { message.bytes } else { 0 }, source.unwrap_or(unknown)));
            }
            Ok(())
        })
    }

    fn flush(&mut self, headers: &mut MultiHeaders<SockaddrStorage>) {
        let mut waiting = self.outgoing.as_slice();
        while !waiting.is_empty() {
            match send_batch(&self.socket, headers, waiting) {
                // at least one has gone, or the call would have failed
                Ok(sent) => waiting = &waiting[sent.clamp(1, waiting.len())..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // sound that waits is worth nothing; DTLS and STUN repeat themselves
                    metrics::counter!("hotdesk_media_send_dropped_total").increment(waiting.len() as u64);
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // it is about the first datagram alone, and must not hold up the other calls
                    tracing::debug!(%error, destination = %waiting[0].destination, "cannot be sent");
                    waiting = &waiting[1..];
                }
            }
        }
        self.outgoing.clear();
    }
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        Buffers { bytes: Box::new([[0; LONGEST]; BATCH]), filled: Vec::with_capacity(BATCH) }
    }
}

/// Sends as many as one call takes; how many have gone.
fn send_batch(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<SockaddrStorage>,
    batch: &[Transmit],
) -> io::Result<usize> {
    let nothing = [IoSlice::new(&[])];
    let slices: [[IoSlice<'_>; 1]; BATCH] = std::array::from_fn(|index| {
        batch.get(index).map_or(nothing, |transmit| [IoSlice::new(&transmit.bytes)])
    });
    let addresses: [Option<SockaddrStorage>; BATCH] =
        std::array::from_fn(|index| batch.get(index).map(|transmit| transmit.destination.into()));
    let count = batch.len().min(BATCH);
    let sent = sendmmsg(
        socket.as_raw_fd(),
        headers,
        slices[..count].iter(),
        &addresses[..count],
        [],
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
    )?;
    Ok(sent.count())
}

/// A socket for each address, or one for all where an address is not this machine's own.
fn open_family(family: &[IpAddr], port: u16) -> Result<Vec<(UdpSocket, Vec<SocketAddr>)>, StartError> {
    let mut sockets = Vec::new();
    for address in family {
        match open_socket(*address, port, BUFFER_BYTES) {
            Ok((socket, port)) => sockets.push((socket, vec![SocketAddr::new(*address, port)])),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                drop(sockets);
                let all = any_of(*address);
                let listen = |source| StartError::Listen { address: all, port, source };
                let (socket, port) = open_socket(all, port, BUFFER_BYTES).map_err(listen)?;
                tracing::info!(%address, "not an address of this machine; listening on all of its family");
                let advertised = family.iter().map(|address| SocketAddr::new(*address, port)).collect();
                return Ok(vec![(socket, advertised)]);
            }
            Err(source) => return Err(StartError::Listen { address: *address, port, source }),
        }
    }
    Ok(sockets)
}

fn any_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    }
}

fn open_socket(address: IpAddr, port: u16, buffer_bytes: usize) -> io::Result<(UdpSocket, u16)> {
    let socket = Socket::new(Domain::for_address((address, port).into()), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // the rest is for comfort: without leave for it the system's own settings do
    let _ = socket.set_recv_buffer_size(buffer_bytes);
    let _ = socket.set_send_buffer_size(buffer_bytes);
    let _ = if address.is_ipv4() { socket.set_tos_v4(EXPEDITED) } else { socket.set_tclass_v6(EXPEDITED) };
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(address, port).into())?;
    let socket = std::net::UdpSocket::from(socket);
    let port = socket.local_addr()?.port();
    Ok((UdpSocket::from_std(socket), port))
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let four = storage.as_sockaddr_in().map(|address| SocketAddrV4::from(*address).into());
    four.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddrV6::from(*address).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn an_address_of_another_machine_is_advertised_and_all_of_its_family_listened_on() {
        let public: IpAddr = "192.0.2.99".parse().expect("an address");
        let ports = Ports::open(&[public, LOOPBACK], 0).expect("ports");
        assert_eq!(ports.sockets.len(), 1);
        let port = ports.candidates()[0].port();
        assert_eq!(ports.candidates(), [SocketAddr::new(public, port), SocketAddr::new(LOOPBACK, port)]);
    }

    #[test]
    fn a_taken_port_is_told_with_its_number() {
        let taken = std::net::UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let Err(error) = Ports::open(&[LOOPBACK], port) else { panic!("the port is taken") };
        assert_eq!(error.to_string(), format!("cannot listen for media on UDP 127.0.0.1 port {port}"));
    }

    #[test]
    fn batches_go_out_and_come_in_whole_and_the_overlong_is_dropped() {
        let poll = mio::Poll::new().expect("a poll");
        let ports = Ports::open(&[LOOPBACK], 0).expect("ports");
        let ours = ports.candidates()[0];
        let mut attached = ports.attach(poll.registry()).expect("attached");
        let peer = std::net::UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("a timeout");
        let destination = peer.local_addr().expect("bound");
        for number in 0..70_u8 {
            attached.send(Transmit { source: ours, destination, bytes: vec![number; 100] });
        }
        attached.flush();
        let mut bytes = [0; 2000];
        for number in 0..70 {
            let (length, source) = peer.recv_from(&mut bytes).expect("a datagram");
            assert_eq!((length, source, bytes[0]), (100, ours, number));
        }
        peer.send_to(&[1; LONGEST + 1], ours).expect("sent");
        peer.send_to(&[2; LONGEST], ours).expect("sent");
        let mut buffers = Buffers::new();
        let mut lengths = Vec::new();
        while lengths.len() < 2 {
            attached.receive(&mut buffers, |source, local, bytes| {
                assert_eq!((source, local), (destination, ours));
                lengths.push(bytes.len());
            });
            attached.set_readable(Token(0));
        }
        assert_eq!(lengths, [0, LONGEST]);
    }

    #[test]
    fn one_datagram_that_cannot_be_sent_does_not_hold_up_the_others() {
        let poll = mio::Poll::new().expect("a poll");
        let ports = Ports::open(&[LOOPBACK], 0).expect("ports");
        let ours = ports.candidates()[0];
        let mut attached = ports.attach(poll.registry()).expect("attached");
        let peer = std::net::UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("a timeout");
        let destination = peer.local_addr().expect("bound");
        for (destination, length) in [(destination, 1), (destination, 70_000), (destination, 2)] {
            attached.send(Transmit { source: ours, destination, bytes: vec![0; length] });
        }
        attached.flush();
        let mut bytes = [0; 10];
        assert_eq!(peer.recv(&mut bytes).expect("the first"), 1);
        assert_eq!(peer.recv(&mut bytes).expect("the third"), 2);
    }

    #[test]
    fn sockets_come_and_go_while_others_work() {
        let poll = mio::Poll::new().expect("a poll");
        let ports = Ports::open(&[LOOPBACK], 0).expect("ports");
        let (kept, mut attached) = (ports.candidates()[0], ports.attach(poll.registry()).expect("attached"));
        let peer = std::net::UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        peer.set_read_timeout(Some(std::time::Duration::from_secs(5))).expect("a timeout");
        let destination = peer.local_addr().expect("bound");
        let free = std::net::UdpSocket::bind((LOOPBACK, 0)).expect("a port").local_addr().expect("bound");
        let mut bytes = [0; 10];
        for round in 1..=100 {
            attached.open(free).expect("a free port");
            assert!(attached.open(free).is_err(), "it is taken now");
            for source in [free, kept] {
                attached.send(Transmit { source, destination, bytes: vec![0; round % 10] });
            }
            attached.flush();
            let mut sources = [(); 2].map(|()| peer.recv_from(&mut bytes).expect("a datagram").1);
            sources.sort();
            assert!(sources.contains(&free) && sources.contains(&kept));
            attached.close(free);
            attached.send(Transmit { source: free, destination, bytes: vec![9] });
        }
        assert_eq!((attached.sockets.len(), attached.by_local.len()), (2, 1));
    }
}
