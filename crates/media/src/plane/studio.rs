//! What is made here and not only passed on: sounds of ours, mixes, and the same sound in another codec. It is
//! made in steps of 20 ms, for as long as somebody hears it.

use std::collections::{BTreeMap, BTreeSet};

use timing::{Deadline, Duration, Instant};

use super::joins::Join;
use super::{Plane, Slot, Task};
use crate::leg::{Frame, Leg as _};
use crate::order::LegId;
use crate::sound::{Library, Sound, write_key};
use crate::voice::{self, Voice};

/// Conferences are mixed at the rate of the best codec.
pub(super) const MIX_RATE: u32 = 48_000;
const MIX_STEP: usize = MIX_RATE as usize / 50;
const STEP: Duration = Duration::from_millis(20);
/// A worker that was held up makes up for so many steps; of a longer time nobody wants to hear what was missed.
const MOST_AT_ONCE: u64 = 10;

/// The state of it.
#[derive(Default)]
pub(super) struct Studio {
    library: Library,
    /// Legs that are sent something at each step, those of mixes apart.
    pub(super) on_air: BTreeSet<LegId>,
    mixes: BTreeMap<u64, BTreeSet<LegId>>,
    last_mix: u64,
    /// The last step that was made, counted from the origin of time.
    made: u64,
    /// Kept for the next step.
    samples: Vec<i16>,
    sum: Vec<i32>,
    /// One after the other, what each member of a mix says.
    said: Vec<i16>,
}

impl Studio {
    pub(super) fn next_mix(&mut self) -> u64 {
        self.last_mix += 1;
        self.last_mix
    }

    pub(super) fn join(&mut self, mix: u64, leg: LegId) {
        self.mixes.entry(mix).or_default().insert(leg);
    }

    pub(super) fn members(&self, mix: u64) -> impl Iterator<Item = LegId> {
        self.mixes.get(&mix).into_iter().flatten().copied()
    }

    pub(super) fn leave(&mut self, leg: LegId) {
        self.on_air.remove(&leg);
        self.mixes.retain(|_, members| {
            members.remove(&leg);
            !members.is_empty()
        });
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
        let frame = voice::frame(agreed.codec, payload, slot.played, step);
        self.send_to(id, &frame, now);
    }

    /// A key's tones, where they have to be heard; whether one is down.
    fn key_step(&mut self, id: LegId, step: u64, now: Instant) -> bool {
        let Some(slot) = self.legs.get_mut(&id) else { return false };
        let at = Instant::from_micros(step * STEP.as_micros() as u64);
        let rate = slot.leg.agreed().map_or(8000, |agreed| agreed.codec.sampling_rate());
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

    /// Each member hears all others (RFC 7667 §3.6: a media mixer).
    fn mix_step(&mut self, mix: u64, step: u64, now: Instant) {
        let members: Vec<LegId> = self.studio.members(mix).collect();
        let mut said = std::mem::take(&mut self.studio.said);
        let mut sum = std::mem::take(&mut self.studio.sum);
        said.clear();
        sum.clear();
        sum.resize(MIX_STEP, 0);
        for (place, id) in members.iter().enumerate() {
            self.with_slot(*id, |slot| {
                if let Some(ear) = &mut slot.ear {
                    ear.pull(&mut said);
                }
            });
            said.resize((place + 1) * MIX_STEP, 0);
            for (sum, sample) in sum.iter_mut().zip(&said[place * MIX_STEP..]) {
                *sum += i32::from(*sample);
            }
        }
        let mut samples = std::mem::take(&mut self.studio.samples);
        for (place, id) in members.iter().enumerate() {
            let own = &said[place * MIX_STEP..(place + 1) * MIX_STEP];
            samples.clear();
            let others = sum.iter().zip(own).map(|(sum, own)| sum - i32::from(*own));
            samples.extend(others.map(|sample| sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16));
            self.say(*id, &samples, MIX_RATE, step, now);
        }
        (self.studio.samples, self.studio.said, self.studio.sum) = (samples, said, sum);
    }

    /// Sends 20 ms of sound to a leg, in its own codec.
    fn say(&mut self, id: LegId, samples: &[i16], rate: u32, step: u64, now: Instant) {
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
        if !self.voice.as_ref().is_some_and(|voice| voice.fits(codec, rate)) {
            match Voice::new(codec, rate) {
                Ok(voice) => self.voice = Some(Box::new(voice)),
                Err(error) => tracing::error!(%error, "not sent"),
            }
            // the numbers begin anew
            self.leg.interrupt();
        }
        Some(self.voice.as_mut()?.say(samples, step))
    }
}

fn step_at(now: Instant) -> u64 {
    now.as_micros() / STEP.as_micros() as u64
}
