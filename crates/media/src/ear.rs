//! Hears one party where its sound has to be decoded: puts its packets in order, bridges what is missing, and
//! hands the sound out in steps of 20 ms.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codec::{Codec, Decoder, NoCoder};

/// How many steps are kept back at first and at least; two are needed by any stream that is not in step with us.
const LEAST: usize = 2;
/// More than 200 ms of delay is worse than the loss that it saves.
const MOST: usize = 10;
/// Packets that may wait; what is more is a burst that nobody could listen to.
const MOST_WAITING: usize = 50;
/// So many steps without sound are no late packet but a pause.
const PAUSE: usize = 5;
/// A gap of more packets than this is not bridged.
const LONGEST_GAP: u64 = 10;
/// A jump by more than this is a new stream (RFC 3550 A.1).
const MAX_DROPOUT: u64 = 3000;
/// Steps after which a delay that was not needed is given up: two seconds.
const SURVEY: usize = 100;
/// Steps after which a stream without a late packet is trusted a little more: ten seconds.
const CALM: usize = 500;

/// One party's jitter buffer and decoder.
pub(crate) struct Ear {
    codec: Codec,
    rate: u32,
    decoder: Decoder,
    /// By sequence number; nothing for a packet that bore no sound.
    waiting: BTreeMap<u64, Option<Arc<[u8]>>>,
    source: Option<u32>,
    /// The number that comes next. None before the stream has begun to be heard.
    next: Option<u64>,
    decoded: Vec<i16>,
    step: usize,
    /// How many steps are kept back.
    target: usize,
    /// Steps since something was missing in time.
    starved: usize,
    calm: usize,
    /// The least that was in stock within the present survey, in samples, and how long that has lasted.
    least: usize,
    surveyed: usize,
}

impl Ear {
    /// For sound of this codec, to be handed out at `rate` Hz.
    pub(crate) fn new(codec: Codec, rate: u32) -> Result<Ear, NoCoder> {
        Ok(Ear {
            codec,
            rate,
            decoder: Decoder::new(codec, rate)?,
            waiting: BTreeMap::new(),
            source: None,
            next: None,
            decoded: Vec::new(),
            step: rate as usize / 50,
            target: LEAST,
            starved: 0,
            calm: 0,
            least: usize::MAX,
            surveyed: 0,
        })
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Hands sound out at another rate from now on; what waits goes on waiting.
    pub(crate) fn set_rate(&mut self, rate: u32) -> Result<(), NoCoder> {
        if rate != self.rate {
            self.decoder.set_rate(rate)?;
            (self.rate, self.step) = (rate, rate as usize / 50);
            self.decoded.clear();
            self.survey_again();
        }
        Ok(())
    }

    /// At how many Hz it hands sound out.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Takes a packet as it came; `payload` is none for one that bears no sound and yet has a number.
    pub(crate) fn put(&mut self, ssrc: u32, sequence: u64, payload: Option<&Arc<[u8]>>) {
        let newest = self.waiting.keys().next_back().copied().or(self.next);
        let jumps = newest.is_some_and(|newest| newest.abs_diff(sequence) > MAX_DROPOUT);
        if self.source != Some(ssrc) || jumps {
            self.source = Some(ssrc);
            self.forget();
        }
        if self.next.is_some_and(|next| sequence < next) {
            return self.grow();
        }
        if self.next.is_some() && self.starved > 0 && payload.is_some() {
            self.grow();
        }
        self.waiting.insert(sequence, payload.cloned());
        while self.waiting.len() > MOST_WAITING {
            self.waiting.pop_first();
            self.next = self.waiting.keys().next().copied().filter(|_| self.next.is_some());
        }
    }

    /// What was there is of no use any more; what comes next begins anew.
    pub(crate) fn forget(&mut self) {
        self.waiting.clear();
        self.decoded.clear();
        self.next = None;
        self.starved = 0;
    }

    /// Appends the next 20 ms to `output`; nothing, while the party says nothing.
    pub(crate) fn pull(&mut self, output: &mut Vec<i16>) -> bool {
        if self.next.is_none() && !self.begin() {
            return false;
        }
        while self.decoded.len() < self.step && self.decode_next() {}
        if self.decoded.len() < self.step && !self.starve() {
            return false;
        }
        self.squeeze();
        output.extend(self.decoded.drain(..self.step));
        true
    }

    /// Whether enough is there to begin.
    fn begin(&mut self) -> bool {
        let sound = self.waiting.values().flatten().count() * self.decoder.packet();
        if sound < self.target * self.step {
            return false;
        }
        self.next = self.waiting.keys().next().copied();
        self.starved = 0;
        self.survey_again();
        true
    }

    /// Decodes or bridges one packet; `false` when there is none to go on with.
    fn decode_next(&mut self) -> bool {
        let (Some(next), Some(first)) = (self.next, self.waiting.keys().next().copied()) else {
            return false;
        };
        self.starved = 0;
        if first > next + LONGEST_GAP {
            self.next = Some(first);
            return true;
        }
        self.next = Some(next + 1);
        if first > next {
            match self.waiting.get(&(next + 1)) {
                Some(Some(payload)) => self.decoder.repair(payload, &mut self.decoded),
                // what lies between two keys is a key
                Some(None) => {}
                None => self.decoder.conceal(self.decoder.packet(), &mut self.decoded),
            }
            return true;
        }
        if let Some((_, Some(payload))) = self.waiting.pop_first() {
            self.decoder.decode(&payload, &mut self.decoded);
        }
        true
    }

    /// Goes on without a packet, for a while.
    fn starve(&mut self) -> bool {
        self.starved += 1;
        if self.starved > PAUSE {
            self.next = None;
            self.starved = 0;
            self.decoded.clear();
            return false;
        }
        self.decoder.conceal(self.step - self.decoded.len(), &mut self.decoded);
        true
    }

    /// Something came too late.
    fn grow(&mut self) {
        if self.calm > 0 {
            self.target = (self.target + 1).min(MOST);
        }
        // one late burst is one lesson
        self.calm = 0;
        self.survey_again();
    }

    /// Leaves out a step when for two seconds there was more in stock than is needed: the sender's clock is
    /// faster than ours, or a burst has passed.
    fn squeeze(&mut self) {
        self.calm += 1;
        if self.calm >= CALM {
            self.calm = 1;
            self.target = (self.target - 1).max(LEAST);
        }
        let packets = self.waiting.values().flatten().count();
        let stock = self.decoded.len() - self.step + packets * self.decoder.packet();
        self.least = self.least.min(stock);
        self.surveyed += 1;
        if self.surveyed < SURVEY {
            return;
        }
        let spare = self.least >= self.target * self.step;
        self.survey_again();
        while spare && self.decoded.len() < 2 * self.step {
            if !self.decode_next() {
                return;
            }
        }
        if spare {
            self.fold();
        }
    }

    /// Makes one step of the next two, one fading into the other.
    fn fold(&mut self) {
        let step = self.step;
        for index in 0..step {
            let (one, other) = (i64::from(self.decoded[index]), i64::from(self.decoded[index + step]));
            let (index, length) = (index as i64, step as i64);
            self.decoded[index as usize] = ((one * (length - index) + other * index) / length) as i16;
        }
        self.decoded.drain(step..2 * step);
    }

    fn survey_again(&mut self) {
        (self.least, self.surveyed) = (usize::MAX, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;
    use crate::codec::probe::{level_of, purity, tone};

    const PITCH: f64 = 400.0;

    fn packets(count: usize) -> Vec<Arc<[u8]>> {
        let mut encoder = Encoder::new(Codec::Pcmu, 8000).expect("an encoder");
        let encode = |step: &[i16]| {
            let mut payload = Vec::new();
            encoder.encode(step, &mut payload);
            payload.into()
        };
        tone(PITCH, 8_000.0, 8000, count * 160).chunks(160).map(encode).collect()
    }

    /// Puts each packet at its step (several at one, or none) and pulls once a step.
    fn hear(arrivals: &[&[u64]]) -> (Ear, Vec<Option<Vec<i16>>>) {
        let most =
            arrivals.iter().flat_map(|numbers| numbers.iter()).max().map_or(0, |most| *most as usize + 1);
        let packets = packets(most);
        let mut ear = Ear::new(Codec::Pcmu, 8000).expect("an ear");
        let heard = arrivals.iter().map(|numbers| {
            for number in *numbers {
                ear.put(1, 1000 + number, Some(&packets[*number as usize]));
            }
            let mut step = Vec::new();
            ear.pull(&mut step).then_some(step)
        });
        let heard = heard.collect();
        (ear, heard)
    }

    fn sound(heard: &[Option<Vec<i16>>]) -> Vec<i16> {
        heard.iter().flatten().flatten().copied().collect()
    }

    #[test]
    fn a_steady_stream_comes_out_whole_two_steps_late_at_most() {
        let arrivals: Vec<Vec<u64>> = (0..50).map(|number| vec![number]).collect();
        let arrivals: Vec<&[u64]> = arrivals.iter().map(Vec::as_slice).collect();
        let (_, heard) = hear(&arrivals);
        assert_eq!(heard.iter().take_while(|step| step.is_none()).count(), 1);
        assert!(heard[1..].iter().all(|step| step.as_ref().is_some_and(|step| step.len() == 160)));
        assert!(purity(&sound(&heard), PITCH, 8000) > 30.0);
    }

    #[test]
    fn packets_out_of_order_are_put_in_order_and_doubles_change_nothing() {
        let arrivals: [&[u64]; 12] =
            [&[0], &[2, 1], &[1], &[4, 3, 3], &[], &[5], &[6, 0], &[7], &[9, 8], &[], &[10], &[11]];
        let (_, heard) = hear(&arrivals);
        assert!(purity(&sound(&heard), PITCH, 8000) > 30.0);
    }

    #[test]
    fn a_lost_packet_is_hardly_heard() {
        let arrivals: Vec<Vec<u64>> =
            (0..50).map(|number| if number % 10 == 7 { vec![] } else { vec![number] }).collect();
        let arrivals: Vec<&[u64]> = arrivals.iter().map(Vec::as_slice).collect();
        let (_, heard) = hear(&arrivals);
        let heard = sound(&heard);
        let level = level_of(&heard, PITCH, 8000) - 20.0 * 8_000_f64.log10();
        assert!(level.abs() < 1.0 && heard.len() >= 48 * 160, "{level} dB, {}", heard.len());
        assert!(purity(&heard, PITCH, 8000) > 12.0, "{}", purity(&heard, PITCH, 8000));
    }

    #[test]
    fn late_packets_make_it_wait_longer_and_a_calm_stream_shorter_again() {
        // steady at first; then every fifth packet comes two steps late, together with the two after it
        let arrivals: Vec<Vec<u64>> = (0..400_u64)
            .map(|step| match step % 5 {
                0 | 1 if step >= 50 => vec![],
                2 if step >= 50 => vec![step - 2, step - 1, step],
                _ => vec![step],
            })
            .collect();
        let mut calm: Vec<Vec<u64>> = (400..3000).map(|number| vec![number]).collect();
        let mut arrivals = arrivals;
        arrivals.append(&mut calm);
        let uneven: Vec<&[u64]> = arrivals[..400].iter().map(Vec::as_slice).collect();
        let (ear, heard) = hear(&uneven);
        assert!((LEAST + 1..=5).contains(&ear.target), "{}", ear.target);
        assert!(purity(&sound(&heard[300..]), PITCH, 8000) > 20.0, "nothing is bridged any more");
        let all: Vec<&[u64]> = arrivals.iter().map(Vec::as_slice).collect();
        let (ear, heard) = hear(&all);
        assert_eq!(ear.target, LEAST);
        let stock = ear.waiting.len() + ear.decoded.len() / 160;
        assert!(stock <= LEAST, "{stock}");
        assert!(heard[1..].iter().all(Option::is_some));
    }

    #[test]
    fn packets_of_any_length_come_out_as_an_even_stream() {
        for (length, every) in [(10, 1), (30, 3), (60, 3), (100, 5)] {
            let mut encoder = Encoder::new(Codec::Pcmu, 8000).expect("an encoder");
            let sound = tone(PITCH, 8_000.0, 8000, 160 * 210);
            let mut packets = sound.chunks(8 * length).zip(0..);
            let mut ear = Ear::new(Codec::Pcmu, 8000).expect("an ear");
            let mut heard = Vec::new();
            for step in 0..200 {
                let due = if step % every == 0 { every * 20 / length } else { 0 };
                for (samples, number) in packets.by_ref().take(due) {
                    let mut payload = Vec::new();
                    encoder.encode(samples, &mut payload);
                    ear.put(1, number, Some(&payload.into()));
                }
                ear.pull(&mut heard);
            }
            let (steps, purity) = (heard.len() / 160, purity(&heard[heard.len() / 4..], PITCH, 8000));
            assert!(steps >= 190 && purity > 30.0, "{length} ms: {steps} steps, {purity} dB");
        }
    }

    #[test]
    fn another_rate_goes_on_with_what_waits() {
        let packets = packets(40);
        let mut ear = Ear::new(Codec::Pcmu, 8000).expect("an ear");
        let mut heard = [Vec::new(), Vec::new()];
        for (number, packet) in (0..).zip(&packets) {
            if number == 20 {
                ear.set_rate(48_000).expect("another rate");
            }
            ear.put(1, number, Some(packet));
            assert_eq!(ear.pull(&mut heard[usize::from(number >= 20)]), number > 0, "{number}");
        }
        assert_eq!(heard[1].len(), 20 * 960);
        let level = level_of(&heard[1][960..], PITCH, 48_000) - 20.0 * 8_000_f64.log10();
        assert!(level.abs() < 0.5, "{level} dB");
    }

    #[test]
    fn a_faster_clock_is_kept_up_with() {
        // an extra packet every second
        let mut number = 0..;
        let arrivals: Vec<Vec<u64>> = (0..3000)
            .map(|step| number.by_ref().take(if step % 50 == 0 { 2 } else { 1 }).collect())
            .collect();
        let arrivals: Vec<&[u64]> = arrivals.iter().map(Vec::as_slice).collect();
        let (ear, _) = hear(&arrivals);
        assert!(ear.waiting.len() < 45, "{}", ear.waiting.len());
    }

    #[test]
    fn a_pause_is_silence_and_speech_begins_anew_after_it() {
        let mut arrivals: Vec<Vec<u64>> = (0..20).map(|number| vec![number]).collect();
        arrivals.extend((0..30).map(|_| vec![]));
        arrivals.extend((20..40).map(|number| vec![number]));
        let arrivals: Vec<&[u64]> = arrivals.iter().map(Vec::as_slice).collect();
        let (ear, heard) = hear(&arrivals);
        assert!(heard[28..50].iter().all(Option::is_none));
        assert!(heard[52..].iter().all(Option::is_some));
        assert_eq!(ear.target, LEAST, "nobody was late");
    }

    #[test]
    fn a_key_leaves_no_loss_and_another_source_begins_anew() {
        let packets = packets(20);
        let mut ear = Ear::new(Codec::Pcmu, 8000).expect("an ear");
        let mut heard = Vec::new();
        for number in 0..10 {
            ear.put(1, number, (number != 5).then_some(&packets[number as usize]));
            ear.pull(&mut heard);
        }
        ear.put(2, 70_000, Some(&packets[0]));
        assert!(!ear.pull(&mut heard), "waits for more");
        ear.put(2, 70_001, Some(&packets[1]));
        assert!(ear.pull(&mut heard));
        for number in 0..1000 {
            ear.put(2, 80_000 + number, Some(&packets[0]));
        }
        assert!(ear.waiting.len() <= MOST_WAITING);
    }
}
