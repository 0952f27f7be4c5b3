use std::collections::VecDeque;

use timing::{Duration, Instant};

/// How many past events a late repetition is compared with.
const REMEMBERED: usize = 8;
/// The shortest press that networks must tell from the next one (ITU-T Q.24).
const SHORTEST: Duration = Duration::from_millis(40);

/// Turns received telephone events into key presses, each once (RFC 4733 §2.5).
///
/// A press is told at its first packet, whichever that is: some senders transmit ends only. A press longer
/// than the duration field can hold comes in segments and is still one press (§2.5.1.3).
#[derive(Debug, Default)]
pub(super) struct TelephoneEvents {
    recent: VecDeque<Press>,
    /// When a press was last told.
    told: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    event: u8,
    duration: u16,
    ended: bool,
}

impl TelephoneEvents {
    /// Takes the payload of one packet; the key, if this is the first that tells of its press.
    ///
    /// A press that comes sooner after another than anybody can press waits for its next packet.
    pub(super) fn handle_payload(
        &mut self,
        ssrc: u32,
        timestamp: u32,
        payload: &[u8],
        now: Instant,
    ) -> Option<char> {
        let [event, flags, high, low] = *payload.first_chunk::<4>()?;
        let key = key(event)?;
        let press = Press {
            ssrc,
            timestamp,
            event,
            duration: u16::from_be_bytes([high, low]),
            ended: flags & 0x80 != 0,
        };
        if let Some(known) = self.recent.iter_mut().find(|known| known.is_same_segment(&press)) {
            known.duration = known.duration.max(press.duration);
            known.ended |= press.ended;
            return None;
        }
        let continues = self.recent.back().is_some_and(|last| last.is_continued_by(&press));
        if !continues {
            if self.told.is_some_and(|told| now.since(told) < SHORTEST) {
                return None;
            }
            self.told = Some(now);
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(press);
        (!continues).then_some(key)
    }
}

impl Press {
    fn is_same_segment(&self, other: &Press) -> bool {
        (self.ssrc, self.timestamp, self.event) == (other.ssrc, other.timestamp, other.event)
    }

    fn is_continued_by(&self, next: &Press) -> bool {
        let follows = next.timestamp == self.timestamp.wrapping_add(u32::from(self.duration));
        self.ssrc == next.ssrc && self.event == next.event && !self.ended && self.duration > 0 && follows
    }
}

/// RFC 4733 §3.2, table 3. Flash hooks, tones and the like are not keys.
fn key(event: u8) -> Option<char> {
    match event {
        0..=9 => Some(char::from(b'0' + event)),
        10 => Some('*'),
        11 => Some('#'),
        12..=15 => Some(char::from(b'A' + event - 12)),
        _ => None,
    }
}

/// The event code of a key (RFC 4733 §3.2); nothing for what is no key.
pub(crate) fn event(key: char) -> Option<u8> {
    (0..=15).find(|event| self::key(*event) == Some(key.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second after the one before, so that no press is too soon.
    fn clock() -> impl FnMut() -> Instant {
        let mut seconds = 0;
        move || {
            seconds += 1;
            Instant::ORIGIN + Duration::from_secs(seconds)
        }
    }

    fn packet(event: u8, end: bool, duration: u16) -> [u8; 4] {
        let [high, low] = duration.to_be_bytes();
        [event, if end { 0x8a } else { 0x0a }, high, low]
    }

    #[test]
    fn a_train_of_updates_and_three_ends_is_one_key() {
        let mut events = TelephoneEvents::default();
        let mut now = clock();
        let mut keys = Vec::new();
        for step in 1..=5 {
            keys.extend(events.handle_payload(1, 1000, &packet(5, false, step * 960), now()));
        }
        for _ in 0..3 {
            keys.extend(events.handle_payload(1, 1000, &packet(5, true, 5760), now()));
        }
        keys.extend(events.handle_payload(1, 20_000, &packet(5, false, 960), now()));
        assert_eq!(keys, ['5', '5']);
    }

    #[test]
    fn ends_alone_are_a_key_and_a_lost_end_does_no_harm() {
        let mut events = TelephoneEvents::default();
        let mut now = clock();
        let mut keys = Vec::new();
        for _ in 0..3 {
            keys.extend(events.handle_payload(1, 7, &packet(11, true, 960), now()));
        }
        keys.extend(events.handle_payload(1, 9_000, &packet(1, false, 960), now()));
        keys.extend(events.handle_payload(1, 18_000, &packet(2, false, 960), now()));
        keys.extend(events.handle_payload(1, 9_000, &packet(1, true, 1920), now()));
        assert_eq!(keys, ['#', '1', '2']);
    }

    #[test]
    fn a_press_of_a_minute_in_segments_is_one_key() {
        let mut events = TelephoneEvents::default();
        let mut now = clock();
        let mut keys = Vec::new();
        let mut timestamp = 500_u32;
        for _ in 0..44 {
            keys.extend(events.handle_payload(1, timestamp, &packet(0, false, 32_000), now()));
            keys.extend(events.handle_payload(1, timestamp, &packet(0, false, 0xffff), now()));
            timestamp += 0xffff;
        }
        keys.extend(events.handle_payload(1, timestamp, &packet(0, true, 960), now()));
        assert_eq!(keys, ['0']);
    }

    #[test]
    fn what_is_no_key_is_ignored() {
        let mut events = TelephoneEvents::default();
        let mut now = clock();
        assert_eq!(events.handle_payload(1, 1, &packet(255, true, 1), now()), None);
        assert_eq!(events.handle_payload(1, 1, &packet(16, true, 1), now()), None);
        assert_eq!(events.handle_payload(1, 1, &[5, 0, 0], now()), None);
        assert_eq!(events.handle_payload(1, 1, &[], now()), None);
        assert_eq!(events.handle_payload(1, 2, &packet(15, true, 1), now()), Some('D'));
        assert_eq!(events.handle_payload(2, 2, &packet(15, true, 1), now()), Some('D'), "another source");
    }

    #[test]
    fn nobody_presses_more_than_one_key_in_forty_milliseconds() {
        let mut events = TelephoneEvents::default();
        let mut told = 0;
        for millisecond in 0..1000_u32 {
            let now = Instant::from_micros(u64::from(millisecond) * 1000);
            let press = events.handle_payload(1, millisecond * 8, &packet(5, true, 8), now);
            told += u32::from(press.is_some());
        }
        assert_eq!(told, 25);
    }

    #[test]
    fn a_press_that_was_too_soon_is_told_with_its_next_packet() {
        let mut events = TelephoneEvents::default();
        let at = |millisecond: u64| Instant::from_micros(millisecond * 1000);
        assert_eq!(events.handle_payload(1, 0, &packet(1, true, 800), at(0)), Some('1'));
        assert_eq!(events.handle_payload(1, 4000, &packet(2, false, 160), at(20)), None);
        assert_eq!(events.handle_payload(1, 4000, &packet(2, false, 320), at(40)), Some('2'));
        assert_eq!(events.handle_payload(1, 4000, &packet(2, true, 480), at(60)), None);
    }
}
