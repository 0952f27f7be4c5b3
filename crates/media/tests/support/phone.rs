//! Phones that speak plain RTP, and the ports that the plane asks for.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use media::{
    Certificate, CodecPreference, Config, Direction, Fact, Keys, LegId, Order, Plain, Plane, RtpConfig, Sdes,
    SocketOrder, Style,
};
use timing::Duration;

use super::{SERVER, World};

const PACKET: Duration = Duration::from_millis(20);

/// One phone: where it is, and what it says.
pub struct Phone {
    pub address: SocketAddr,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    /// The server's port for it.
    pub server: SocketAddr,
}

/// An RTP packet as it came off the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Vec<u8>,
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub fn rtcp_of(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port() + 1)
}

/// The style of a leg whose peer's signalling is at `signalled`.
pub fn plain(secure: Sdes, signalled: &str) -> Style {
    Style::Rtp(Plain { secure, signalled: signalled.parse().expect("an address"), keys: Keys::Sound })
}

/// An offer or answer of PCMU and events for a phone at `address`, with what else there is to say.
pub fn sdp(address: SocketAddr, more: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n{more}"
    )
}

pub fn packet(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, payload_type];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(timestamp.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Where the description says that its writer listens.
pub fn place(sdp: &str) -> SocketAddr {
    let after = |prefix: &str| {
        let line = sdp.lines().find_map(|line| line.strip_prefix(prefix)).expect("a line");
        line.split(' ').next().expect("a word").to_owned()
    };
    format!("{}:{}", after("c=IN IP4 "), after("m=audio ")).parse().expect("an address")
}

impl World {
    /// A server with these ports for plain legs, on a public address and on loopback.
    pub fn with_ports(ports: std::ops::RangeInclusive<u16>) -> World {
        let mut world = World::new();
        let config = Config {
            candidates: vec![at(SERVER)],
            epoch: world.epoch,
            certificate: Certificate::generate().expect("a key pair"),
            seed: [11; 32],
        };
        let addresses = ["198.51.100.7", "127.0.0.1"].map(|ip| ip.parse().expect("an address")).to_vec();
        let reserved = vec![7000..=7000, ports.clone()];
        world.plane = Plane::new(config).with_rtp(RtpConfig { addresses, ports, reserved });
        world
    }

    /// Does what the plane asks about ports; those in `taken` cannot be opened. Returns what was asked.
    pub fn serve_ports(&mut self, taken: &BTreeSet<u16>) -> Vec<SocketOrder> {
        let mut orders = Vec::new();
        while let Some(order) = self.plane.poll_socket() {
            if let SocketOrder::Open { rtp } = order {
                self.plane.handle_socket(rtp, !taken.contains(&rtp.port()), self.now);
            }
            orders.push(order);
        }
        self.collect();
        orders
    }

    /// A phone at `address`, whose signalling is there as well, calls leg `number`.
    pub fn phone_calls(&mut self, number: u64, address: &str) -> Phone {
        let signalled = at(address).ip().to_string();
        self.phone_offers(number, address, plain(Sdes::Never, &signalled), &sdp(at(address), "")).0
    }

    pub fn phone_offers(&mut self, number: u64, address: &str, style: Style, offer: &str) -> (Phone, String) {
        let leg = LegId(number);
        self.order(Order::AcceptOffer { leg, offer: offer.into(), codecs: CodecPreference::Any, style });
        self.serve_ports(&BTreeSet::new());
        let answer = self.facts.iter().rev().find_map(|fact| match fact {
            Fact::AnswerMade { leg: known, sdp, .. } if *known == leg => Some(sdp.clone()),
            _ => None,
        });
        let answer = answer.unwrap_or_else(|| panic!("no answer: {:?}", self.facts));
        let server = place(&answer);
        (Phone { address: at(address), ssrc: number as u32, sequence: 65_500, timestamp: 0, server }, answer)
    }

    /// A later offer of leg `number`.
    pub fn phone_reoffers(&mut self, number: u64, offer: &str) -> (String, Direction) {
        self.order(Order::AcceptReoffer { leg: LegId(number), offer: offer.into() });
        match self.facts.pop() {
            Some(Fact::AnswerMade { sdp, direction, .. }) => (sdp, direction),
            other => panic!("no answer but {other:?}"),
        }
    }

    /// A datagram from `source` to `local`.
    pub fn deliver_to(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8]) {
        self.plane.handle_datagram(source, local, bytes, self.now);
        self.collect();
    }

    /// The phone says `payload` in one packet of PCMU, and 20 ms pass.
    pub fn says(&mut self, phone: &mut Phone, payload: &[u8]) {
        self.says_as(phone, 0, payload);
    }

    pub fn says_as(&mut self, phone: &mut Phone, payload_type: u8, payload: &[u8]) {
        let bytes = packet(payload_type, phone.sequence, phone.timestamp, phone.ssrc, payload);
        phone.sequence = phone.sequence.wrapping_add(1);
        phone.timestamp = phone.timestamp.wrapping_add(160);
        self.deliver_to(phone.address, phone.server, &bytes);
        self.run_for(PACKET);
    }

    /// What was sent to `address` so far, raw.
    pub fn sent_to(&self, address: SocketAddr) -> Vec<Vec<u8>> {
        let sent = self.sent.iter().filter(|transmit| transmit.destination == address);
        sent.map(|transmit| transmit.bytes.clone()).collect()
    }

    /// The RTP packets that were sent to `address` so far.
    pub fn heard_at(&self, address: SocketAddr) -> Vec<Packet> {
        let word = |bytes: &[u8], place: usize| {
            u32::from_be_bytes([bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]])
        };
        let read = |bytes: &Vec<u8>| Packet {
            payload_type: bytes[1] & 0x7f,
            marker: bytes[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([bytes[2], bytes[3]]),
            timestamp: word(bytes, 4),
            ssrc: word(bytes, 8),
            payload: bytes[12..].to_vec(),
        };
        self.sent_to(address).iter().map(read).collect()
    }
}
