//! A plane, full-ICE clients and a network without delay, all in simulated time.
#![allow(dead_code, reason = "each story uses a part of it")]

pub mod phone;
pub mod sound;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use media::{
    Certificate, Codec, CodecPreference, Config, Direction, Fact, LegId, Order, Plane, Style, Transmit,
};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::DtlsCert;
use str0m::format::{Codec as EngineCodec, FormatParams};
use str0m::media::{Direction as EngineDirection, Frequency, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use timing::{Duration, Instant};

pub const SERVER: &str = "127.0.0.1:7000";
const PACKET: Duration = Duration::from_millis(20);
const STEP: Duration = Duration::from_millis(5);

pub struct World {
    pub plane: Plane,
    pub now: Instant,
    pub facts: Vec<Fact>,
    /// Everything that the plane sent.
    pub sent: Vec<Transmit>,
    /// The last connectivity check of each client.
    pub checks: BTreeMap<SocketAddr, Vec<u8>>,
    /// What the clients that are added prove themselves with; each by one of its own where there is none.
    pub certificate: Option<DtlsCert>,
    clients: BTreeMap<SocketAddr, Client>,
    epoch: std::time::Instant,
}

/// An audio packet as a client got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub payload_type: u8,
    pub payload: Vec<u8>,
    pub sequence: u64,
    pub timestamp: u32,
    pub ssrc: u32,
    pub marker: bool,
    pub audio_level: Option<i8>,
}

pub struct Client {
    rtc: Rtc,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    pub connected: bool,
    pub heard: Vec<Heard>,
    /// What to send every 20 ms: payload type and content.
    pub voice: Option<(u8, Vec<u8>)>,
    /// The same, with sound in it.
    pub mouth: Option<(u8, sound::Mouth)>,
    pub online: bool,
    sequence: u64,
    timestamp: u32,
    next_packet: Instant,
    outbox: VecDeque<Transmit>,
    wake: std::time::Instant,
}

pub fn leg(number: u64) -> LegId {
    LegId(number)
}

pub fn address(number: u16) -> SocketAddr {
    ([127, 0, 0, 1], 40_000 + number).into()
}

impl World {
    pub fn new() -> World {
        let epoch = std::time::Instant::now();
        let plane = Plane::new(Config {
            candidates: vec![SERVER.parse().expect("an address")],
            epoch,
            certificate: Certificate::generate().expect("a key pair"),
            seed: [9; 32],
        });
        World {
            plane,
            now: Instant::from_micros(1_000_000),
            facts: vec![],
            sent: vec![],
            checks: BTreeMap::new(),
            certificate: None,
            clients: BTreeMap::new(),
            epoch,
        }
    }

    pub fn order(&mut self, order: Order) {
        self.plane.handle_order(order, self.now);
        self.collect();
    }

    pub fn add(&mut self, number: u16, opus: u8) {
        self.add_with(number, |config| {
            let format = FormatParams::parse_line("minptime=10;useinbandfec=1");
            let codecs = config.codec_config();
            codecs.add_config(
                opus.into(),
                None,
                EngineCodec::Opus,
                Frequency::FORTY_EIGHT_KHZ,
                Some(2),
                format,
            );
            codecs.enable_pcmu(true, false);
            let events = FormatParams::parse_line("0-16");
            codecs.add_config(101.into(), None, EngineCodec::Tele, Frequency::FORTY_EIGHT_KHZ, None, events);
        });
    }

    /// A client at [`address`]`(number)`; replaces one that was there, as a reloaded page does.
    pub fn add_with(&mut self, number: u16, codecs: impl FnOnce(&mut RtcConfig)) {
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
        codecs(&mut config);
        if let Some(certificate) = &self.certificate {
            config = config.set_dtls_cert(certificate.clone());
        }
        let wall = self.epoch + self.now.since_origin();
        let mut rtc = config.build(wall);
        rtc.add_local_candidate(Candidate::host(address(number), "udp").expect("a candidate"));
        let client = Client {
            rtc,
            mid: None,
            pending: None,
            connected: false,
            heard: vec![],
            voice: None,
            mouth: None,
            online: true,
            sequence: 64_000,
            timestamp: 1_234_567,
            next_packet: self.now,
            outbox: VecDeque::new(),
            wake: wall,
        };
        self.clients.insert(address(number), client);
    }

    pub fn client(&mut self, number: u16) -> &mut Client {
        self.clients.get_mut(&address(number)).expect("a client")
    }

    /// The client's first offer.
    pub fn offer(&mut self, number: u16) -> String {
        let client = self.client(number);
        let mut changes = client.rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, EngineDirection::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().expect("changes");
        client.mid = Some(mid);
        client.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// The client's next offer, for another direction.
    pub fn reoffer(&mut self, number: u16, direction: EngineDirection) -> String {
        let client = self.client(number);
        let mid = client.mid.expect("negotiated");
        let mut changes = client.rtc.sdp_api();
        changes.set_direction(mid, direction);
        let (offer, pending) = changes.apply().expect("another direction");
        client.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub fn restart_ice(&mut self, number: u16) -> String {
        let client = self.client(number);
        let mut changes = client.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().expect("a restart");
        client.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub fn take_answer(&mut self, number: u16, answer: &str) {
        let client = self.client(number);
        let pending = client.pending.take().expect("an offer");
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer");
        client.rtc.sdp_api().accept_answer(pending, answer).expect("an answer that fits");
    }

    pub fn answer(&mut self, number: u16, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).expect("an offer");
        let client = self.client(number);
        let answer = client.rtc.sdp_api().accept_offer(offer).expect("an offer to accept").to_sdp_string();
        let mid = answer.lines().find_map(|line| line.strip_prefix("a=mid:")).expect("a mid");
        client.mid = Some(Mid::from(mid));
        answer
    }

    /// Lets client `number` call leg `number`; returns our answer.
    pub fn call(&mut self, number: u16, codecs: CodecPreference) -> String {
        let offer = self.offer(number);
        self.order(Order::AcceptOffer { leg: leg(number.into()), offer, codecs, style: Style::WebRtc });
        let answer = self.answer_made(number.into());
        self.take_answer(number, &answer);
        answer
    }

    /// Lets leg `number` call client `number`; returns our offer.
    pub fn ring(&mut self, number: u16, codecs: CodecPreference) -> String {
        self.order(Order::MakeOffer { leg: leg(number.into()), codecs, style: Style::WebRtc });
        let Some(Fact::OfferMade { sdp, .. }) = self.facts.pop() else {
            panic!("no offer: {:?}", self.facts)
        };
        let answer = self.answer(number, &sdp);
        self.order(Order::AcceptAnswer { leg: leg(number.into()), answer });
        sdp
    }

    /// Takes the newest answer of `number` out of the facts.
    pub fn answer_made(&mut self, number: u64) -> String {
        match self.facts.pop() {
            Some(Fact::AnswerMade { leg, sdp, .. }) if leg == LegId(number) => sdp,
            other => panic!("no answer but {other:?}"),
        }
    }

    /// Holds or resumes as a client does.
    pub fn renegotiate(&mut self, number: u16, direction: EngineDirection) -> (String, Direction) {
        let offer = self.reoffer(number, direction);
        self.order(Order::AcceptReoffer { leg: leg(number.into()), offer });
        match self.facts.pop() {
            Some(Fact::AnswerMade { sdp, direction, .. }) => {
                self.take_answer(number, &sdp);
                (sdp, direction)
            }
            other => panic!("no answer but {other:?}"),
        }
    }

    pub fn inject(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.plane.handle_datagram(source, SERVER.parse().expect("an address"), bytes, self.now);
        self.collect();
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.exchange();
            self.now += STEP;
        }
        self.exchange();
    }

    pub fn run_until_connected(&mut self, numbers: &[u16]) {
        for _ in 0..1000 {
            self.run_for(STEP);
            let all = numbers.iter().all(|number| {
                let fact = Fact::Connected { leg: leg((*number).into()) };
                self.facts.contains(&fact) && self.clients[&address(*number)].connected
            });
            if all {
                return;
            }
        }
        panic!("not connected: {:?}", self.facts);
    }

    pub fn forget_heard(&mut self) {
        for client in self.clients.values_mut() {
            client.heard.clear();
        }
    }

    pub fn payloads(&mut self, number: u16) -> Vec<Vec<u8>> {
        self.client(number).heard.iter().map(|heard| heard.payload.clone()).collect()
    }

    /// One datagram each way until nothing moves.
    fn exchange(&mut self) {
        let wall = self.epoch + self.now.since_origin();
        self.plane.handle_timeout(self.now);
        for client in self.clients.values_mut() {
            client.speak(self.now, wall);
            if client.wake <= wall {
                client.rtc.handle_input(Input::Timeout(wall)).expect("time passes");
            }
            client.drain(wall);
        }
        loop {
            self.collect();
            let mut moved = false;
            let addresses: Vec<SocketAddr> = self.clients.keys().copied().collect();
            for from in addresses {
                let client = self.clients.get_mut(&from).expect("a client");
                let outgoing: Vec<Transmit> = client.outbox.drain(..).collect();
                for transmit in outgoing.into_iter().filter(|_| client.online) {
                    moved = true;
                    if transmit.bytes.starts_with(&[0, 1]) {
                        self.checks.insert(from, transmit.bytes.clone());
                    }
                    self.plane.handle_datagram(from, transmit.destination, &transmit.bytes, self.now);
                }
            }
            let delivered = self.deliver(wall);
            if !moved && !delivered {
                return;
            }
        }
    }

    fn deliver(&mut self, wall: std::time::Instant) -> bool {
        let mut delivered = false;
        while let Some(transmit) = self.plane.poll_transmit() {
            self.sent.push(transmit.clone());
            let Some(client) = self.clients.get_mut(&transmit.destination).filter(|client| client.online)
            else {
                continue;
            };
            delivered = true;
            let received =
                Receive::new(Protocol::Udp, transmit.source, transmit.destination, &transmit.bytes);
            let input = Input::Receive(wall, received.expect("a datagram"));
            if client.rtc.accepts(&input) {
                client.rtc.handle_input(input).expect("a datagram in order");
                client.drain(wall);
            }
        }
        delivered
    }

    fn collect(&mut self) {
        while let Some(fact) = self.plane.poll_fact() {
            self.facts.push(fact);
        }
    }
}

impl Client {
    /// Says goodbye to the server.
    pub fn close(&mut self) {
        self.rtc.close().expect("a goodbye");
        self.drain(self.wake);
    }

    pub fn mid(&self) -> String {
        self.mid.expect("an offer").to_string()
    }

    /// Sends one packet of this payload type now.
    pub fn say(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let Some(mid) = self.mid else { return };
        let wall = self.wake;
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
        let number = Pt::new_with_value(payload_type);
        let packet = RtpWrite::new(number, self.sequence.into(), timestamp, wall, payload.to_vec());
        self.sequence += 1;
        stream.write_rtp(packet);
    }

    fn speak(&mut self, now: Instant, wall: std::time::Instant) {
        if !self.connected || now < self.next_packet {
            return;
        }
        self.next_packet = now + PACKET;
        let ticks = self.mouth.as_ref().map_or(960, |(_, mouth)| mouth.ticks());
        self.timestamp = self.timestamp.wrapping_add(ticks);
        let spoken = self.mouth.as_mut().map(|(payload_type, mouth)| (*payload_type, mouth.say()));
        if let Some((payload_type, payload)) = spoken.or_else(|| self.voice.clone()) {
            let timestamp = self.timestamp;
            self.say(payload_type, timestamp, &payload);
            self.rtc.handle_input(Input::Timeout(wall)).expect("time passes");
        }
    }

    fn drain(&mut self, wall: std::time::Instant) {
        for _ in 0..100 {
            match self.rtc.poll_output().expect("output") {
                Output::Timeout(at) if at <= wall => {
                    self.rtc.handle_input(Input::Timeout(wall)).expect("time passes");
                    self.wake = wall;
                }
                Output::Timeout(at) => {
                    self.wake = at;
                    return;
                }
                Output::Transmit(transmit) => self.outbox.push_back(Transmit {
                    source: transmit.source,
                    destination: transmit.destination,
                    bytes: transmit.contents.into(),
                }),
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(packet)) => self.heard.push(Heard {
                    payload_type: *packet.header.payload_type,
                    payload: packet.payload.to_vec(),
                    sequence: *packet.seq_no,
                    timestamp: packet.header.timestamp,
                    ssrc: *packet.header.ssrc,
                    marker: packet.header.marker,
                    audio_level: packet.header.ext_vals.audio_level,
                }),
                Output::Event(_) => {}
            }
        }
    }
}

/// Any codec.
pub const ANY: CodecPreference = CodecPreference::Any;

pub fn only(codec: Codec) -> CodecPreference {
    CodecPreference::Only(vec![codec])
}

/// Anna calls by 1, Bruno is called by 2; their payload types for Opus differ, and they hear each other.
pub fn anna_and_bruno_talk() -> World {
    let mut world = World::new();
    world.add(1, 96);
    world.add(2, 111);
    world.call(1, ANY);
    world.ring(2, only(Codec::Opus));
    world.order(Order::Bridge { a: leg(1), b: leg(2) });
    world.run_until_connected(&[1, 2]);
    world.client(1).voice = Some((96, b"anna".to_vec()));
    world.client(2).voice = Some((111, b"bruno".to_vec()));
    world.run_for(Duration::from_secs(1));
    world
}
