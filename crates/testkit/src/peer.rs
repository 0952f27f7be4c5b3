//! One RTCPeerConnection of a simulated browser.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant as WallInstant;

use media::Transmit;
use softphone::Direction;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction as EngineDirection, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use timing::{Duration, Instant};

const PACKET: Duration = Duration::from_millis(20);
const OPUS: u8 = 111;

pub(crate) struct Peer {
    rtc: Rtc,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    pub address: SocketAddr,
    pub connected: bool,
    pub microphone: bool,
    /// The payload type of what was agreed on.
    payload_type: u8,
    /// What came in, with the time at which it came.
    pub heard: Vec<(Instant, Vec<u8>)>,
    pub outbox: VecDeque<Transmit>,
    direction: Direction,
    sequence: u64,
    timestamp: u32,
    next_packet: Instant,
    wake: WallInstant,
}

impl Peer {
    pub fn new(address: SocketAddr, now: Instant, wall: WallInstant) -> Self {
        let mut config = RtcConfig::new().set_rtp_mode(true).clear_codecs();
        let codecs = config.codec_config();
        let opus = FormatParams::parse_line("minptime=10;useinbandfec=1");
        codecs.add_config(OPUS.into(), None, Codec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2), opus);
        codecs.enable_pcmu(true, false);
        let mut rtc = config.build(wall);
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a host candidate"));
        Peer {
            rtc,
            mid: None,
            pending: None,
            address,
            connected: false,
            microphone: true,
            payload_type: OPUS,
            heard: Vec::new(),
            outbox: VecDeque::new(),
            direction: Direction::SendRecv,
            sequence: 1_000,
            timestamp: 7,
            next_packet: now,
            wake: wall,
        }
    }

    pub fn offer(&mut self) -> String {
        let mut changes = self.rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, EngineDirection::SendRecv, None, None, None);
        let (offer, pending) = changes.apply().expect("a first offer has changes");
        self.mid = Some(mid);
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub fn reoffer(&mut self, direction: Direction, restart_ice: bool) -> String {
        // a browser can always make an offer; this engine only one that changes something
        let restart_ice = restart_ice || direction == self.direction;
        self.direction = direction;
        let mid = self.mid.expect("negotiated before");
        let mut changes = self.rtc.sdp_api();
        changes.set_direction(mid, engine_direction(direction));
        if restart_ice {
            changes.ice_restart(true);
        }
        let (offer, pending) = changes.apply().expect("direction or ICE changes");
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    pub fn take_answer(&mut self, answer: &str) {
        let pending = self.pending.take().expect("an offer is out");
        self.payload_type = first_payload_type(answer);
        let answer = SdpAnswer::from_sdp_string(answer).expect("the server's answer parses");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the server's answer fits the offer");
    }

    pub fn answer(&mut self, offer: &str) -> String {
        let offer = SdpOffer::from_sdp_string(offer).expect("the server's offer parses");
        let answer =
            self.rtc.sdp_api().accept_offer(offer).expect("the server's offer can be taken").to_sdp_string();
        self.payload_type = first_payload_type(&answer);
        self.mid = answer.lines().find_map(|line| line.strip_prefix("a=mid:")).map(Mid::from);
        answer
    }

    pub fn tick(&mut self, voice: &[u8], now: Instant, wall: WallInstant) {
        let sends = matches!(self.direction, Direction::SendRecv | Direction::SendOnly);
        if self.connected && self.microphone && sends && now >= self.next_packet {
            self.next_packet = now + PACKET;
            self.say(voice, wall);
        }
        if self.wake <= wall {
            self.rtc.handle_input(Input::Timeout(wall)).expect("time passes");
        }
        self.drain(now, wall);
    }

    fn say(&mut self, voice: &[u8], wall: WallInstant) {
        let Some(mid) = self.mid else { return };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, None) else { return };
        let samples = if self.payload_type == OPUS { 960 } else { 160 };
        self.timestamp = self.timestamp.wrapping_add(samples);
        stream.write_rtp(RtpWrite::new(
            self.payload_type.into(),
            self.sequence.into(),
            self.timestamp,
            wall,
            voice.to_vec(),
        ));
        self.sequence += 1;
        self.rtc.handle_input(Input::Timeout(wall)).expect("time passes");
    }

    pub fn receive(&mut self, transmit: &Transmit, now: Instant, wall: WallInstant) {
        let Ok(datagram) =
            Receive::new(Protocol::Udp, transmit.source, transmit.destination, &transmit.bytes)
        else {
            return;
        };
        let input = Input::Receive(wall, datagram);
        if self.rtc.accepts(&input) {
            self.rtc.handle_input(input).expect("the server's datagrams are in order");
            self.drain(now, wall);
        }
    }

    fn drain(&mut self, now: Instant, wall: WallInstant) {
        for _ in 0..100 {
            match self.rtc.poll_output().expect("the engine runs") {
                Output::Timeout(at) if at <= wall => {
                    self.rtc.handle_input(Input::Timeout(wall)).expect("time passes");
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
                Output::Event(Event::RtpPacket(packet)) => self.heard.push((now, packet.payload.to_vec())),
                Output::Event(_) => {}
            }
        }
    }
}

/// The first payload type of an answer is what is sent from then on.
fn first_payload_type(answer: &str) -> u8 {
    let line = answer.lines().find_map(|line| line.strip_prefix("m=audio "));
    line.and_then(|line| line.split(' ').nth(2)).and_then(|first| first.parse().ok()).unwrap_or(OPUS)
}

fn engine_direction(direction: Direction) -> EngineDirection {
    match direction {
        Direction::SendRecv => EngineDirection::SendRecv,
        Direction::SendOnly => EngineDirection::SendOnly,
        Direction::RecvOnly => EngineDirection::RecvOnly,
        Direction::Inactive => EngineDirection::Inactive,
    }
}
