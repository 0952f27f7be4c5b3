//! The plain leg: RTP or SRTP at ports of its own, for phones, exchanges and carriers.

mod incoming;

mod negotiate;
mod outgoing;
mod path;
mod reports;
mod sequence;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use timing::{Duration, Instant};

pub(crate) use negotiate::Setup;
pub(crate) use path::{Policy, Reach};

use super::keypad::{Fate, Keypad};
use super::splice;
use super::telephone_event::TelephoneEvents;
use super::{Agreed, Frame, Leg, Output};
use crate::codec::{Codec, CodecPreference, Content};
use crate::fact::LegFigures;
use crate::order::{Keys, Sdes, Transmit};
use crate::rtp::rtcp;
use crate::sdp::{Crypto, Direction, Origin, Payload, Profile};
use crate::srtp::{MasterKey, Suite};
use incoming::{Incoming, Packet};
use outgoing::{Label, Outgoing};
use path::{Path, Sender};
use reports::Reports;

/// A plain peer has no consent to renew, and on a quiet line only its reports come, every few seconds.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// Long enough for discontinuous transmission, which sends something every 400 ms.
const SILENT_AFTER: Duration = Duration::from_secs(10);
const FIGURES_EVERY: Duration = Duration::from_secs(5);
/// How often the above are looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How long after a negotiation the peer may turn out to send from elsewhere than it said.
const LATCH_WITHIN: Duration = Duration::from_secs(3);

/// One phone, or whatever speaks plain RTP.
pub(crate) struct RtpLeg {
    /// The address in it is where we receive RTP; RTCP comes to the next port.
    origin: Origin,
    secure: Sdes,
    keys: Keys,
    /// What may be agreed on.
    codecs: CodecPreference,
    /// What we do at most: less than `sendrecv` while we hold the peer.
    own: Direction,
    negotiation: Negotiation,
    /// What the peer sends by, and what we send by: each side names its own numbers.
    receives: Vec<Payload>,
    sends: Vec<Payload>,
    rtp: Path,
    rtcp: Path,
    mux: bool,
    own_key: MasterKey,
    incoming: Incoming,
    outgoing: Outgoing,
    events: TelephoneEvents,
    keypad: Keypad,
    reports: Reports,
    link: Link,
    outbox: VecDeque<Output>,
    next_watch: Instant,
    next_figures: Instant,
    /// When something in order last came, and when audio last came or could first have come.
    heard: Instant,
    audio_heard: Instant,
    silent: bool,
}

/// Where the leg stands between offer and answer.
///
/// | from      | offer of ours | answer taken | retracted | offer of the peer |
/// | Offered   | refused       | Settled      | Offered   | refused           |
/// | Settled   | Reoffered     | see below    | Settled   | Settled           |
/// | Reoffered | refused       | Settled      | Settled   | refused           |
///
/// While nothing but our first offer has been answered another answer may take the place of the first: that of
/// another branch of a call that has forked (RFC 3261 §13.2.2.4).
enum Negotiation {
    /// Our first.
    Offered(Offer),
    Settled(Settled),
    /// A later one of ours; what was settled before still holds.
    Reoffered(Offer, Settled),
}

/// What we have offered.
#[derive(Clone)]
struct Offer {
    codecs: Vec<Codec>,
    payloads: Vec<Payload>,
    profile: Profile,
    crypto: Vec<Crypto>,
    direction: Direction,
    /// The m-lines, which the answer has too.
    sections: Vec<Option<String>>,
}

/// What the last offer and answer said.
#[derive(Clone)]
struct Settled {
    agreed: Agreed,
    profile: Profile,
    protection: Option<(Suite, MasterKey)>,
    sections: Vec<Option<String>>,
    /// Our first offer, while nothing else was settled.
    first: Option<Box<Offer>>,
}

/// | from    | peer's address known | nothing heard | heard again |
/// | Waiting | Up                   | Waiting       | Waiting     |
/// | Up      | Up                   | Lost          | Up          |
/// | Lost    | Lost                 | Lost          | Up          |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Waiting,
    Up,
    Lost,
}

impl Leg for RtpLeg {
    fn handle_datagram(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant) {
        let on_rtp_port = local.port() == self.origin.address.port();
        if on_rtp_port && !(self.mux && rtcp::is_rtcp(bytes)) {
            self.receive(source, bytes, now);
        } else {
            self.receive_report(source, on_rtp_port, bytes, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.dial(now);
        if self.reports.next <= now {
            self.report(false, now);
        }
        if self.next_watch <= now {
            self.next_watch = now + WATCH_EVERY;
            self.watch(now);
        }
    }

    fn send(&mut self, frame: &Frame, now: Instant) {
        if !self.hears() {
            return;
        }
        if self.keys == Keys::Signalling && matches!(frame.content, Content::Events(_)) {
            return self.skip(frame);
        }
        match self.keypad.sort(frame, now) {
            Fate::Sent => {}
            Fate::Skipped => return self.skip(frame),
            Fate::Pressed => {
                self.skip(frame);
                return self.dial(now);
            }
        }
        let Some(payload_type) = self.payload_type(frame.content) else {
            tracing::trace!(content = ?frame.content, "not negotiated");
            return self.skip(frame);
        };
        let splice = &mut self.outgoing.splice;
        let Some(place) = splice.place(source(frame), frame.sequence, frame.timestamp, now) else { return };
        let label = Label {
            payload_type,
            marker: frame.marker || place.first,
            sequence: place.sequence,
            timestamp: place.timestamp,
            clock_rate: frame.content.clock_rate(),
        };
        self.transmit(&label, &frame.payload, now);
    }

    fn skip(&mut self, frame: &Frame) {
        self.outgoing.splice.skip(source(frame), frame.sequence);
    }

    fn takes_keys(&self) -> bool {
        self.keys == Keys::Signalling || self.events_sent().is_some()
    }

    fn press(&mut self, event: u8, held: Duration, now: Instant) {
        if self.keys == Keys::Sound {
            self.keypad.press(event, held);
            self.dial(now);
        }
    }

    fn interrupt(&mut self) {
        self.outgoing.splice.interrupt();
    }

    fn close(&mut self, now: Instant) {
        self.report(true, now);
    }

    fn poll(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [Some(self.next_watch), Some(self.reports.next), self.keypad.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn hears(&self) -> bool {
        // a peer that is lost may still hear
        let wants = self.direction().is_some_and(Direction::receives);
        self.link != Link::Waiting && self.own.sends() && wants
    }

    fn speaks(&self) -> bool {
        let speaks = self.direction() == Some(Direction::SendRecv);
        self.link != Link::Waiting && self.own.receives() && speaks
    }

    fn figures(&self) -> LegFigures {
        let reception = &self.incoming.reception;
        LegFigures {
            packets_in: reception.packets(),
            bytes_in: reception.bytes(),
            packets_out: self.outgoing.packets,
            bytes_out: self.outgoing.bytes,
            lost: reception.lost(),
            lost_by_peer: self.reports.lost_by_peer,
            jitter_us: reception.jitter_us(),
            rtt_us: self.reports.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

impl RtpLeg {
    /// The peer's signalling comes from here now, as do the descriptions that follow.
    pub(crate) fn signalled(&mut self, from: IpAddr) {
        self.rtp.move_signalling(from);
        self.rtcp.move_signalling(from);
    }

    fn settled(&self) -> Option<&Settled> {
        match &self.negotiation {
            Negotiation::Settled(settled) | Negotiation::Reoffered(_, settled) => Some(settled),
            Negotiation::Offered(_) => None,
        }
    }

    fn direction(&self) -> Option<Direction> {
        self.settled().map(|settled| settled.agreed.direction)
    }

    fn clock_rate(&self) -> u32 {
        self.settled().map_or(8000, |settled| settled.agreed.codec.clock_rate())
    }

    /// The payload type of events towards the peer, and their clock.
    fn events_sent(&self) -> Option<(u8, u32)> {
        self.sends.iter().find_map(|payload| match payload.usage {
            Content::Events(rate) => Some((payload.number, rate)),
            Content::Audio(_) => None,
        })
    }

    fn payload_type(&self, content: Content) -> Option<u8> {
        self.sends.iter().find(|payload| payload.usage == content).map(|payload| payload.number)
    }

    fn receive(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) {
        let sender = self.rtp.sender(source, now);
        // before a key is settled on, nothing can be told from noise
        if sender == Sender::Stranger || self.settled().is_none() {
            return tracing::trace!("not from the peer");
        }
        let Some(packet) = self.incoming.open(bytes) else {
            return tracing::trace!("not in order");
        };
        let number = packet.header.payload_type;
        let content = self.receives.iter().find(|payload| payload.number == number).map(|p| p.usage);
        if content.is_none() && sender == Sender::Candidate {
            return;
        }
        self.rtp.confirm(source);
        self.come_up(now);
        self.hear(now);
        let clock_rate = content.map_or(self.clock_rate(), Content::clock_rate);
        self.incoming.count(&packet, clock_rate, matches!(content, Some(Content::Audio(_))), now);
        match content {
            Some(content) if !packet.payload.is_empty() => self.take(packet, content, now),
            // comfort noise, padding, or a codec that was not agreed on
            _ => self.incoming.withhold(&packet),
        }
    }

    fn take(&mut self, packet: Packet, content: Content, now: Instant) {
        let Packet { header, .. } = packet;
        match content {
            Content::Audio(_) => self.hear_audio(now),
            Content::Events(_) => {
                let key = self.events.handle_payload(header.ssrc, header.timestamp, &packet.payload, now);
                self.outbox.extend(key.map(Output::Key));
            }
        }
        let Some(sequence) = self.incoming.let_through(&packet) else { return };
        self.outbox.push_back(Output::Frame(Frame {
            content,
            payload: packet.payload,
            ssrc: header.ssrc,
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            audio_level: None,
        }));
    }

    fn receive_report(&mut self, source: SocketAddr, muxed: bool, bytes: &[u8], now: Instant) {
        let path = if muxed { &self.rtp } else { &self.rtcp };
        if path.sender(source, now) == Sender::Stranger || self.settled().is_none() {
            return tracing::trace!("not from the peer");
        }
        let Some(items) = self.incoming.open_report(bytes).and_then(rtcp::parse) else {
            return tracing::trace!("not in order");
        };
        let path = if muxed { &mut self.rtp } else { &mut self.rtcp };
        path.confirm(source);
        self.hear(now);
        self.reports.handle(&items, self.outgoing.ssrc, &mut self.incoming, now);
    }

    /// Sends the packet of a key that is due.
    fn dial(&mut self, now: Instant) {
        let Some((payload_type, events_rate)) = self.events_sent().filter(|_| self.hears()) else {
            return self.keypad.clear();
        };
        let Some(tone) = self.keypad.poll(events_rate, now) else { return };
        // the timestamps are those of the whole stream, whatever the length of an event is counted in
        let clock_rate = self.clock_rate();
        let splice = &mut self.outgoing.splice;
        let timestamp = match tone.first {
            true => splice.begin_event(clock_rate, now),
            false => splice.event_timestamp(),
        };
        let sequence = splice.event_sequence();
        let label = Label { payload_type, marker: tone.first, sequence, timestamp, clock_rate };
        self.transmit(&label, &tone.payload, now);
    }

    fn transmit(&mut self, label: &Label, payload: &[u8], now: Instant) {
        let Some(destination) = self.rtp.destination() else { return };
        let bytes = self.outgoing.packet(label, payload, now);
        self.outbox.push_back(Output::Transmit(Transmit { source: self.origin.address, destination, bytes }));
    }

    /// Sends a report; while the peer's address is not known, only its time goes on.
    fn report(&mut self, bye: bool, now: Instant) {
        let clock_rate = self.clock_rate();
        let reception = &self.incoming.reception;
        let mut bytes = self.reports.write(&mut self.outgoing, reception, clock_rate, bye, now);
        if self.settled().is_none() {
            return;
        }
        if let Some(sealer) = &mut self.outgoing.sealer {
            sealer.seal_rtcp(&mut bytes);
        }
        let (mut source, path) = (self.origin.address, if self.mux { &self.rtp } else { &self.rtcp });
        if !self.mux {
            source.set_port(source.port() + 1);
        }
        if let Some(destination) = path.destination() {
            self.outbox.push_back(Output::Transmit(Transmit { source, destination, bytes }));
        }
    }

    fn come_up(&mut self, now: Instant) {
        if self.link == Link::Waiting && self.rtp.destination().is_some() {
            self.link = Link::Up;
            self.heard = now;
            self.audio_heard = now;
            self.outgoing.splice.interrupt();
            self.outbox.push_back(Output::Connected);
        }
    }

    fn hear(&mut self, now: Instant) {
        self.heard = now;
        if self.link == Link::Lost {
            self.link = Link::Up;
            self.audio_heard = now;
            self.outbox.push_back(Output::Connected);
        }
    }

    fn hear_audio(&mut self, now: Instant) {
        self.audio_heard = now;
        if std::mem::take(&mut self.silent) {
            self.outbox.push_back(Output::Audible);
        }
    }

    fn watch(&mut self, now: Instant) {
        // a peer that only listens, and keeps no reports, rightly says nothing
        if !self.own.receives() || !self.direction().is_some_and(Direction::sends) {
            self.heard = now;
        }
        if self.link == Link::Up && now.since(self.heard) >= LOST_AFTER {
            self.link = Link::Lost;
            self.outbox.push_back(Output::Lost);
        }
        if !self.speaks() {
            self.audio_heard = now;
        } else if !self.silent && now.since(self.audio_heard) >= SILENT_AFTER {
            self.silent = true;
            self.outbox.push_back(Output::Silent);
        }
        if self.link != Link::Waiting && self.next_figures <= now {
            self.next_figures = now + FIGURES_EVERY;
            self.outbox.push_back(Output::Figures(self.figures()));
        }
    }
}

fn source(frame: &Frame) -> splice::Source {
    splice::Source { ssrc: frame.ssrc, clock_rate: frame.content.clock_rate() }
}
