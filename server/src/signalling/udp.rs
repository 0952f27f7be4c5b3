//! SIP over UDP: one socket, a flow for each remote address (RFC 3261 §18, RFC 3581, RFC 5626 §4.4.2).

use std::io;
use std::net::SocketAddr;

use sip::transport::{Arrival, Datagrams, Dropped, PeerFact};
use sip::{FlowEnds, FlowId, Transport};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

use super::flows::Outbox;
use super::listen::Local;
use super::run::{Signalling, Wish};
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// What may wait for the socket. When it is full datagrams are lost, which SIP over UDP is made for.
const ORDERS: usize = 4_096;
/// Datagrams that are taken in before others have their turn.
const BATCH: usize = 64;
/// The largest datagram there is.
const LARGEST: usize = 65_535;

/// The way to one peer. The peer is forgotten when this is dropped.
#[derive(Debug)]
pub struct UdpPeer {
    orders: mpsc::Sender<Order>,
    address: SocketAddr,
    flow: FlowId,
    proven: bool,
    /// Tells whoever opened the way that it is over, by being dropped.
    _alive: Option<oneshot::Sender<()>>,
}

/// The way to a socket of ours, for those who speak first.
#[derive(Clone, Debug)]
pub struct UdpPort {
    orders: mpsc::Sender<Order>,
    local: Local,
    audience: Audience,
}

/// Who is listened to on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Everybody.
    Everybody,
    /// Those to whom we have spoken first, and who is known as a trunk.
    Trunks,
}

/// What a socket is to do.
#[derive(Debug)]
pub(super) enum Order {
    /// And say whether that can be.
    Reach(SocketAddr, FlowId, oneshot::Sender<bool>),
    Send(SocketAddr, FlowId, Vec<u8>),
    Proven(SocketAddr, FlowId),
    Forget(SocketAddr, FlowId),
}

impl UdpPort {
    /// For a socket that [`carry`] carries with the orders that come out.
    pub(super) fn new(local: Local, audience: Audience) -> (UdpPort, mpsc::Receiver<Order>) {
        let (orders, to_do) = mpsc::channel(ORDERS);
        (UdpPort { orders, local, audience }, to_do)
    }

    /// Whether datagrams from this socket can get there.
    pub(super) fn can_reach(&self, address: SocketAddr) -> bool {
        let ours = self.local.listen().ip();
        ours.is_ipv4() == address.is_ipv4()
            && (ours.is_unspecified() || ours.is_loopback() == address.ip().is_loopback())
    }

    /// `host:port` by which the peer there reaches us.
    pub(super) fn towards(&self, address: SocketAddr) -> String {
        self.local.towards(address)
    }

    /// Makes a flow to a peer of our choice; `alive` is dropped when it is over. Nothing when the socket is closed,
    /// or speaks to that address for somebody else already.
    pub(super) async fn reach(
        &self,
        address: SocketAddr,
        flow: FlowId,
        alive: oneshot::Sender<()>,
    ) -> Option<UdpPeer> {
        let (said, can_be) = oneshot::channel();
        self.orders.send(Order::Reach(address, flow, said)).await.ok()?;
        can_be.await.ok().filter(|can_be| *can_be)?;
        Some(UdpPeer { orders: self.orders.clone(), address, flow, proven: true, _alive: Some(alive) })
    }

    /// Sends a datagram that is not the switch's.
    pub(super) fn say(&self, address: SocketAddr, flow: FlowId, bytes: Vec<u8>) {
        let _ = self.orders.try_send(Order::Send(address, flow, bytes));
    }
}

impl UdpPeer {
    pub(super) fn send(&self, bytes: Vec<u8>) {
        if self.orders.try_send(Order::Send(self.address, self.flow, bytes)).is_err() {
            lost("out", "backlog");
        }
    }

    pub(super) fn prove(&mut self) {
        if !self.proven {
            self.proven = self.orders.try_send(Order::Proven(self.address, self.flow)).is_ok();
        }
    }
}

impl Drop for UdpPeer {
    fn drop(&mut self) {
        // Should it not get through, the peer is asked about again when it has been silent.
        let _ = self.orders.try_send(Order::Forget(self.address, self.flow));
    }
}

/// Carries a socket until the switch's loop ends.
pub(super) async fn carry(
    socket: UdpSocket,
    (UdpPort { orders, local, audience }, mut to_do): (UdpPort, mpsc::Receiver<Order>),
    datagrams: Datagrams,
    signalling: Signalling,
    clock: Clock,
    shutdown: Shutdown,
) {
    let _guard = shutdown.guard();
    let mut port = Port { socket, local, audience, datagrams, signalling, clock, shutdown, orders };
    let mut buffer = vec![0; LARGEST];
    loop {
        let wake = port.datagrams.poll_timeout();
        tokio::select! {
            readable = port.socket.readable() => match readable {
                Ok(()) => port.take_in(&mut buffer),
                Err(error) => {
                    tracing::error!(%error, "a UDP socket for SIP cannot be read any more");
                    return;
                }
            },
            Some(order) = to_do.recv() => port.obey(order),
            () = clock.sleep_until(wake) => port.datagrams.handle_timeout(clock.now()),
            () = port.signalling.ended() => {
                while let Ok(order) = to_do.try_recv() {
                    port.obey(order);
                }
                return;
            }
        }
        while let Some(fact) = port.datagrams.poll_fact() {
            let wish = match fact {
                PeerFact::Forgotten(flow) => Wish::FlowClosed { flow },
                PeerFact::Idle(flow) => Wish::FlowIdle { flow },
            };
            port.signalling.tell(wish).await;
        }
    }
}

struct Port {
    socket: UdpSocket,
    local: Local,
    audience: Audience,
    datagrams: Datagrams,
    signalling: Signalling,
    clock: Clock,
    shutdown: Shutdown,
    orders: mpsc::Sender<Order>,
}

impl Port {
    fn take_in(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            match self.socket.try_recv_from(buffer) {
                Ok((length, from)) => self.receive(from, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::debug!(%error, "a datagram could not be read");
                    return;
                }
            }
        }
    }

    fn receive(&mut self, from: SocketAddr, bytes: &[u8]) {
        let signalling = self.signalling.clone();
        match self.datagrams.receive(from, bytes, self.clock.now(), || signalling.new_flow()) {
            Arrival::Message { flow, is_new } => {
                if is_new && !self.open(from, flow) {
                    self.datagrams.forget(from, flow);
                } else if !self.signalling.try_tell(Wish::Message { flow, bytes: bytes.to_vec() }) {
                    lost("in", "backlog");
                }
            }
            Arrival::Reply(bytes) => self.send(from, &bytes),
            Arrival::Ignored => {}
            Arrival::Dropped(Dropped::HostTooFast) => lost("in", "host_too_fast"),
            Arrival::Dropped(Dropped::StrangersTooFast) => lost("in", "strangers_too_fast"),
            Arrival::Dropped(Dropped::NoRoom) => lost("in", "no_room"),
        }
    }

    /// Whether the loop knows of the new flow. Nobody new is let in while the server stops.
    fn open(&self, address: SocketAddr, flow: FlowId) -> bool {
        let peer = UdpPeer { orders: self.orders.clone(), address, flow, proven: false, _alive: None };
        let ends = FlowEnds { local: self.local.towards(address), remote: address };
        let (transport, outbox) = (Transport::Udp, Outbox::Peer(peer));
        !self.shutdown.has_begun()
            && self.signalling.try_tell(Wish::StrangerOpened {
                flow,
                transport,
                ends: Some(ends),
                certificate: None,
                source: None,
                uninvited: self.audience == Audience::Trunks,
                outbox,
            })
    }

    fn obey(&mut self, order: Order) {
        let now = self.clock.now();
        match order {
            Order::Reach(address, flow, said) => {
                if said.send(self.datagrams.reach(address, flow, now)).is_err() {
                    self.datagrams.forget(address, flow);
                }
            }
            Order::Send(to, flow, bytes) if self.datagrams.may_send(to, flow, bytes.len(), now) => {
                self.send(to, &bytes);
            }
            Order::Send(..) => lost("out", "stranger"),
            Order::Proven(address, flow) => self.datagrams.prove(address, flow, now),
            Order::Forget(address, flow) => self.datagrams.forget(address, flow),
        }
    }

    fn send(&self, to: SocketAddr, bytes: &[u8]) {
        if let Err(error) = self.socket.try_send_to(bytes, to) {
            tracing::debug!(%error, "a datagram could not be sent");
            lost("out", "socket");
        }
    }
}

fn lost(direction: &'static str, why: &'static str) {
    metrics::counter!("hotdesk_sip_datagrams_dropped_total", "direction" => direction, "why" => why)
        .increment(1);
}
