//! A page with a phone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant as WallInstant;

use media::Transmit;
use sip::FlowId;
use softphone::{CallEnd, Command, Fact, LineAccount, Order, PhoneCall, PhoneCallId, Softphone};
use timing::{Duration, Instant};

use crate::peer::Peer;

/// A simulated browser: the page's softphone, its SIP connection and its peer connections.
pub struct Browser {
    /// Whose page it is, and what its microphone says.
    pub(crate) user: String,
    pub(crate) phone: Softphone,
    /// The SIP connection, while there is one.
    pub(crate) flow: Option<FlowId>,
    pub(crate) wants_socket: bool,
    /// Whether its network works at all.
    pub online: bool,
    pub(crate) peers: BTreeMap<PhoneCallId, Peer>,
    port: u16,
    next_peer: u16,
    /// What the phone told, oldest first.
    pub facts: Vec<Fact>,
}

impl Browser {
    pub(crate) fn new(user: &str, number: u16, account: LineAccount, now: Instant) -> Self {
        // each page is another phone, also when it is the same person's
        let seed = std::array::from_fn(|at| number.to_be_bytes()[at % 2]);
        let config = softphone::Config { user_agent: "testkit".into(), secure: true, seed };
        let mut phone = Softphone::new(config);
        phone.handle_command(Command::Start(account), now).expect("a fresh phone starts");
        Browser {
            user: user.into(),
            phone,
            flow: None,
            wants_socket: false,
            online: true,
            peers: BTreeMap::new(),
            port: 40_000 + number * 100,
            next_peer: 0,
            facts: Vec::new(),
        }
    }

    /// The calls on the page.
    pub fn calls(&self) -> Vec<PhoneCall> {
        self.phone.calls().cloned().collect()
    }

    /// How the calls of the page ended, in order.
    pub fn ended(&self) -> Vec<CallEnd> {
        let end = |fact: &Fact| if let Fact::CallEnded { end, .. } = fact { Some(*end) } else { None };
        self.facts.iter().filter_map(end).collect()
    }

    /// Whether `voice` came in within the last `span`.
    pub(crate) fn heard(&self, voice: &str, since: Instant) -> bool {
        self.heard_since(since).any(|heard| heard == voice.as_bytes())
    }

    pub(crate) fn heard_since(&self, since: Instant) -> impl Iterator<Item = &[u8]> {
        self.peers.values().flat_map(move |peer| {
            let heard = peer.heard.iter().rev().take_while(move |(at, _)| *at >= since);
            heard.map(|(_, voice)| voice.as_slice())
        })
    }

    pub(crate) fn tick(&mut self, now: Instant, wall: WallInstant) {
        if self.phone.poll_timeout().is_some_and(|deadline| deadline.is_due(now)) {
            self.phone.handle_timeout(now);
        }
        self.obey(now, wall);
        for peer in self.peers.values_mut() {
            peer.tick(self.user.as_bytes(), now, wall);
        }
    }

    /// Carries out what the phone orders, as `app/browser` does.
    pub(crate) fn obey(&mut self, now: Instant, wall: WallInstant) {
        while let Some(order) = self.phone.poll_order() {
            match order {
                Order::OpenSocket => self.wants_socket = true,
                Order::CloseSocket => self.wants_socket = false,
                Order::CreateOffer { call } => {
                    let sdp = self.new_peer(call, now, wall).offer();
                    self.phone.local_description(call, sdp, now);
                }
                Order::CreateAnswer { call, offer } => {
                    let sdp = self.new_peer(call, now, wall).answer(&offer);
                    self.phone.local_description(call, sdp, now);
                }
                Order::SetAnswer { call, answer, provisional } => {
                    if let Some(peer) = self.peers.get_mut(&call).filter(|_| !provisional) {
                        peer.take_answer(&answer);
                    }
                }
                Order::CreateReoffer { call, direction, restart_ice } => {
                    if let Some(peer) = self.peers.get_mut(&call) {
                        let sdp = peer.reoffer(direction, restart_ice);
                        self.phone.local_description(call, sdp, now);
                    }
                }
                Order::AnswerReoffer { call, offer, .. } => {
                    if let Some(peer) = self.peers.get_mut(&call) {
                        let sdp = peer.answer(&offer);
                        self.phone.local_description(call, sdp, now);
                    }
                }
                Order::SetMicrophone { call, on } => {
                    if let Some(peer) = self.peers.get_mut(&call) {
                        peer.microphone = on;
                    }
                }
                Order::ClosePeer { call } => drop(self.peers.remove(&call)),
                Order::RollBack { .. } | Order::SendTone { .. } => {}
            }
        }
        while let Some(fact) = self.phone.poll_fact() {
            self.facts.push(fact);
        }
    }

    pub(crate) fn outgoing(&mut self) -> Vec<Transmit> {
        let online = self.online;
        self.peers.values_mut().flat_map(|peer| peer.outbox.drain(..)).filter(|_| online).collect()
    }

    pub(crate) fn receive(&mut self, transmit: &Transmit, now: Instant, wall: WallInstant) -> bool {
        let online = self.online;
        let peer = self.peers.values_mut().find(|peer| peer.address == transmit.destination);
        match peer.filter(|_| online) {
            Some(peer) => {
                peer.receive(transmit, now, wall);
                true
            }
            None => false,
        }
    }

    fn new_peer(&mut self, call: PhoneCallId, now: Instant, wall: WallInstant) -> &mut Peer {
        self.next_peer += 1;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port + self.next_peer));
        self.peers.insert(call, Peer::new(address, now, wall));
        self.peers.get_mut(&call).expect("it was just put there")
    }
}

/// How far back "hears" listens: a few packets.
pub(crate) const LISTENED: Duration = Duration::from_millis(200);
