use timing::{Duration, Instant};

use crate::leg::splice::Splice;
use crate::rtp::rtcp::SenderInfo;
use crate::rtp::{HEADER_LEN, Header};
use crate::srtp::Sealer;

/// Room for the longest tag, so that sealing does not move the packet.
const TAG_ROOM: usize = 16;

/// The stream that we send.
pub(super) struct Outgoing {
    pub(super) ssrc: u32,
    pub(super) splice: Splice,
    pub(super) sealer: Option<Sealer>,
    /// Since the leg began.
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Of this synchronisation source.
    own: Option<Own>,
}

#[derive(Clone, Copy)]
struct Own {
    packets: u32,
    bytes: u32,
    timestamp: u32,
    clock_rate: u32,
    sent: Instant,
    /// Whether something was sent since the last report.
    fresh: bool,
}

/// What a packet is to bear.
pub(super) struct Label {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    /// Extended.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) clock_rate: u32,
}

impl Outgoing {
    pub(super) fn new(ssrc: u32, splice: Splice) -> Outgoing {
        Outgoing { ssrc, splice, sealer: None, packets: 0, bytes: 0, own: None }
    }

    /// Begins another stream, for a receiver that knows nothing of this one: its rollover counter is zero.
    pub(super) fn restart(&mut self, ssrc: u32, splice: Splice) {
        (self.ssrc, self.splice, self.own) = (ssrc, splice, None);
    }

    /// A packet, ready to go.
    pub(super) fn packet(&mut self, label: &Label, payload: &[u8], now: Instant) -> Vec<u8> {
        let Label { payload_type, marker, sequence, timestamp, clock_rate } = *label;
        let mut packet = Vec::with_capacity(HEADER_LEN + payload.len() + TAG_ROOM);
        let header = Header::new(payload_type, marker, sequence as u16, timestamp, self.ssrc);
        packet.extend_from_slice(&header.to_bytes());
        packet.extend_from_slice(payload);
        if let Some(sealer) = &self.sealer {
            sealer.seal_rtp(&mut packet, sequence);
        }
        self.packets += 1;
        self.bytes += payload.len() as u64;
        let (packets, bytes) = self.own.map_or((0, 0), |own| (own.packets, own.bytes));
        self.own = Some(Own {
            packets: packets.wrapping_add(1),
            bytes: bytes.wrapping_add(payload.len() as u32),
            timestamp,
            clock_rate,
            sent: now,
            fresh: true,
        });
        packet
    }

    /// What to report of this stream; nothing, if nothing was sent since the last report (RFC 3550 §6.4).
    pub(super) fn sender_info(&mut self, ntp: u64, now: Instant) -> Option<SenderInfo> {
        let own = self.own.as_mut().filter(|own| own.fresh)?;
        own.fresh = false;
        let since = u64::try_from(now.since(own.sent).min(Duration::from_secs(60)).as_micros()).unwrap_or(0);
        let ticks = (since * u64::from(own.clock_rate) / 1_000_000) as u32;
        let timestamp = own.timestamp.wrapping_add(ticks);
        Some(SenderInfo { ntp, timestamp, packets: own.packets, bytes: own.bytes })
    }
}
