//! Conferences (RFC 7667 §3.6: a media mixer).

use std::collections::BTreeSet;
use std::sync::Arc;

use timing::Instant;

use super::Plane;
use super::studio::{NARROW, Studio};
use crate::codec::Codec;
use crate::order::LegId;
use crate::voice::Voice;

/// From this size on, those who only listen are sent one and the same encoding. Opus, in which alone that saves
/// anything, needs a moment to get used to another encoder; among a few, nobody shall notice even that.
const SHARED_FROM: usize = 9;
/// What is not louder than this, at -46 dBFS, is no speech.
const HUSH: u16 = 164;
/// Who has said nothing for a second only listens, until he says something.
const LISTENS_AFTER: u32 = 50;

/// Legs that hear each other.
pub(super) struct Mix {
    members: BTreeSet<LegId>,
    /// That of the best codec among them, in Hz: telephones among themselves are mixed as such.
    rate: u32,
    /// For those who only listen.
    common: Option<Voice>,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix { members: BTreeSet::new(), rate: NARROW, common: None }
    }
}

impl Mix {
    /// Whether nobody is in it any more without `leg`.
    pub(super) fn ends_without(&mut self, leg: LegId) -> bool {
        self.members.remove(&leg);
        self.members.is_empty()
    }
}

impl Studio {
    pub(super) fn next_mix(&mut self) -> u64 {
        self.last_mix += 1;
        self.last_mix
    }

    pub(super) fn join(&mut self, mix: u64, leg: LegId) {
        self.mixes.entry(mix).or_default().members.insert(leg);
    }

    pub(super) fn members(&self, mix: u64) -> impl Iterator<Item = LegId> {
        self.mixes.get(&mix).into_iter().flat_map(|mix| &mix.members).copied()
    }

    /// At how many Hz it is mixed.
    pub(super) fn rate_of(&self, mix: u64) -> u32 {
        self.mixes.get(&mix).map_or(NARROW, |mix| mix.rate)
    }
}

impl Plane {
    /// Each member hears all others.
    pub(super) fn mix_step(&mut self, mix: u64, step: u64, now: Instant) {
        let members: Vec<LegId> = self.studio.members(mix).collect();
        let shares = members.len() >= SHARED_FROM;
        let rate = self.settle_rate(mix, &members);
        let length = rate as usize / 50;
        let mut said = std::mem::take(&mut self.studio.said);
        let mut sum = std::mem::take(&mut self.studio.sum);
        said.clear();
        sum.clear();
        sum.resize(length, 0);
        for (place, id) in members.iter().enumerate() {
            let listens = self.hear_member(*id, &mut said);
            said.resize((place + 1) * length, 0);
            if shares && listens == Some(true) {
                // his breath is not for fifty others
                said[place * length..].fill(0);
            }
            for (sum, sample) in sum.iter_mut().zip(&said[place * length..]) {
                *sum += i32::from(*sample);
            }
        }
        let mut common = None;
        let mut samples = std::mem::take(&mut self.studio.samples);
        for (place, id) in members.iter().enumerate() {
            if shares && self.takes_common(*id) {
                let payload = common.get_or_insert_with(|| self.common(mix, &sum, rate)).clone();
                self.say_common(*id, payload, step, now);
                continue;
            }
            samples.clear();
            let own = &said[place * length..(place + 1) * length];
            samples.extend(sum.iter().zip(own).map(|(sum, own)| clipped(sum - i32::from(*own))));
            self.say(*id, &samples, rate, step, now);
        }
        if common.is_none()
            && let Some(mix) = self.studio.mixes.get_mut(&mix)
        {
            mix.common = None;
        }
        (self.studio.samples, self.studio.said, self.studio.sum) = (samples, said, sum);
    }

    /// Appends what a member says, if anything; whether it only listens.
    fn hear_member(&mut self, id: LegId, said: &mut Vec<i16>) -> Option<bool> {
        self.with_slot(id, |slot| {
            let start = said.len();
            if let Some(ear) = &mut slot.ear {
                ear.pull(said);
            }
            let speaks = said[start..].iter().any(|sample| sample.unsigned_abs() > HUSH);
            slot.quiet = if speaks { 0 } else { slot.quiet.saturating_add(1) };
            slot.quiet >= LISTENS_AFTER
        })
    }

    fn takes_common(&self, id: LegId) -> bool {
        self.legs.get(&id).is_some_and(|slot| {
            let has_opus = slot.leg.agreed().is_some_and(|agreed| agreed.codec == Codec::Opus);
            has_opus && slot.quiet >= LISTENS_AFTER
        })
    }

    /// What all are sent who say nothing themselves.
    fn common(&mut self, mix: u64, sum: &[i32], rate: u32) -> Option<Arc<[u8]>> {
        let voice = &mut self.studio.mixes.get_mut(&mix)?.common;
        let voice = match voice {
            Some(voice) => voice,
            None => voice.insert(Voice::new(Codec::Opus, rate).ok()?),
        };
        voice.set_rate(rate).ok()?;
        let samples: Vec<i16> = sum.iter().map(|sample| clipped(*sample)).collect();
        Some(voice.say(&samples))
    }

    fn say_common(&mut self, id: LegId, payload: Option<Arc<[u8]>>, step: u64, now: Instant) {
        let Some(slot) = self.legs.get_mut(&id).filter(|slot| slot.hears()) else { return };
        let Some(payload) = payload else { return };
        // an encoder that begins anew is understood by whoever heard another one before
        slot.voice = None;
        let frame = slot.framed(Codec::Opus, payload, step);
        self.send_to(id, &frame, now);
    }

    /// The rate of a mix, which changes when the best codec among its members does.
    fn settle_rate(&mut self, mix: u64, members: &[LegId]) -> u32 {
        let best = members.iter().filter_map(|id| self.legs.get(id)?.leg.agreed());
        let rate = best.map(|agreed| agreed.codec.sampling_rate()).max().unwrap_or(NARROW);
        let Some(known) = self.studio.mixes.get_mut(&mix) else { return rate };
        if std::mem::replace(&mut known.rate, rate) == rate {
            return rate;
        }
        for id in members {
            self.with_slot(*id, |slot| {
                if slot.ear.as_mut().is_some_and(|ear| ear.set_rate(rate).is_err()) {
                    slot.ear = None;
                }
            });
        }
        rate
    }
}

fn clipped(sample: i32) -> i16 {
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
