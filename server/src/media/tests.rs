//! Real sockets on loopback, real time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::{CodecPreference, Fact, Keys, LegId, Order, Plain, Sdes, Sound, Style};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::sync::mpsc::Receiver;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn pool(addresses: Vec<IpAddr>, workers: u16) -> (MediaPool, Receiver<WorkerFact>) {
    let config =
        Config { addresses, port: 0, rtp_ports: rtp_ports(), workers, epoch: Instant::now(), seed: [3; 32] };
    MediaPool::start(config).expect("loopback is free")
}

fn rtp_ports() -> PortRange {
    "20000-29999".parse().expect("a range")
}

/// The next fact of this leg that is not about figures.
fn next_fact(facts: &mut Receiver<WorkerFact>, leg: LegId) -> Fact {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "no fact about leg {leg}");
        match facts.try_recv() {
            Ok(told) if told.fact.leg() == leg && !matches!(told.fact, Fact::Figures { .. }) => {
                return told.fact;
            }
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// A browser of sorts: full ICE, Opus, one packet of speech every 20 ms.
struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    mid: Mid,
    pending: Option<SdpPendingOffer>,
    words: &'static [u8],
    sequence: u64,
    next_packet: Option<Instant>,
    heard: Vec<Vec<u8>>,
    /// Where the server listens, read from its answer.
    server: Option<SocketAddr>,
}

impl Client {
    fn new(address: IpAddr, words: &'static [u8]) -> (Client, String) {
        let socket = UdpSocket::bind((address, 0)).expect("a port");
        let address = socket.local_addr().expect("bound");
        let mut rtc =
            RtcConfig::new().set_rtp_mode(true).clear_codecs().enable_opus(true, false).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        let mut changes = rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().expect("changes");
        let pending = Some(pending);
        let client = Client {
            rtc,
            socket,
            address,
            mid,
            pending,
            words,
            sequence: 0,
            next_packet: None,
            heard: vec![],
            server: None,
        };
        (client, offer.to_sdp_string())
    }

    fn take_answer(&mut self, answer: &str) {
        let candidate = answer.lines().find(|line| line.starts_with("a=candidate:")).expect("a candidate");
        let words: Vec<&str> = candidate.split(' ').collect();
        self.server = format!("{}:{}", words[4], words[5]).parse().ok();
        let answer = SdpAnswer::from_sdp_string(answer).expect("an answer");
        let pending = self.pending.take().expect("an offer");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("an answer that fits");
    }

    /// Lets a little time pass.
    fn turn(&mut self) {
        let mut bytes = [0; 2000];
        self.drain();
        self.socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout");
        if let Ok((length, source)) = self.socket.recv_from(&mut bytes) {
            let receive = Receive::new(Protocol::Udp, source, self.address, &bytes[..length]);
            let input = Input::Receive(Instant::now(), receive.expect("a datagram"));
            if self.rtc.accepts(&input) {
                self.rtc.handle_input(input).expect("in order");
            }
        }
        self.drain();
        let now = Instant::now();
        if self.next_packet.is_some_and(|at| at <= now) {
            self.next_packet = Some(now + Duration::from_millis(20));
            self.sequence += 1;
            let timestamp = self.sequence as u32 * 960;
            let mut api = self.rtc.direct_api();
            let stream = api.stream_tx_by_mid(self.mid, None).expect("negotiated");
            stream.write_rtp(RtpWrite::new(
                Pt::new_with_value(111),
                self.sequence.into(),
                timestamp,
                now,
                self.words,
            ));
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).expect("time passes");
        self.drain();
    }

    fn drain(&mut self) {
        for _ in 0..100 {
            match self.rtc.poll_output().expect("output") {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => {
                    self.socket.send_to(&transmit.contents, transmit.destination).expect("sent");
                }
                Output::Event(Event::Connected) => self.next_packet = Some(Instant::now()),
                Output::Event(Event::RtpPacket(packet)) => self.heard.push(packet.payload.to_vec()),
                Output::Event(_) => {}
            }
        }
    }
}

fn call(
    pool: &MediaPool,
    facts: &mut Receiver<WorkerFact>,
    worker: WorkerId,
    leg: LegId,
    client: (Client, String),
) -> Client {
    let (mut client, offer) = client;
    let style = Style::WebRtc;
    pool.order(worker, Order::AcceptOffer { leg, offer, codecs: CodecPreference::Any, style })
        .expect("taken");
    let Fact::AnswerMade { sdp, .. } = next_fact(facts, leg) else { panic!("no answer") };
    client.take_answer(&sdp);
    client
}

fn run_until(clients: &mut [&mut Client], done: impl Fn(&[&mut Client]) -> bool) {
    let begun = Instant::now();
    while !done(clients) {
        assert!(begun.elapsed() < PATIENCE, "nothing is heard");
        for client in clients.iter_mut() {
            client.turn();
        }
    }
}

#[test]
fn two_clients_of_both_families_hear_each_other_over_loopback() {
    let (four, six) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let (pool, mut facts) = pool(vec![four, six], 2);
    let worker = pool.pick().expect("an idle worker");
    let mut anna = call(&pool, &mut facts, worker, LegId(1), Client::new(four, b"anna"));
    let mut bruno = call(&pool, &mut facts, worker, LegId(2), Client::new(six, b"bruno"));
    pool.order(worker, Order::Bridge { a: LegId(1), b: LegId(2) }).expect("taken");
    run_until(&mut [&mut anna, &mut bruno], |clients| clients.iter().all(|client| client.heard.len() >= 25));
    assert!(anna.heard.iter().all(|heard| heard == b"bruno"));
    assert!(bruno.heard.iter().all(|heard| heard == b"anna"));
    assert_ne!(pool.pick(), Some(worker), "the next call goes to the other worker");
}

#[test]
fn a_flood_of_junk_does_not_silence_an_echo() {
    let four = IpAddr::from(Ipv4Addr::LOCALHOST);
    let (pool, mut facts) = pool(vec![four], 1);
    let mut client = call(&pool, &mut facts, WorkerId(0), LegId(1), Client::new(four, b"hello"));
    pool.order(WorkerId(0), Order::Echo { leg: LegId(1) }).expect("taken");
    run_until(&mut [&mut client], |clients| clients[0].heard.len() >= 5);
    let server = client.server.expect("an IPv4 address");
    let stranger = UdpSocket::bind((four, 0)).expect("a port");
    for round in 0..2000_usize {
        let junk = [[0, 1, 20, 22, 128, 200][round % 6]; 64];
        stranger.send_to(&junk[..round % 64], server).expect("sent");
    }
    let before = client.heard.len();
    run_until(&mut [&mut client], |clients| clients[0].heard.len() >= before + 25);
    stranger.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    assert!(stranger.recv(&mut [0; 100]).is_err(), "a stranger gets no answer");
}

#[test]
fn stopping_says_goodbye_to_the_peer_and_ends_the_threads() {
    let four = IpAddr::from(Ipv4Addr::LOCALHOST);
    let (pool, mut facts) = pool(vec![four], 1);
    let mut client = call(&pool, &mut facts, WorkerId(0), LegId(1), Client::new(four, b"hello"));
    pool.order(WorkerId(0), Order::Echo { leg: LegId(1) }).expect("taken");
    run_until(&mut [&mut client], |clients| !clients[0].heard.is_empty());
    let begun = Instant::now();
    pool.stop();
    assert!(begun.elapsed() < Duration::from_secs(2));
    run_until(&mut [&mut client], |clients| !clients[0].rtc.is_alive());
    pool.order(WorkerId(0), Order::Echo { leg: LegId(1) }).expect("taken");
    drop(pool);
    while let Some(told) = facts.blocking_recv() {
        assert!(!matches!(told.fact, Fact::Lost { .. } | Fact::Crashed { .. }), "{told:?}");
    }
}

#[test]
fn a_worker_that_has_ended_is_not_picked_and_refuses() {
    let four = IpAddr::from(Ipv4Addr::LOCALHOST);
    let (pool, _facts) = pool(vec![four], 1);
    assert_eq!(pool.pick(), Some(WorkerId(0)));
    pool.stop();
    assert_eq!(pool.pick(), None);
    let (codecs, style) = (CodecPreference::Any, Style::WebRtc);
    let offer = Order::MakeOffer { leg: LegId(1), codecs, style };
    let refused = Fact::Refused { leg: LegId(1), why: Unsupported::Overloaded };
    assert_eq!(pool.order(WorkerId(0), offer.clone()), Err(refused.clone()));
    assert_eq!(pool.order(WorkerId(7), offer), Err(refused));
    assert_eq!(pool.order(WorkerId(0), Order::Close { leg: LegId(1) }), Ok(()));
}

#[test]
fn what_cannot_be_started_says_why() {
    let (epoch, seed) = (Instant::now(), [0; 32]);
    let unusable = Config { addresses: vec![], port: 0, rtp_ports: rtp_ports(), workers: 1, epoch, seed };
    assert!(matches!(MediaPool::start(unusable.clone()), Err(StartError::NoAddress)));
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port();
    let addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    let Err(error) = MediaPool::start(Config { addresses, port, ..unusable }) else {
        panic!("the port is taken")
    };
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

/// A phone of sorts, and where the server listens for it.
fn phone_call(pool: &MediaPool, facts: &mut Receiver<WorkerFact>, leg: LegId) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let port = socket.local_addr().expect("bound").port();
    let offer = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    );
    let style =
        Style::Rtp(Plain { secure: Sdes::Never, signalled: Ipv4Addr::LOCALHOST.into(), keys: Keys::Sound });
    pool.order(WorkerId(0), Order::AcceptOffer { leg, offer, codecs: CodecPreference::Any, style })
        .expect("taken");
    let Fact::AnswerMade { sdp, .. } = next_fact(facts, leg) else { panic!("no answer") };
    let words = sdp.split_once("m=audio ").expect("audio").1;
    let port = words.split(' ').next().and_then(|port| port.parse().ok()).expect("a port");
    (socket, (Ipv4Addr::LOCALHOST, port).into())
}

#[test]
fn two_phones_hear_each_other_and_their_ports_are_given_back() {
    let (pool, mut facts) = pool(vec![Ipv4Addr::LOCALHOST.into()], 1);
    let (anna, to_anna) = phone_call(&pool, &mut facts, LegId(1));
    let (bruno, to_bruno) = phone_call(&pool, &mut facts, LegId(2));
    assert!(to_anna.port() % 2 == 0 && to_anna.port() != to_bruno.port());
    pool.order(WorkerId(0), Order::Bridge { a: LegId(1), b: LegId(2) }).expect("taken");
    let mut bytes = [0; 2000];
    for number in 0..50_u8 {
        let mut packet = vec![0x80, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 1];
        packet.extend([number; 160]);
        anna.send_to(&packet, to_anna).expect("sent");
        packet[11] = 2;
        bruno.send_to(&packet, to_bruno).expect("sent");
        for (hearer, server) in [(&anna, to_anna), (&bruno, to_bruno)] {
            let (length, source) = hearer.recv_from(&mut bytes).expect("sound");
            assert_eq!((length, source, bytes[12]), (172, server, number));
        }
    }
    for leg in [LegId(1), LegId(2)] {
        pool.order(WorkerId(0), Order::Close { leg }).expect("taken");
    }
    let begun = Instant::now();
    while [to_anna, to_bruno].iter().any(|port| UdpSocket::bind(port).is_err()) {
        assert!(begun.elapsed() < PATIENCE, "the ports stay taken");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn music_comes_by_itself_one_packet_every_twenty_milliseconds() {
    let (pool, mut facts) = pool(vec![Ipv4Addr::LOCALHOST.into()], 1);
    let (anna, _) = phone_call(&pool, &mut facts, LegId(1));
    pool.order(WorkerId(0), Order::Play { leg: LegId(1), sound: Sound::Music }).expect("taken");
    let mut bytes = [0; 2000];
    let mut next = || {
        let (length, _) = anna.recv_from(&mut bytes).expect("music");
        assert_eq!(length, 172);
        u16::from_be_bytes([bytes[2], bytes[3]])
    };
    let first = next();
    let begun = Instant::now();
    for number in 1..=50 {
        assert_eq!(next(), first.wrapping_add(number));
    }
    // a busy machine may make it later, never sooner
    let took = begun.elapsed();
    assert!((Duration::from_millis(950)..Duration::from_secs(5)).contains(&took), "{took:?}");
    pool.order(WorkerId(0), Order::Unbridge { leg: LegId(1) }).expect("taken");
}
