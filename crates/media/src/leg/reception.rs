use timing::Instant;

/// Counts what comes in from one source at a time (RFC 3550 §6.4.1, A.3, A.8).
#[derive(Debug, Default)]
pub(super) struct Reception {
    source: Option<Source>,
    packets: u64,
    bytes: u64,
    /// Of the sources before the present one.
    lost_before: u64,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    first_sequence: u64,
    highest_sequence: u64,
    received: u64,
    /// Of the last packet: arrival minus timestamp, in microseconds.
    transit_us: Option<i64>,
    /// Smoothed, in sixteenths of a microsecond.
    jitter: u64,
}

/// What a report says of the present source (RFC 3550 A.3).
pub(super) struct Present {
    pub(super) ssrc: u32,
    pub(super) highest_sequence: u64,
    pub(super) expected: u64,
    pub(super) received: u64,
}

/// One packet as it came.
pub(super) struct Arrival {
    pub(super) ssrc: u32,
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) clock_rate: u32,
    pub(super) bytes: usize,
}

impl Reception {
    /// `clocked` is false for packets that do not tell of the source's clock, such as telephone events.
    pub(super) fn count(&mut self, arrival: &Arrival, clocked: bool, now: Instant) {
        self.packets += 1;
        self.bytes += arrival.bytes as u64;
        if self.source.as_ref().is_none_or(|source| source.ssrc != arrival.ssrc) {
            self.lost_before = self.lost();
            self.source = Some(Source {
                ssrc: arrival.ssrc,
                first_sequence: arrival.sequence,
                highest_sequence: arrival.sequence,
                received: 0,
                transit_us: None,
                jitter: 0,
            });
        }
        let Some(source) = &mut self.source else { return };
        source.received += 1;
        source.first_sequence = source.first_sequence.min(arrival.sequence);
        source.highest_sequence = source.highest_sequence.max(arrival.sequence);
        if clocked {
            source.time(arrival, now);
        }
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn lost(&self) -> u64 {
        let of_source = self.source.as_ref().map_or(0, |source| {
            (source.highest_sequence - source.first_sequence + 1).saturating_sub(source.received)
        });
        self.lost_before + of_source
    }

    pub(super) fn present(&self) -> Option<Present> {
        self.source.as_ref().map(|source| Present {
            ssrc: source.ssrc,
            highest_sequence: source.highest_sequence,
            expected: source.highest_sequence - source.first_sequence + 1,
            received: source.received,
        })
    }

    pub(super) fn jitter_us(&self) -> u64 {
        self.source.as_ref().map_or(0, |source| source.jitter / 16)
    }
}

impl Source {
    fn time(&mut self, arrival: &Arrival, now: Instant) {
        let sent_us = i64::from(arrival.timestamp) * 1_000_000 / i64::from(arrival.clock_rate.max(1));
        let transit_us = now.as_micros().cast_signed() - sent_us;
        if let Some(before) = self.transit_us.replace(transit_us) {
            let difference = transit_us.abs_diff(before);
            // a clock that wrapped or restarted is no jitter
            if difference < 10_000_000 {
                self.jitter = self.jitter + difference - (self.jitter + 8) / 16;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(ssrc: u32, sequence: u64, timestamp: u32) -> Arrival {
        Arrival { ssrc, sequence, timestamp, clock_rate: 8000, bytes: 160 }
    }

    #[test]
    fn what_is_missing_is_lost_until_it_comes_late() {
        let mut reception = Reception::default();
        for (sequence, ms) in [(10, 0), (11, 20), (14, 80)] {
            reception.count(
                &arrival(1, sequence, sequence as u32 * 160),
                true,
                Instant::from_micros(ms * 1000),
            );
        }
        assert_eq!((reception.packets(), reception.lost()), (3, 2));
        reception.count(&arrival(1, 12, 12 * 160), true, Instant::from_micros(81_000));
        assert_eq!((reception.packets(), reception.bytes(), reception.lost()), (4, 640, 1));
        reception.count(&arrival(2, 900, 0), true, Instant::from_micros(100_000));
        assert_eq!(reception.lost(), 1, "another source starts its own count");
    }

    #[test]
    fn a_steady_stream_has_no_jitter_and_an_uneven_one_has() {
        let mut reception = Reception::default();
        for step in 0..200_u64 {
            reception.count(&arrival(1, step, step as u32 * 160), true, Instant::from_micros(step * 20_000));
        }
        assert_eq!(reception.jitter_us(), 0);
        for step in 200..400_u64 {
            let late = if step % 2 == 0 { 8_000 } else { 0 };
            reception.count(
                &arrival(1, step, step as u32 * 160),
                true,
                Instant::from_micros(step * 20_000 + late),
            );
        }
        assert!((7_000..=8_100).contains(&reception.jitter_us()), "{}", reception.jitter_us());
    }
}
