use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::Sound;
use crate::codec::{Codec, Encoder};

/// All that is played on a plane, encoded once for all who hear it.
///
/// A loop is encoded as its first listener hears it, twice: a codec remembers what it was given, so that only
/// the second round fits behind its own end. From then on nothing is encoded any more.
#[derive(Default)]
pub(crate) struct Library {
    loops: BTreeMap<(Sound, Codec), Loop>,
}

struct Loop {
    encoder: Encoder,
    frames: Vec<Arc<[u8]>>,
}

impl Library {
    /// The payload of 20 ms of `sound`, `step` steps after its listener began to hear it.
    pub(crate) fn payload(&mut self, sound: Sound, codec: Codec, step: u64) -> Option<Arc<[u8]>> {
        let rate = codec.sampling_rate();
        let known = match self.loops.entry((sound, codec)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Loop { encoder: Encoder::new(codec, rate).ok()?, frames: Vec::new() })
            }
        };
        let length = sound.steps();
        let place = if step < length { step } else { length + step % length };
        while known.frames.len() as u64 <= place {
            let (mut samples, mut payload) = (Vec::new(), Vec::new());
            sound.write(known.frames.len() as u64, rate, &mut samples);
            known.encoder.encode(&samples, &mut payload);
            known.frames.push(payload.into());
        }
        known.frames.get(usize::try_from(place).ok()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Decoder;

    #[test]
    fn all_listeners_get_the_same_bytes_and_nothing_is_encoded_twice() {
        let mut library = Library::default();
        for codec in Codec::ALL {
            let first: Vec<_> = (0..300).map(|step| library.payload(Sound::Busy, codec, step)).collect();
            let second: Vec<_> = (0..300).map(|step| library.payload(Sound::Busy, codec, step)).collect();
            for (one, other) in first.iter().zip(&second) {
                let (one, other) = (one.as_ref().expect("a payload"), other.as_ref().expect("a payload"));
                assert!(Arc::ptr_eq(one, other) && !one.is_empty());
            }
            assert_eq!(library.loops[&(Sound::Busy, codec)].frames.len(), 100);
        }
    }

    #[test]
    fn the_seam_of_the_loop_is_not_heard_in_any_codec() {
        for codec in Codec::ALL {
            let (mut library, length) = (Library::default(), Sound::Music.steps());
            let rate = codec.sampling_rate();
            let mut decoder = Decoder::new(codec, rate).expect("a decoder");
            let mut heard = Vec::new();
            for step in 0..3 * length + 10 {
                let payload = library.payload(Sound::Music, codec, step).expect("a payload");
                decoder.decode(&payload, &mut heard);
            }
            let step = rate as usize / 50;
            // once within the first pass to the second, and once over the seam that is heard for ever
            let part = |from: u64| &heard[from as usize * step - 4 * step..from as usize * step + 4 * step];
            let steepest = |part: &[i16]| {
                let bends = part
                    .windows(3)
                    .map(|three| (i32::from(three[0]) - 2 * i32::from(three[1]) + i32::from(three[2])).abs());
                bends.max().unwrap_or(0)
            };
            let (usual, seam) = (steepest(part(2 * length)), steepest(part(3 * length)));
            assert!(seam <= usual * 2 + 60, "{codec:?}: {seam} where {usual} is usual");
        }
    }
}
