use std::sync::Arc;

use timing::Instant;

use super::sequence::Sequence;
use crate::leg::reception::{Arrival, Reception};
use crate::rtp::Header;
use crate::srtp::Opener;

/// The stream that the peer sends.
pub(super) struct Incoming {
    pub(super) opener: Option<Opener>,
    pub(super) reception: Reception,
    source: Option<Source>,
    /// Where a packet is decrypted, kept for the next.
    scratch: Vec<u8>,
}

struct Source {
    ssrc: u32,
    numbers: Sequence,
    /// How many packets were kept from the other party so far, and up to which number nothing more is let
    /// through: what it gets is numbered without them, and no number twice.
    withheld: u64,
    floor: u64,
    highest: u64,
}

/// An RTP packet in order.
pub(super) struct Packet {
    pub(super) header: Header,
    pub(super) payload: Arc<[u8]>,
    /// Extended.
    pub(super) sequence: u64,
}

impl Incoming {
    pub(super) fn new() -> Incoming {
        Incoming { opener: None, reception: Reception::default(), source: None, scratch: Vec::new() }
    }

    /// Reads a datagram of which the sender is known; nothing, if it is not in order or came before.
    pub(super) fn open(&mut self, datagram: &[u8]) -> Option<Packet> {
        self.scratch.clear();
        self.scratch.extend_from_slice(datagram);
        let (length, index) = match &mut self.opener {
            Some(opener) => {
                opener.open_rtp(&mut self.scratch).map(|(length, index)| (length, Some(index)))?
            }
            None => (datagram.len(), None),
        };
        let packet = &self.scratch[..length];
        let header = Header::parse(packet)?;
        let payload = header.payload(packet)?.into();
        let source = self.source_of(header.ssrc);
        let sequence = match index {
            Some(index) => index,
            None => source.numbers.take(header.sequence)?,
        };
        Some(Packet { header, payload, sequence })
    }

    /// Reads a datagram of RTCP; its plain form.
    pub(super) fn open_report(&mut self, datagram: &[u8]) -> Option<&[u8]> {
        self.scratch.clear();
        self.scratch.extend_from_slice(datagram);
        let length = match &mut self.opener {
            Some(opener) => opener.open_rtcp(&mut self.scratch)?,
            None => datagram.len(),
        };
        Some(&self.scratch[..length])
    }

    pub(super) fn count(&mut self, packet: &Packet, clock_rate: u32, clocked: bool, now: Instant) {
        let arrival = Arrival {
            ssrc: packet.header.ssrc,
            sequence: packet.sequence,
            timestamp: packet.header.timestamp,
            clock_rate,
            bytes: packet.payload.len(),
        };
        self.reception.count(&arrival, clocked, now);
    }

    /// The number under which a packet goes to the other party; nothing, if it comes too late for that.
    pub(super) fn let_through(&mut self, packet: &Packet) -> Option<u64> {
        let source = self.source_of(packet.header.ssrc);
        source.highest = source.highest.max(packet.sequence);
        (packet.sequence >= source.floor).then(|| packet.sequence.wrapping_sub(source.withheld))
    }

    /// Keeps a packet from the other party, who shall not miss it.
    pub(super) fn withhold(&mut self, packet: &Packet) {
        let source = self.source_of(packet.header.ssrc);
        if packet.sequence > source.highest {
            source.highest = packet.sequence;
            source.floor = packet.sequence + 1;
            source.withheld += 1;
        }
    }

    /// The peer's source has said goodbye: whatever comes next begins anew.
    pub(super) fn forget(&mut self, ssrc: u32) {
        self.source.take_if(|source| source.ssrc == ssrc);
    }

    fn source_of(&mut self, ssrc: u32) -> &mut Source {
        self.source.take_if(|source| source.ssrc != ssrc);
        self.source.get_or_insert_with(|| Source {
            ssrc,
            numbers: Sequence::default(),
            withheld: 0,
            floor: 0,
            highest: 0,
        })
    }
}
