//! What 20 ms of sound cost: passed on as they are, through samples into another codec, in a conference, and as
//! music to who waits. No sockets, no encryption: plain legs.

use std::net::SocketAddr;

use bench::Bench;
use media::{
    Certificate, Codec, CodecPreference, Config, Fact, Keys, LegId, Order, Plain, Plane, RtpConfig, Sdes,
    SocketOrder, Sound, Style,
};
use timing::{Duration, Instant};

const PACKET: Duration = Duration::from_millis(20);

fn main() {
    let bench = Bench::from_args(std::env::args().skip(1));
    let opus = recorded(Codec::Opus);
    let of = |codec| recorded(codec);

    let mut relayed = Room::new(&[Codec::Pcmu, Codec::Pcmu]);
    relayed.bridge();
    let mut transcoded = Room::new(&[Codec::Pcmu, Codec::Opus]);
    transcoded.bridge();
    let (pcmu, g722) = (of(Codec::Pcmu), of(Codec::G722));
    bench.beside(
        "media: 20 ms of a call, PCMU to Opus and back",
        || transcoded.step(&[&pcmu, &opus]),
        "passed on, PCMU to PCMU and back",
        || relayed.step(&[&pcmu, &pcmu]),
    );
    let mut wide = Room::new(&[Codec::G722, Codec::Opus]);
    wide.bridge();
    bench.alone("media: 20 ms of a call, G.722 to Opus and back", || wide.step(&[&g722, &opus]));
    let mut narrow = Room::new(&[Codec::Pcmu, Codec::G722]);
    narrow.bridge();
    bench.alone("media: 20 ms of a call, PCMU to G.722 and back", || narrow.step(&[&pcmu, &g722]));

    for (codec, payloads, sizes) in [
        (Codec::Pcmu, &pcmu, &[3, 10, 50][..]),
        (Codec::G722, &g722, &[10]),
        (Codec::Opus, &opus, &[3, 10, 50]),
    ] {
        for size in sizes {
            let mut room = Room::new(&vec![codec; *size]);
            room.mix();
            let payloads = vec![payloads.as_slice(); *size];
            bench.alone(&format!("media: 20 ms of a conference of {size}, {codec:?}"), || {
                room.step(&payloads)
            });
        }
    }
    let mut lecture = Room::new(&[Codec::Opus; 50]);
    lecture.mix();
    for _ in 0..100 {
        lecture.step(&[&opus, &opus]);
    }
    bench.alone("media: 20 ms of a conference of 50 of whom two speak, Opus", || {
        lecture.step(&[&opus, &opus])
    });
    let mut waiting = Room::new(&[Codec::Opus; 50]);
    waiting.play();
    for _ in 0..3300 {
        waiting.step(&[]);
    }
    bench.alone("media: 20 ms of music to 50 who wait, Opus", || waiting.step(&[]));
}

/// Payloads of five seconds of music.
fn recorded(codec: Codec) -> Vec<Vec<u8>> {
    let mut room = Room::new(&[codec]);
    room.play();
    let mut payloads = Vec::new();
    while payloads.len() < 250 {
        room.step(&[]);
        payloads.append(&mut room.heard);
    }
    payloads
}

/// Phones on one plane.
struct Room {
    plane: Plane,
    phones: Vec<Phone>,
    now: Instant,
    sequence: u16,
    heard: Vec<Vec<u8>>,
}

struct Phone {
    address: SocketAddr,
    server: SocketAddr,
    payload_type: u8,
    ticks: u32,
}

impl Room {
    fn new(codecs: &[Codec]) -> Room {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let config = Config {
            candidates: vec![address("198.51.100.7:7000")],
            epoch: std::time::Instant::now(),
            certificate: Certificate::generate().expect("a key pair"),
            seed: [5; 32],
        };
        let addresses = vec![address("198.51.100.7:0").ip()];
        let rtp = RtpConfig { addresses, ports: 20_000..=20_999, reserved: vec![] };
        let plane = Plane::new(config).with_rtp(rtp);
        let now = Instant::from_micros(1_000_000);
        let mut room = Room { plane, phones: vec![], now, sequence: 0, heard: vec![] };
        for (leg, codec) in (1..).zip(codecs) {
            room.admit(leg, *codec);
        }
        room
    }

    fn admit(&mut self, leg: u64, codec: Codec) {
        let payload_type = match codec {
            Codec::Opus => 111,
            Codec::G722 => 9,
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        };
        let address: SocketAddr = format!("203.0.113.{leg}:4000").parse().expect("an address");
        let (ip, clock) = (address.ip(), codec.clock_rate());
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP {payload_type}\r\n\
             a=rtpmap:111 opus/48000/2\r\n"
        );
        let style = Style::Rtp(Plain { secure: Sdes::Never, signalled: ip, keys: Keys::Sound });
        let order = Order::AcceptOffer { leg: LegId(leg), offer, codecs: CodecPreference::Any, style };
        self.plane.handle_order(order, self.now);
        let Some(SocketOrder::Open { rtp: server }) = self.plane.poll_socket() else { panic!("no port") };
        self.plane.handle_socket(server, true, self.now);
        let told = std::iter::from_fn(|| self.plane.poll_fact()).find_map(|fact| match fact {
            Fact::AnswerMade { codec, .. } => Some(codec),
            _ => None,
        });
        assert_eq!(told, Some(codec));
        while self.plane.poll_fact().is_some() {}
        self.phones.push(Phone { address, server, payload_type, ticks: clock / 50 });
    }

    fn bridge(&mut self) {
        self.plane.handle_order(Order::Bridge { a: LegId(1), b: LegId(2) }, self.now);
    }

    fn mix(&mut self) {
        let legs = (1..=self.phones.len() as u64).map(LegId).collect();
        self.plane.handle_order(Order::Mix { legs }, self.now);
    }

    fn play(&mut self) {
        for leg in 1..=self.phones.len() as u64 {
            self.plane.handle_order(Order::Play { leg: LegId(leg), sound: Sound::Music }, self.now);
        }
    }

    /// Each phone says its next 20 ms, and all hear theirs; how many packets that were.
    fn step(&mut self, payloads: &[&[Vec<u8>]]) -> usize {
        for (phone, payloads) in self.phones.iter().zip(payloads) {
            let payload = &payloads[usize::from(self.sequence) % payloads.len()];
            let mut packet = Vec::with_capacity(12 + payload.len());
            packet.extend([0x80, phone.payload_type]);
            packet.extend(self.sequence.to_be_bytes());
            packet.extend(u32::from(self.sequence).wrapping_mul(phone.ticks).to_be_bytes());
            packet.extend([1, 2, 3, 4]);
            packet.extend(payload);
            self.plane.handle_datagram(phone.address, phone.server, &packet, self.now);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.now += PACKET;
        self.plane.handle_timeout(self.now);
        let mut packets = 0;
        self.heard.clear();
        while let Some(transmit) = self.plane.poll_transmit() {
            packets += 1;
            // a report goes from the odd port
            if self.phones.len() == 1 && transmit.source.port() % 2 == 0 {
                self.heard.push(transmit.bytes[12..].to_vec());
            }
        }
        while self.plane.poll_fact().is_some() {}
        packets
    }
}
