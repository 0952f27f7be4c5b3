use timing::{Duration, Instant};

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use crate::leg::reception::Reception;
use crate::rtp::rtcp::{self, Item, ReportBlock};

/// RFC 3550 §6.2: five seconds, from half to one and a half of it so that reports do not fall into step.
const INTERVAL: Duration = Duration::from_secs(5);
/// What an NTP timestamp of zero would say is that there is none.
const NTP_ORIGIN: u64 = 2_208_988_800;
/// A longer round trip is a clock that was set, or a lie.
const MAX_RTT: Duration = Duration::from_secs(30);

/// What is reported to the peer, and what it reports to us (RFC 3550 §6).
pub(super) struct Reports {
    cname: String,
    pub(super) next: Instant,
    dice: u64,
    /// The middle of the peer's last NTP timestamp, and when it came.
    last_report: Option<(u32, Instant)>,
    /// What our last report said: source, expected and received.
    told: (u32, u64, u64),
    pub(super) rtt: Option<Duration>,
    pub(super) lost_by_peer: u64,
    /// Of the streams before the present one.
    lost_before: u64,
}

impl Reports {
    pub(super) fn new(cname: String, seed: u64, now: Instant) -> Reports {
        let mut reports = Reports {
            cname,
            next: now,
            dice: seed,
            last_report: None,
            told: (0, 0, 0),
            rtt: None,
            lost_by_peer: 0,
            lost_before: 0,
        };
        // the first one comes after half the time (§6.2)
        reports.next = now + reports.interval() / 2;
        reports
    }

    /// Takes what a compound packet of the peer says.
    pub(super) fn handle(&mut self, items: &[Item], own_ssrc: u32, incoming: &mut Incoming, now: Instant) {
        for item in items {
            match item {
                Item::Sender { ntp } => self.last_report = Some((middle(*ntp), now)),
                Item::Report(block) if block.ssrc == own_ssrc => self.take(block, now),
                Item::Report(_) => {}
                Item::Bye { ssrc } => incoming.forget(*ssrc),
            }
        }
    }

    /// The report that is due, in the clear.
    pub(super) fn write(
        &mut self,
        outgoing: &mut Outgoing,
        reception: &Reception,
        clock_rate: u32,
        bye: bool,
        now: Instant,
    ) -> Vec<u8> {
        self.next = now + self.interval();
        let sender = outgoing.sender_info(ntp(now), now);
        let block = self.block(reception, clock_rate, now);
        rtcp::write(outgoing.ssrc, sender.as_ref(), block.as_ref(), &self.cname, bye)
    }

    /// Our stream begins anew under another source.
    pub(super) fn restart(&mut self) {
        self.lost_before = self.lost_by_peer;
    }

    /// RFC 3550 §6.4.1: the round trip is what has passed since our report, less what the peer kept it.
    fn take(&mut self, block: &ReportBlock, now: Instant) {
        self.lost_by_peer = self.lost_before + u64::try_from(block.lost).unwrap_or(0);
        if block.last_report == 0 {
            return;
        }
        let ticks = middle(ntp(now)).wrapping_sub(block.last_report).wrapping_sub(block.delay).cast_signed();
        let micros = u64::try_from(i64::from(ticks.max(0)) * 1_000_000 / 65_536).unwrap_or(0);
        let rtt = Duration::from_micros(micros);
        if rtt <= MAX_RTT {
            self.rtt = Some(rtt);
        }
    }

    fn block(&mut self, reception: &Reception, clock_rate: u32, now: Instant) -> Option<ReportBlock> {
        let present = reception.present()?;
        let (ssrc, expected, received) = self.told;
        let (expected, received) = if ssrc == present.ssrc { (expected, received) } else { (0, 0) };
        self.told = (present.ssrc, present.expected, present.received);
        let expected = present.expected.saturating_sub(expected);
        let lost = expected.saturating_sub(present.received.saturating_sub(received));
        let lost_in_all = present.expected.cast_signed() - present.received.cast_signed();
        let (last_report, delay) = self.last_report.map_or((0, 0), |(report, came)| {
            let delay = now.since(came).as_micros() * 65_536 / 1_000_000;
            (report, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        Some(ReportBlock {
            ssrc: present.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            lost: i32::try_from(lost_in_all).unwrap_or(i32::MAX),
            highest_sequence: present.highest_sequence as u32,
            jitter: (reception.jitter_us() * u64::from(clock_rate) / 1_000_000) as u32,
            last_report,
            delay,
        })
    }

    fn interval(&mut self) -> Duration {
        // an even spread is all that is wanted of it (Knuth's multiplier)
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let permille = 500 + (self.dice >> 33) % 1000;
        INTERVAL * u32::try_from(permille).unwrap_or(1000) / 1000
    }
}

/// Our clock knows no date, and need not (RFC 3550 §6.4.1): time since the start will do.
fn ntp(now: Instant) -> u64 {
    let micros = now.as_micros();
    let fraction = (u128::from(micros % 1_000_000) << 32) / 1_000_000;
    (NTP_ORIGIN + micros / 1_000_000) << 32 | fraction as u64
}

fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}
