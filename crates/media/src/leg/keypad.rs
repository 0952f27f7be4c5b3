use std::collections::VecDeque;

use timing::{Duration, Instant};

use super::telephone_event::TelephoneEvents;
use crate::codec::Content;
use crate::leg::Frame;

/// Packets of an event follow each other as those of speech do.
const STEP: Duration = Duration::from_millis(20);
/// For how long a key is down of which nothing else is said, where receivers ask for 40 to 65 ms and slow ones
/// for 100.
const HELD: Duration = Duration::from_millis(120);
/// The shortest that every receiver notices, and the longest that fits into one event at 48 kHz (§2.5.1.3).
const HELD_STEPS: std::ops::RangeInclusive<u16> = 3..=68;
/// The last packet goes out three times (RFC 4733 §2.5.1.4).
const ENDS: u16 = 3;
/// From the last packet of one key to the first of the next; receivers ask for 40 ms between tones.
const PAUSE: Duration = Duration::from_millis(60);
/// Keys that wait for their turn; what is typed ahead of that is lost.
const MOST_WAITING: usize = 32;
/// RFC 4733 §2.5.2.3: -10 dBm0, what telephones send.
const VOLUME: u8 = 10;
const END: u8 = 0x80;
/// No codec of ours sends as much in one packet; more would not fit into one datagram with its overhead.
const MAX_PAYLOAD: usize = 1300;

/// Makes fresh trains of telephone events from what another leg received, whatever shape that was in.
#[derive(Debug, Default)]
pub(crate) struct Keypad {
    presses: TelephoneEvents,
    waiting: VecDeque<Key>,
    train: Option<Train>,
    /// When the next packet, or the next train, may go.
    next: Instant,
}

#[derive(Debug)]
struct Train {
    key: Key,
    step: u16,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    event: u8,
    steps: u16,
}

/// One packet of a train.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tone {
    pub(crate) payload: [u8; 4],
    /// A new event begins here: with the marker bit, at a timestamp of its own.
    pub(crate) first: bool,
}

impl Tone {
    /// The key, while it is down.
    pub(crate) fn key(&self) -> Option<u8> {
        (self.payload[1] & END == 0).then_some(self.payload[0])
    }
}

/// What becomes of a frame of another leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is of a key, which is pressed here anew.
    Pressed,
    /// It is left out.
    Skipped,
    /// It is sent.
    Sent,
}

impl Keypad {
    /// Sorts the frames of another leg: those of keys it takes, and speech waits while a key is down.
    pub(crate) fn sort(&mut self, frame: &Frame, now: Instant) -> Fate {
        if matches!(frame.content, Content::Events(_)) {
            self.take(frame, now);
            return Fate::Pressed;
        }
        let fits = (1..=MAX_PAYLOAD).contains(&frame.payload.len());
        if self.is_down() || !fits { Fate::Skipped } else { Fate::Sent }
    }

    /// Takes a packet of another leg's telephone events.
    pub(crate) fn take(&mut self, frame: &Frame, now: Instant) {
        let key = self.presses.handle_payload(frame.ssrc, frame.timestamp, &frame.payload, now);
        if let (Some(event), Some(_)) = (frame.payload.first(), key) {
            self.press(*event, HELD);
        }
    }

    /// Presses a key, by its event code (RFC 4733 §3.2), after those that wait.
    pub(crate) fn press(&mut self, event: u8, held: Duration) {
        let steps = u16::try_from(held.as_millis() / STEP.as_millis()).unwrap_or(u16::MAX);
        let steps = steps.clamp(*HELD_STEPS.start(), *HELD_STEPS.end());
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(Key { event, steps });
        }
    }

    /// Forgets what waits and what is under way.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.train = None;
    }

    /// Whether a key is down, so that speech has to wait.
    pub(crate) fn is_down(&self) -> bool {
        self.train.is_some()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        (self.train.is_some() || !self.waiting.is_empty()).then_some(self.next)
    }

    /// The packet that is due, for events on a clock of `clock_rate` ticks a second.
    pub(crate) fn poll(&mut self, clock_rate: u32, now: Instant) -> Option<Tone> {
        if now < self.next {
            return None;
        }
        let train = match &mut self.train {
            Some(train) => train,
            None => self.train.insert(Train { key: self.waiting.pop_front()?, step: 0 }),
        };
        train.step += 1;
        let ticks = u32::from(train.step.min(train.key.steps)) * (clock_rate / 50);
        let [high, low] = u16::try_from(ticks).unwrap_or(u16::MAX).to_be_bytes();
        let ends = train.step >= train.key.steps;
        let tone = Tone {
            payload: [train.key.event, VOLUME | if ends { END } else { 0 }, high, low],
            first: train.step == 1,
        };
        if train.step == train.key.steps + ENDS - 1 {
            self.train = None;
            self.next = now + PAUSE;
        } else {
            self.next = now + STEP;
        }
        Some(tone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Content;

    fn press(keypad: &mut Keypad, event: u8, timestamp: u32) {
        let frame = Frame {
            content: Content::Events(48_000),
            payload: vec![event, END, 0, 1].into(),
            ssrc: 1,
            sequence: 1,
            timestamp,
            marker: true,
            audio_level: None,
        };
        // as if each was pressed when its timestamp says
        keypad.take(&frame, Instant::from_micros(u64::from(timestamp) * 125));
    }

    fn run(keypad: &mut Keypad) -> Vec<(u64, Tone)> {
        let mut sent = Vec::new();
        while let Some(at) = keypad.poll_timeout() {
            sent.extend(keypad.poll(8000, at).map(|tone| (at.as_micros() / 1000, tone)));
        }
        sent
    }

    #[test]
    fn a_degenerate_press_becomes_a_whole_train() {
        let mut keypad = Keypad::default();
        press(&mut keypad, 5, 7);
        press(&mut keypad, 5, 7);
        let train = run(&mut keypad);
        let expected = [(160, 0), (320, 0), (480, 0), (640, 0), (800, 0), (960, END), (960, END), (960, END)];
        let read =
            |tone: &Tone| (u16::from_be_bytes([tone.payload[2], tone.payload[3]]), tone.payload[1] & END);
        assert_eq!(train.iter().map(|(_, tone)| read(tone)).collect::<Vec<_>>(), expected);
        assert_eq!(train.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 20, 40, 60, 80, 100, 120, 140]);
        assert!(train.iter().enumerate().all(|(index, (_, tone))| tone.first == (index == 0)));
        assert!(train.iter().all(|(_, tone)| tone.payload[0] == 5));
    }

    #[test]
    fn a_key_is_held_as_long_as_is_asked_within_reason() {
        for (ms, steps) in [(0, 3), (100, 5), (250, 12), (60_000, 68)] {
            let mut keypad = Keypad::default();
            keypad.press(11, Duration::from_millis(ms));
            let train = run(&mut keypad);
            let longest =
                train.iter().map(|(_, tone)| u16::from_be_bytes([tone.payload[2], tone.payload[3]]));
            assert_eq!((train.len(), longest.max()), (steps + 2, Some(steps as u16 * 160)), "{ms}");
        }
    }

    #[test]
    fn keys_wait_for_each_other_and_too_many_are_lost() {
        let mut keypad = Keypad::default();
        for key in 0..40 {
            press(&mut keypad, key % 10, u32::from(key) * 10_000);
        }
        let train = run(&mut keypad);
        assert_eq!(train.len(), MOST_WAITING * 8);
        assert_eq!((train[8].0, train[8].1.payload[0], train[8].1.first), (200, 1, true));
        press(&mut keypad, 1, 900_000);
        keypad.clear();
        assert_eq!(keypad.poll_timeout(), None);
    }
}
