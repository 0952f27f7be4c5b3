//! The WebRTC leg: ICE-lite, DTLS-SRTP and RTP by str0m in RTP mode.

mod engine;
mod negotiate;
mod paths;
mod sources;
mod watch;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use str0m::change::SdpPendingOffer;
use str0m::media::{Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Event, Input, Rtc};
use timing::{Duration, Instant};

pub(crate) use engine::{Fresh, Shared};

use super::keypad::{Fate, Keypad, Tone};
use super::reception::{Arrival, Reception};
use super::splice::{self, Splice};
use super::telephone_event::TelephoneEvents;
use super::{Agreed, Frame, Leg, Output};
use crate::codec::{Codec, CodecPreference, Content};
use crate::fact::LegFigures;
use crate::order::Transmit;
use crate::sdp::{Direction, Layout, Origin, Payload};
use paths::Paths;
use sources::{Newcomer, Sources};

const FIGURES_EVERY: Duration = Duration::from_secs(5);
/// How often the above are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// RFC 8489 §5: class and method of what a check and its answer begin with.
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
/// Rounds of output after one input. The engine needs two or three; the limit keeps a fault in it local.
const MAX_OUTPUTS: usize = 256;

/// One browser, or whatever speaks as one.
pub(crate) struct BrowserLeg {
    shared: Arc<Shared>,
    rtc: Rtc,
    mid: Mid,
    origin: Origin,
    /// What may be agreed on.
    codecs: CodecPreference,
    layout: Layout,
    /// What we do at most: less than `sendrecv` while we hold the peer.
    own: Direction,
    negotiation: Negotiation,
    payloads: Vec<Payload>,
    link: Link,
    splice: Splice,
    events: TelephoneEvents,
    keypad: Keypad,
    paths: Paths,
    sources: Sources,
    reception: Reception,
    packets_out: u64,
    bytes_out: u64,
    lost_by_peer: u64,
    rtt: Option<Duration>,
    outbox: VecDeque<Output>,
    engine_wake: Option<Instant>,
    next_watch: Instant,
    next_figures: Instant,
    /// When something authentic last came, and when audio last came or could first have come.
    heard: Instant,
    audio_heard: Instant,
    silent: bool,
}

/// Where the leg stands between offer and answer.
///
/// | from      | offer of ours | answer taken | retracted | offer of the peer |
/// | Offered   | refused       | Settled      | Offered   | refused           |
/// | Settled   | Reoffered     | refused      | Settled   | Settled           |
/// | Reoffered | refused       | Settled      | Settled   | refused           |
enum Negotiation {
    /// Our first.
    Offered(Offer),
    Settled(Settled),
    /// A later one of ours; what was settled before still holds.
    Reoffered(Offer, Settled),
    /// An answer went wrong half-way.
    Failed,
}

/// What we have offered.
struct Offer {
    pending: SdpPendingOffer,
    codecs: Vec<Codec>,
    direction: Direction,
}

/// What the last offer and answer said of the peer.
struct Settled {
    agreed: Agreed,
    fingerprint: String,
}

/// | from | checks and handshake done | nothing heard | heard again | closed by peer |
/// | New  | Up                        | New           | New         | Closed         |
/// | Up   | Up                        | Lost          | Up          | Closed         |
/// | Lost | Up                        | Lost          | Up          | Closed         |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    New,
    Up,
    Lost,
    Closed,
}

impl Leg for BrowserLeg {
    fn handle_datagram(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant) {
        let is_check = bytes.starts_with(&BINDING_REQUEST);
        if is_check && !self.paths.admits(source, now) {
            tracing::trace!("a check from one more source");
            return;
        }
        let Ok(receive) = Receive::new(Protocol::Udp, source, local, bytes) else {
            tracing::trace!("not a datagram of ours");
            return;
        };
        let input = Input::Receive(self.shared.wall(now), receive);
        // the engine does not check the source again
        if !self.rtc.accepts(&input) {
            tracing::trace!("not from the peer");
            return;
        }
        if is_check {
            self.paths.note(source, now);
        } else {
            self.expect_source(bytes, now);
        }
        // a bad datagram is that datagram's fault and never the call's (CVE-2023-49786)
        if let Err(error) = self.rtc.handle_input(input) {
            tracing::debug!(%error, "datagram dropped");
        }
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.engine_wake.is_some_and(|at| at <= now) {
            self.advance(now);
        }
        self.dial(now);
        if self.next_watch <= now {
            self.next_watch = now + WATCH_EVERY;
            self.watch(now);
        }
    }

    fn send(&mut self, frame: &Frame, now: Instant) {
        if !self.hears() {
            return;
        }
        match self.keypad.sort(frame, now) {
            Fate::Sent => {}
            Fate::Skipped => return self.skip(frame),
            Fate::Pressed => {
                self.skip(frame);
                return self.dial(now);
            }
        }
        let Some(number) = self.number(frame.content) else {
            tracing::trace!(content = ?frame.content, "not negotiated");
            return self.skip(frame);
        };
        let Some(place) = self.splice.place(source(frame), frame.sequence, frame.timestamp, now) else {
            return;
        };
        let mut extensions = ExtensionValues::default();
        if let Some((level, voice)) = frame.audio_level {
            extensions.audio_level = Some(level);
            extensions.voice_activity = voice;
        }
        let wall = self.shared.wall(now);
        let payload = Arc::clone(&frame.payload);
        let packet = RtpWrite::new(number, place.sequence.into(), place.timestamp, wall, payload);
        self.write(packet.marker(frame.marker || place.first).ext_vals(extensions), frame.payload.len(), now);
    }

    fn skip(&mut self, frame: &Frame) {
        self.splice.skip(source(frame), frame.sequence);
    }

    fn takes_keys(&self) -> bool {
        self.number(Content::Events(self.clock_rate())).is_some()
    }

    fn press(&mut self, event: u8, held: Duration, now: Instant) {
        self.keypad.press(event, held);
        self.dial(now);
    }

    fn interrupt(&mut self) {
        self.splice.interrupt();
    }

    fn close(&mut self, now: Instant) {
        if let Err(error) = self.rtc.close() {
            tracing::debug!(%error, "no goodbye");
        }
        self.drain(now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.engine_wake, Some(self.next_watch), self.keypad.poll_timeout()].into_iter().flatten().min()
    }

    fn hears(&self) -> bool {
        let wants = self.agreed().is_some_and(|agreed| agreed.direction.receives());
        self.link == Link::Up && self.own.sends() && wants
    }

    // what a peer sends us on `sendonly` is the microphone of one who holds
    fn speaks(&self) -> bool {
        let speaks = self.agreed().is_some_and(|agreed| agreed.direction == Direction::SendRecv);
        self.link == Link::Up && self.own.receives() && speaks
    }

    fn figures(&self) -> LegFigures {
        LegFigures {
            packets_in: self.reception.packets(),
            bytes_in: self.reception.bytes(),
            packets_out: self.packets_out,
            bytes_out: self.bytes_out,
            lost: self.reception.lost(),
            lost_by_peer: self.lost_by_peer,
            jitter_us: self.reception.jitter_us(),
            rtt_us: self.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

impl BrowserLeg {
    /// Our ICE user fragment, by which checks for this leg are known. It changes with an ICE restart.
    pub(crate) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Events are on the clock of the codec.
    fn clock_rate(&self) -> u32 {
        self.agreed().map_or(8000, |agreed| agreed.codec.clock_rate())
    }

    fn number(&self, content: Content) -> Option<Pt> {
        let payload = self.payloads.iter().find(|payload| payload.usage == content)?;
        Some(Pt::new_with_value(payload.number))
    }

    fn write(&mut self, packet: RtpWrite, length: usize, now: Instant) {
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, None) else { return };
        stream.write_rtp(packet);
        self.packets_out += 1;
        self.bytes_out += length as u64;
        // what is written leaves with the next advance of time
        self.advance(now);
    }

    /// Sends the packet of a key that is due.
    fn dial(&mut self, now: Instant) {
        let clock_rate = self.clock_rate();
        let Some(number) = self.number(Content::Events(clock_rate)).filter(|_| self.hears()) else {
            return self.keypad.clear();
        };
        let Some(Tone { payload, first }) = self.keypad.poll(clock_rate, now) else { return };
        let timestamp = match first {
            true => self.splice.begin_event(clock_rate, now),
            false => self.splice.event_timestamp(),
        };
        let (sequence, wall) = (self.splice.event_sequence(), self.shared.wall(now));
        let packet = RtpWrite::new(number, sequence.into(), timestamp, wall, payload.to_vec());
        self.write(packet.marker(first), payload.len(), now);
    }

    /// Lets the engine's time pass, then takes out what it has.
    fn advance(&mut self, now: Instant) {
        if let Err(error) = self.rtc.handle_input(Input::Timeout(self.shared.wall(now))) {
            tracing::debug!(%error, "the engine could not go on");
        }
        self.drain(now);
    }

    /// Takes out all that the engine has. Must follow every change to it.
    fn drain(&mut self, now: Instant) {
        let wall = self.shared.wall(now);
        // for what is left when the rounds are over; else the engine says when
        self.engine_wake = Some(now + Duration::from_millis(1));
        for _ in 0..MAX_OUTPUTS {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Transmit(transmit)) => self.transmit(transmit, now),
                Ok(str0m::Output::Event(event)) => self.handle_event(event, now),
                Ok(str0m::Output::Timeout(at)) if at <= wall => {
                    if let Err(error) = self.rtc.handle_input(Input::Timeout(wall)) {
                        tracing::debug!(%error, "the engine could not go on");
                    }
                    // asked again, the engine answers with a later time or with output
                }
                Ok(str0m::Output::Timeout(at)) => {
                    self.engine_wake = self.shared.instant(at);
                    break;
                }
                Err(error) => {
                    tracing::debug!(%error, "the engine could not go on");
                    self.engine_wake = Some(now + Duration::from_millis(50));
                    break;
                }
            }
        }
        if !self.rtc.is_alive() {
            self.engine_wake = None;
            self.move_link(Link::Closed, now);
        }
    }

    fn transmit(&mut self, transmit: str0m::net::Transmit, now: Instant) {
        let bytes: Vec<u8> = transmit.contents.into();
        // the check before it had our password
        if bytes.starts_with(&BINDING_SUCCESS) {
            self.outbox.push_back(Output::Validated(transmit.destination));
            self.hear(now);
        }
        let is_stun = matches!(bytes.first(), Some(0..=3));
        if self.link == Link::Lost && !is_stun {
            tracing::trace!("no consent to send");
            return;
        }
        let (source, destination) = (transmit.source, transmit.destination);
        self.outbox.push_back(Output::Transmit(Transmit { source, destination, bytes }));
    }

    fn handle_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Connected => {
                self.hear(now);
                self.move_link(Link::Up, now);
            }
            Event::RtpPacket(packet) => self.receive(packet, now),
            Event::MediaEgressStats(stats) => {
                self.rtt = stats.rtt.or(self.rtt);
                if let Some(remote) = stats.remote {
                    self.lost_by_peer = remote.packets_lost;
                }
            }
            Event::MediaIngressStats(stats) => self.rtt = self.rtt.or(stats.rtt),
            Event::Closed => self.move_link(Link::Closed, now),
            _ => {}
        }
    }

    fn receive(&mut self, packet: RtpPacket, now: Instant) {
        self.hear(now);
        let number = *packet.header.payload_type;
        let Some(content) = self.payloads.iter().find(|payload| payload.number == number).map(|p| p.usage)
        else {
            return;
        };
        let ssrc: u32 = *packet.header.ssrc;
        self.sources.prove(ssrc);
        let arrival = Arrival {
            ssrc,
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            clock_rate: content.clock_rate(),
            bytes: packet.payload.len(),
        };
        self.reception.count(&arrival, matches!(content, Content::Audio(_)), now);
        match content {
            Content::Audio(_) => self.hear_audio(now),
            Content::Events(_) => {
                let key = self.events.handle_payload(ssrc, packet.header.timestamp, &packet.payload, now);
                self.outbox.extend(key.map(Output::Key));
            }
        }
        let level = packet.header.ext_vals.audio_level;
        self.outbox.push_back(Output::Frame(Frame {
            content,
            payload: packet.payload,
            ssrc,
            sequence: arrival.sequence,
            timestamp: arrival.timestamp,
            marker: packet.header.marker,
            audio_level: level.map(|level| (level, packet.header.ext_vals.voice_activity)),
        }));
    }

    /// Lets the engine take the packet if it is RTP of ours from a source not yet known; SRTP still has to
    /// authenticate it.
    fn expect_source(&mut self, bytes: &[u8], now: Instant) {
        let Some((number, ssrc)) = sources::rtp_source(bytes) else { return };
        if self.agreed().is_none() || !self.payloads.iter().any(|payload| payload.number == number) {
            return;
        }
        let Some(Newcomer { ssrc, instead_of }) = self.sources.admit(ssrc) else { return };
        let mut api = self.rtc.direct_api();
        if let Some(displaced) = instead_of {
            api.remove_stream_rx(displaced.into());
        }
        // nobody sends a packet of speech twice
        api.expect_stream_rx(ssrc.into(), None, self.mid, None).suppress_nack(true);
        self.drain(now);
    }
}

fn source(frame: &Frame) -> splice::Source {
    splice::Source { ssrc: frame.ssrc, clock_rate: frame.content.clock_rate() }
}
