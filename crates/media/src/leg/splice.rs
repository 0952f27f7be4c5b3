use timing::{Duration, Instant};

/// What the gap between two runs is stretched to at least: one packet of speech.
const PACKET: Duration = Duration::from_millis(20);
/// A jump by more than this is not loss but a new run (RFC 3550 A.1, MAX_DROPOUT).
const MAX_DROPOUT: u64 = 3000;
/// A source whose clock and packets part by more than this has restarted its timestamps.
const MAX_DRIFT: Duration = Duration::from_secs(5);

/// Makes one unbroken outgoing stream of what several sources send in turns (RFC 3550 §7.1).
///
/// Sequence numbers go on by one over each seam and timestamps by the time that passed, so that a receiver
/// sees one speaker who paused. The first number is below 32 768: a receiver of SRTP starts with rollover
/// counter zero and must see the first wrap (RFC 3711 §3.3.1).
#[derive(Debug)]
pub(super) struct Splice {
    next_sequence: u64,
    last_timestamp: u32,
    last_sent: Option<Instant>,
    run: Option<Run>,
}

/// A stretch of packets from one source.
#[derive(Debug)]
struct Run {
    source: Source,
    /// What to add to the source's numbers, wrapping.
    sequence_offset: u64,
    timestamp_offset: u32,
    /// Nothing before this belongs to the run.
    first_sequence: u64,
    highest_sequence: u64,
    highest_timestamp: u32,
    heard: Instant,
}

/// Who sent a packet; another source begins another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) ssrc: u32,
    pub(super) clock_rate: u32,
}

/// Where a packet comes to stand in the outgoing stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    /// The first of its run, to be sent with the marker bit (RFC 3551 §4.1).
    pub(super) first: bool,
}

impl Splice {
    pub(super) fn new(first_sequence: u16, first_timestamp: u32) -> Self {
        Splice {
            next_sequence: u64::from(first_sequence & 0x7fff),
            last_timestamp: first_timestamp,
            last_sent: None,
            run: None,
        }
    }

    /// Ends the run: whatever comes next begins another.
    pub(super) fn interrupt(&mut self) {
        self.run = None;
    }

    /// The place of a packet with these numbers of its source; `None` for one from before the run began.
    pub(super) fn place(
        &mut self,
        source: Source,
        sequence: u64,
        timestamp: u32,
        now: Instant,
    ) -> Option<Place> {
        let first = !self.run.as_ref().is_some_and(|run| run.continues(source, sequence, timestamp, now));
        if first {
            self.begin(source, sequence, timestamp, now);
        }
        let run = self.run.as_mut()?;
        if sequence < run.first_sequence {
            return None;
        }
        let place = Place {
            sequence: sequence.wrapping_add(run.sequence_offset),
            timestamp: timestamp.wrapping_add(run.timestamp_offset),
            first,
        };
        if sequence >= run.highest_sequence {
            run.highest_sequence = sequence;
            run.highest_timestamp = timestamp;
            run.heard = now;
            self.next_sequence = place.sequence + 1;
            self.last_timestamp = place.timestamp;
            self.last_sent = Some(now);
        }
        Some(place)
    }

    /// Leaves out a packet that shall not be sent on, so that no receiver misses it.
    ///
    /// What its source sent before it and comes only now is left out as well: no number is given twice.
    pub(super) fn skip(&mut self, source: Source, sequence: u64) {
        let Some(run) = self.run.as_mut().filter(|run| run.source.ssrc == source.ssrc) else { return };
        if sequence > run.highest_sequence && sequence - run.highest_sequence <= MAX_DROPOUT {
            run.highest_sequence = sequence;
            run.first_sequence = sequence + 1;
            run.sequence_offset = run.sequence_offset.wrapping_sub(1);
        }
    }

    /// Ends the run for an event of our own; the timestamp that all its packets bear (RFC 4733 §2.5.1.2).
    pub(super) fn begin_event(&mut self, clock_rate: u32, now: Instant) -> u32 {
        self.last_timestamp = self.next_timestamp(clock_rate, now);
        self.last_sent = Some(now);
        self.run = None;
        self.last_timestamp
    }

    /// The timestamp of the event that was begun last, while nothing else was sent.
    pub(super) fn event_timestamp(&self) -> u32 {
        self.last_timestamp
    }

    /// The number of the next packet of our own event.
    pub(super) fn event_sequence(&mut self) -> u64 {
        self.run = None;
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    fn next_timestamp(&self, clock_rate: u32, now: Instant) -> u32 {
        let gap = self.last_sent.map_or(Duration::ZERO, |last| now.since(last).max(PACKET));
        self.last_timestamp.wrapping_add(ticks(gap, clock_rate))
    }

    fn begin(&mut self, source: Source, sequence: u64, timestamp: u32, now: Instant) {
        let start = self.next_timestamp(source.clock_rate, now);
        self.run = Some(Run {
            source,
            sequence_offset: self.next_sequence.wrapping_sub(sequence),
            timestamp_offset: start.wrapping_sub(timestamp),
            first_sequence: sequence,
            highest_sequence: sequence,
            highest_timestamp: timestamp,
            heard: now,
        });
    }
}

impl Run {
    fn continues(&self, source: Source, sequence: u64, timestamp: u32, now: Instant) -> bool {
        if source != self.source || self.highest_sequence.abs_diff(sequence) > MAX_DROPOUT {
            return false;
        }
        let moved = i64::from(timestamp.wrapping_sub(self.highest_timestamp).cast_signed());
        let expected = i64::from(ticks(now.since(self.heard), source.clock_rate));
        moved.abs_diff(expected) <= u64::from(ticks(MAX_DRIFT, source.clock_rate))
    }
}

/// `span` on a clock of `rate` ticks a second, wrapping as RTP timestamps do.
fn ticks(span: Duration, rate: u32) -> u32 {
    (span.as_micros().wrapping_mul(u128::from(rate)) / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Source = Source { ssrc: 1, clock_rate: 8000 };
    const BRUNO: Source = Source { ssrc: 2, clock_rate: 8000 };

    fn at(milliseconds: u64) -> Instant {
        Instant::from_micros(milliseconds * 1000)
    }

    #[test]
    fn the_first_number_leaves_room_before_the_first_wrap() {
        let mut splice = Splice::new(u16::MAX, 5);
        let place = splice.place(ANNA, 9_999_999, 123, at(0)).expect("first");
        assert_eq!(place, Place { sequence: 32_767, timestamp: 5, first: true });
    }

    #[test]
    fn a_run_keeps_its_gaps_and_its_order() {
        let mut splice = Splice::new(100, 0);
        let mut places = Vec::new();
        for (sequence, timestamp, ms) in
            [(70_000, 0, 0), (70_001, 160, 20), (70_003, 480, 60), (70_002, 320, 61)]
        {
            let place = splice.place(ANNA, sequence, timestamp, at(ms)).expect("in the run");
            places.push((place.sequence, place.timestamp, place.first));
        }
        assert_eq!(places, [(100, 0, true), (101, 160, false), (103, 480, false), (102, 320, false)]);
        assert_eq!(splice.place(ANNA, 69_999, 0, at(62)), None, "from before the run");
    }

    #[test]
    fn another_source_goes_on_by_one_number_and_by_the_time_that_passed() {
        let mut splice = Splice::new(100, 0);
        splice.place(ANNA, 5, 1_000, at(0));
        let place = splice.place(BRUNO, 60_000, 77, at(1_000)).expect("a new run");
        assert_eq!(place, Place { sequence: 101, timestamp: 8_000, first: true });
        let place = splice.place(BRUNO, 60_001, 237, at(1_020)).expect("the same run");
        assert_eq!(place, Place { sequence: 102, timestamp: 8_160, first: false });
    }

    #[test]
    fn an_interruption_leaves_no_hole_in_the_numbers() {
        let mut splice = Splice::new(0, 0);
        splice.place(ANNA, 10, 0, at(0));
        splice.interrupt();
        let place = splice.place(ANNA, 510, 80_000, at(10_000)).expect("resumed");
        assert_eq!(place, Place { sequence: 1, timestamp: 80_000, first: true });
    }

    #[test]
    fn what_is_left_out_leaves_no_hole_and_no_number_is_given_twice() {
        let mut splice = Splice::new(0, 0);
        splice.place(ANNA, 10, 0, at(0));
        splice.skip(ANNA, 12);
        splice.skip(ANNA, 13);
        assert_eq!(splice.place(ANNA, 11, 160, at(60)), None, "late, and its number may be taken");
        let place = splice.place(ANNA, 14, 640, at(80)).expect("the same run");
        // 11 may yet have been lost on its way to us, so that one number stays free
        assert_eq!(place, Place { sequence: 2, timestamp: 640, first: false });
        splice.skip(BRUNO, 15);
        splice.skip(ANNA, 3);
        let place = splice.place(ANNA, 15, 800, at(100)).expect("the same run");
        assert_eq!(place.sequence, 3);
    }

    #[test]
    fn jumps_of_number_or_clock_begin_a_new_run() {
        let mut splice = Splice::new(0, 0);
        splice.place(ANNA, 10, 0, at(0));
        let place = splice.place(ANNA, 10_000, 160, at(20)).expect("resynchronised");
        assert_eq!(place, Place { sequence: 1, timestamp: 160, first: true });
        let place = splice.place(ANNA, 10_001, 3_000_000_000, at(40)).expect("resynchronised");
        assert_eq!(place, Place { sequence: 2, timestamp: 320, first: true });
    }

    #[test]
    fn a_timestamp_that_wraps_is_no_jump() {
        let mut splice = Splice::new(0, 0);
        splice.place(ANNA, 1, u32::MAX - 59, at(0));
        let place = splice.place(ANNA, 2, 100, at(20)).expect("the same run");
        assert_eq!(place, Place { sequence: 1, timestamp: 160, first: false });
    }

    #[test]
    fn an_event_takes_numbers_of_the_stream_and_speech_goes_on_after_it() {
        let mut splice = Splice::new(0, 0);
        splice.place(ANNA, 10, 0, at(0));
        assert_eq!(splice.begin_event(8000, at(20)), 160);
        for sequence in 1..=8 {
            assert_eq!(splice.event_sequence(), sequence);
        }
        let place = splice.place(ANNA, 19, 1440, at(180)).expect("after the event");
        assert_eq!(place, Place { sequence: 9, timestamp: 160 + 160 * 8, first: true });
    }
}
