//! Who hears whom.

use std::sync::Arc;

use timing::{Duration, Instant};

use super::{Plane, Slot};
use crate::codec::{Codec, Content, g711};
use crate::ear::Ear;
use crate::leg::{Frame, Leg as _, event};
use crate::order::LegId;
use crate::sound::Sound;

/// What a leg is joined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    Alone,
    Echo,
    Bridge(LegId),
    /// It hears a sound of ours, and nobody hears it.
    Play(Sound),
    /// All legs in the mix of this number hear each other.
    Mix(u64),
}

impl Plane {
    /// Sends a leg its own sound back.
    pub(super) fn echo(&mut self, id: LegId) {
        self.part(id);
        if let Some(slot) = self.legs.get_mut(&id) {
            slot.join = Join::Echo;
        }
    }

    /// Lets two legs hear each other; a leg joined to itself is an echo.
    pub(super) fn bridge(&mut self, a: LegId, b: LegId) {
        if !self.legs.contains_key(&a) || !self.legs.contains_key(&b) {
            return;
        }
        self.part(a);
        self.part(b);
        for (one, other) in [(a, b), (b, a)] {
            if let Some(slot) = self.legs.get_mut(&one) {
                slot.join = if one == other { Join::Echo } else { Join::Bridge(other) };
            }
        }
    }

    /// Lets a leg hear a sound of ours.
    pub(super) fn play(&mut self, id: LegId, sound: Sound, now: Instant) {
        self.part(id);
        let Some(slot) = self.legs.get_mut(&id) else { return };
        (slot.join, slot.played) = (Join::Play(sound), 0);
        self.studio.on_air.insert(id);
        self.wake_studio(now);
    }

    /// Lets legs hear each other. Those that are in one mix already go on without a seam, and whoever else was in
    /// it is alone.
    pub(super) fn mix(&mut self, legs: &[LegId], now: Instant) {
        let mix_of = |slot: &Slot| match slot.join {
            Join::Mix(mix) => Some(mix),
            _ => None,
        };
        let known = legs.iter().find_map(|leg| self.legs.get(leg).and_then(mix_of));
        let mix = known.unwrap_or_else(|| self.studio.next_mix());
        let former: Vec<LegId> = self.studio.members(mix).collect();
        for leg in former.iter().filter(|leg| !legs.contains(leg)) {
            self.part(*leg);
        }
        for leg in legs.iter().filter(|leg| !former.contains(leg)) {
            self.part(*leg);
            let Some(slot) = self.legs.get_mut(leg) else { continue };
            slot.join = Join::Mix(mix);
            self.studio.join(mix, *leg);
        }
        self.wake_studio(now);
    }

    /// Ends whatever a leg is joined to.
    pub(super) fn part(&mut self, id: LegId) {
        self.interrupt(id);
        self.studio.leave(id);
        let Some(slot) = self.legs.get_mut(&id) else { return };
        slot.rest();
        if let Join::Bridge(other) = std::mem::replace(&mut slot.join, Join::Alone)
            && let Some(slot) = self.legs.get_mut(&other)
        {
            slot.join = Join::Alone;
            slot.rest();
            self.studio.leave(other);
        }
    }

    /// Server-side hold.
    pub(super) fn gate(&mut self, id: LegId, open: bool) {
        if let Some(slot) = self.legs.get_mut(&id) {
            slot.gate_open = open;
            self.interrupt(id);
        }
    }

    /// Presses a key for the leg's peer to hear.
    pub(super) fn press(&mut self, id: LegId, key: char, ms: u32, now: Instant) {
        let Some(event) = event(key) else { return tracing::debug!(leg = %id, "no key of a telephone") };
        let held = Duration::from_millis(ms.into());
        let Some(slot) = self.legs.get_mut(&id) else { return };
        if slot.leg.takes_keys() {
            self.with_leg(id, now, |leg| leg.press(event, held, now));
        } else if slot.hears() {
            slot.keypad.press(event, held);
            self.studio.on_air.insert(id);
            self.wake_studio(now);
        }
    }

    /// Ends the run of packets towards this leg and towards whom it is joined to.
    pub(super) fn interrupt(&mut self, id: LegId) {
        let Some(slot) = self.legs.get_mut(&id) else { return };
        slot.interrupt();
        if let Join::Bridge(other) = slot.join
            && let Some(slot) = self.legs.get_mut(&other)
        {
            slot.interrupt();
        }
    }

    /// Hands received frames to whom their leg is joined. A party on hold neither hears nor is heard; one that
    /// only listens hears.
    pub(super) fn pass_frames_on(&mut self, now: Instant) {
        while let Some((from, frame)) = self.frames.pop_front() {
            let Some(slot) = self.legs.get(&from) else { continue };
            match slot.join {
                Join::Alone | Join::Play(_) => {}
                Join::Echo => self.send_back(from, &frame, now),
                Join::Bridge(to) => self.carry(from, to, &frame, now),
                Join::Mix(mix) if slot.speaks() => self.listen(from, &frame, self.studio.rate_of(mix)),
                Join::Mix(_) => {}
            }
        }
    }

    fn send_back(&mut self, id: LegId, frame: &Frame, now: Instant) {
        if matches!(frame.content, Content::Events(_)) {
            // nobody wants his own keys back
            self.with_leg(id, now, |leg| leg.skip(frame));
        } else if self.legs.get(&id).is_some_and(|slot| slot.speaks() && slot.hears()) {
            self.with_leg(id, now, |leg| leg.send(frame, now));
        } else if let Some(slot) = self.legs.get_mut(&id) {
            slot.leg.interrupt();
        }
    }

    /// From one leg of a bridge to the other: as it is where both have the same codec, else by way of samples.
    fn carry(&mut self, from: LegId, to: LegId, frame: &Frame, now: Instant) {
        let Some(source) = self.legs.get(&from) else { return };
        let (speaks, decodes) = (source.speaks(), source.ear.is_some());
        let Some(slot) = self.legs.get_mut(&to) else { return };
        if !speaks || !slot.hears() {
            // what was held back must not be seen as lost when it goes on
            return slot.leg.interrupt();
        }
        let wanted = slot.leg.agreed().map(|agreed| agreed.codec);
        match (frame.content, wanted) {
            (Content::Events(_), _) => {
                if slot.leg.takes_keys() {
                    self.with_leg(to, now, |leg| leg.send(frame, now));
                } else {
                    slot.leg.skip(frame);
                    slot.keypad.take(frame, now);
                    self.studio.on_air.insert(to);
                    self.wake_studio(now);
                }
                if decodes {
                    self.listen(from, frame, 0);
                }
            }
            (Content::Audio(heard), Some(wanted)) if heard != wanted => match other_law(frame, wanted) {
                Some(frame) => {
                    self.stop_listening(from, decodes);
                    self.send_to(to, &frame, now);
                }
                None => {
                    self.listen(from, frame, heard.sampling_rate().min(wanted.sampling_rate()));
                    self.studio.on_air.insert(to);
                    self.wake_studio(now);
                }
            },
            (Content::Audio(_), _) => {
                self.stop_listening(from, decodes);
                self.send_to(to, frame, now);
            }
        }
    }

    fn stop_listening(&mut self, from: LegId, decodes: bool) {
        if decodes && let Some(slot) = self.legs.get_mut(&from) {
            slot.ear = None;
        }
    }

    /// Sends a frame that bears sound, unless a key's tones are heard in its place.
    pub(super) fn send_to(&mut self, to: LegId, frame: &Frame, now: Instant) {
        let sent = self.with_slot(to, |slot| match slot.keypad.is_down() {
            true => slot.leg.skip(frame),
            false => slot.leg.send(frame, now),
        });
        if sent.is_some() {
            self.collect(to, now);
        }
    }

    /// Puts a frame where its sound will be decoded, at `rate` Hz; one that bears none only takes its place.
    fn listen(&mut self, from: LegId, frame: &Frame, rate: u32) {
        let Some(slot) = self.legs.get_mut(&from) else { return };
        let Content::Audio(codec) = frame.content else {
            if let Some(ear) = &mut slot.ear {
                ear.put(frame.ssrc, frame.sequence, None);
            }
            return;
        };
        let ready = match &mut slot.ear {
            Some(ear) if ear.codec() == codec => ear.set_rate(rate),
            _ => Ear::new(codec, rate).map(|ear| slot.ear = Some(Box::new(ear))),
        };
        if let Err(error) = ready {
            return tracing::error!(leg = %from, %error, "not heard");
        }
        if let Some(ear) = &mut slot.ear {
            ear.put(frame.ssrc, frame.sequence, Some(&frame.payload));
        }
    }
}

impl Slot {
    pub(super) fn hears(&self) -> bool {
        self.gate_open && self.leg.hears()
    }

    pub(super) fn speaks(&self) -> bool {
        self.gate_open && self.leg.speaks()
    }

    /// Lets go what the last join took.
    fn rest(&mut self) {
        (self.ear, self.voice, self.quiet) = (None, None, 0);
        self.keypad.clear();
    }

    fn interrupt(&mut self) {
        self.leg.interrupt();
        if let Some(ear) = &mut self.ear {
            ear.forget();
        }
    }
}

/// The same sound by the other law of G.711, code by code: nothing is decoded, and nothing has to wait.
fn other_law(frame: &Frame, wanted: Codec) -> Option<Frame> {
    let convert = match (frame.content, wanted) {
        (Content::Audio(Codec::Pcmu), Codec::Pcma) => g711::mu_as_a,
        (Content::Audio(Codec::Pcma), Codec::Pcmu) => g711::a_as_mu,
        _ => return None,
    };
    let payload: Arc<[u8]> = frame.payload.iter().map(|code| convert(*code)).collect();
    Some(Frame { content: Content::Audio(wanted), payload, ..frame.clone() })
}
