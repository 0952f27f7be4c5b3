//! What is made here and not only passed on: sounds of ours, mixes, and the same sound in another codec. It is
//! made in steps of 20 ms, for as long as somebody hears it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use timing::{Deadline, Duration, Instant};

use super::joins::Join;
use super::mixer::Mix;
use super::{Plane, Slot, Task};
use crate::codec::Codec;
use crate::leg::{Frame, Leg as _};
use crate::order::LegId;
use crate::sound::{Library, Sound, write_key};
use crate::voice::{self, Voice};

const STEP: Duration = Duration::from_millis(20);
/// The rate of a telephone, in Hz.
pub(super) const NARROW: u32 = 8_000;
/// A worker that was held up makes up for so many steps; of a longer time nobody wants to hear what was missed.
const MOST_AT_ONCE: u64 = 10;

/// The state of it.
#[derive(Default)]
pub(super) struct Studio {
    library: Library,
    /// Legs that are sent something at each step, those of mixes apart.
    pub(super) on_air: BTreeSet<LegId>,
    pub(super) mixes: BTreeMap<u64, Mix>,
    pub(super) last_mix: u64,
    /// The last step that was made, counted from the origin of time.
    made: u64,
    /// Kept for the next step: what one leg gets, what a mix sums up to, and one after the other what each
    /// member of it says.
    pub(super) samples: Vec<i16>,
    pub(super) sum: Vec<i32>,
    pub(super) said: Vec<i16>,
}

impl Studio {
    pub(super) fn leave(&mut self, leg: LegId) {
        self.on_air.remove(&leg);
        self.mixes.retain(|_, mix| !mix.ends_without(leg));
    }

    fn is_idle(&self) -> bool {
        self.on_air.is_empty() && self.mixes.is_empty()
    }
}

impl Plane {
    /// Something has to be made from now on.
    pub(super) fn wake_studio(&mut self, now: Instant) {
        if self.timers.deadline(&Task::Step).is_none() && !self.studio.is_idle() {
            self.studio.made = step_at(now);
            self.wait_for_step();
        }
    }

    /// Makes what is due.
    pub(super) fn make_sound(&mut self, now: Instant) {
        let due = step_at(now);
        self.studio.made = self.studio.made.max(due.saturating_sub(MOST_AT_ONCE));
        while self.studio.made < due {
            self.studio.made += 1;
            self.make_step(self.studio.made, now);
        }
        if !self.studio.is_idle() {
            self.wait_for_step();
        }
    }

    fn wait_for_step(&mut self) {
        let at = (self.studio.made + 1) * STEP.as_micros() as u64;
        self.timers.set(Task::Step, Deadline::new(Instant::from_micros(at), "20 ms of sound"));
    }

    fn make_step(&mut self, step: u64, now: Instant) {
        let mut last = None;
        // whoever a crash takes off the air is passed over
        while let Some(id) = self.studio.next_on_air(last) {
            last = Some(id);
            if self.key_step(id, step, now) {
                continue;
            }
            match self.legs.get(&id).map(|slot| slot.join) {
                Some(Join::Play(sound)) => self.play_step(id, sound, step, now),
                Some(Join::Bridge(from)) => self.transcode_step(from, id, step, now),
                _ => self.leave_the_air(id),
            }
        }
        let mut last = None;
        while let Some(mix) = self.studio.next_mix_after(last) {
            last = Some(mix);
            self.mix_step(mix, step, now);
        }
    }

    fn play_step(&mut self, id: LegId, sound: Sound, step: u64, now: Instant) {
        let Some(slot) = self.legs.get_mut(&id).filter(|slot| slot.hears()) else { return };
        let Some(agreed) = slot.leg.agreed() else { return };
        let Some(payload) = self.studio.library.payload(sound, agreed.codec, slot.played) else { return };
        slot.played += 1;
        let frame = slot.framed(agreed.codec, payload, step);
        self.send_to(id, &frame, now);
    }

    /// A key's tones, where they have to be heard; whether one is down.
    fn key_step(&mut self, id: LegId, step: u64, now: Instant) -> bool {
        let Some(slot) = self.legs.get_mut(&id) else { return false };
        let at = Instant::from_micros(step * STEP.as_micros() as u64);
        let usual = slot.leg.agreed().map_or(8000, |agreed| agreed.codec.sampling_rate());
        let rate = slot.voice.as_ref().map_or(usual, |voice| voice.rate());
        let Some(tone) = slot.keypad.poll(8000, at) else { return slot.keypad.is_down() };
        let mut samples = Vec::new();
        match tone.key() {
            Some(key) => write_key(key, step, rate, &mut samples),
            None => samples.resize(rate as usize / 50, 0),
        }
        let frame = self.with_slot(id, |slot| slot.voiced(&samples, rate, step)).flatten();
        if let Some(frame) = frame {
            self.with_leg(id, now, |leg| leg.send(&frame, now));
        }
        true
    }

    /// Nothing is made for this leg any more, unless a key waits.
    fn leave_the_air(&mut self, id: LegId) {
        if self.legs.get(&id).is_none_or(|slot| slot.keypad.poll_timeout().is_none()) {
            self.studio.on_air.remove(&id);
        }
    }

    /// What one leg of a bridge says, in the codec of the other.
    fn transcode_step(&mut self, from: LegId, to: LegId, step: u64, now: Instant) {
        let mut samples = std::mem::take(&mut self.studio.samples);
        samples.clear();
        let heard =
            self.with_slot(from, |slot| slot.ear.as_mut().map(|ear| (ear.pull(&mut samples), ear.rate())));
        match heard.flatten() {
            Some((true, rate)) => self.say(to, &samples, rate, step, now),
            Some((false, _)) => {}
            // both speak the same now
            None => self.leave_the_air(to),
        }
        self.studio.samples = samples;
    }

    /// Sends 20 ms of sound to a leg, in its own codec.
    pub(super) fn say(&mut self, id: LegId, samples: &[i16], rate: u32, step: u64, now: Instant) {
        let frame = self.with_slot(id, |slot| slot.voiced(samples, rate, step)).flatten();
        if let Some(frame) = frame {
            self.send_to(id, &frame, now);
        }
    }
}

impl Studio {
    fn next_on_air(&self, after: Option<LegId>) -> Option<LegId> {
        match after {
            Some(after) => self.on_air.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded)),
            None => self.on_air.range(..),
        }
        .next()
        .copied()
    }

    fn next_mix_after(&self, after: Option<u64>) -> Option<u64> {
        self.mixes.range(after.map_or(0, |after| after + 1)..).next().map(|(mix, _)| *mix)
    }
}

impl Slot {
    fn voiced(&mut self, samples: &[i16], rate: u32, step: u64) -> Option<Frame> {
        let codec = self.leg.agreed().filter(|_| self.hears())?.codec;
        let ready = match &mut self.voice {
            Some(voice) if voice.codec() == codec => voice.set_rate(rate),
            _ => Voice::new(codec, rate).map(|voice| self.voice = Some(Box::new(voice))),
        };
        if let Err(error) = ready {
            tracing::error!(%error, "not sent");
            return None;
        }
        let payload = self.voice.as_mut()?.say(samples);
        Some(self.framed(codec, payload, step))
    }

    /// A frame of ours for this leg, under its next number.
    pub(super) fn framed(&mut self, codec: Codec, payload: Arc<[u8]>, step: u64) -> Frame {
        self.made += 1;
        voice::frame(codec, payload, self.made, step)
    }
}

fn step_at(now: Instant) -> u64 {
    now.as_micros() / STEP.as_micros() as u64
}
