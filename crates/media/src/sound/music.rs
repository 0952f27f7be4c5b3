//! Our own music on hold: eight chords of four seconds, broken slowly, with a few notes of a tune above them.
//!
//! It is written down as notes and played by adding sines, so that there is no recording and no licence to it.
//! A note that lasts beyond the end is heard on at the beginning, and so the piece has no seam.

use std::f64::consts::{PI, TAU};

/// Of 20 ms: 32 seconds.
pub(super) const STEPS: u64 = 1600;
const LENGTH: f64 = STEPS as f64 / 50.0;
const CHORD: f64 = 4.0;
/// A chord's notes are struck one after the other, eight times.
const STRIKE: f64 = 0.5;
const ORDER: [usize; 8] = [0, 2, 1, 3, 4, 3, 2, 1];
/// As MIDI numbers them, the bass first: D, B minor, G, A, F sharp minor, B minor, E minor, A.
const CHORDS: [[u8; 5]; 8] = [
    [50, 57, 62, 66, 73],
    [47, 54, 59, 62, 69],
    [43, 50, 59, 62, 66],
    [45, 52, 57, 61, 66],
    [54, 61, 64, 69, 73],
    [47, 54, 62, 69, 73],
    [52, 59, 62, 66, 71],
    [45, 52, 55, 62, 64],
];
/// One note of the tune in each chord.
const TUNE: [u8; 8] = [78, 74, 71, 73, 76, 78, 74, 76];
/// When in its chord it comes.
const TUNE_AT: f64 = 1.5;
/// How loud each overtone is: soft, like a harp far away. The highest is below 3 kHz.
const PARTIALS: [f64; 4] = [1.0, 0.32, 0.1, 0.03];
/// Makes the whole -24 dBFS loud.
const VOLUME: f64 = 4_400.0;

/// A note's course, in seconds.
#[derive(Clone, Copy)]
struct Touch {
    loudness: f64,
    attack: f64,
    /// Until it has fallen to a third.
    decay: f64,
    length: f64,
}

const HARP: Touch = Touch { loudness: 0.5, attack: 0.05, decay: 1.0, length: 3.5 };
const PAD: Touch = Touch { loudness: 0.3, attack: 1.2, decay: 6.0, length: 5.5 };
const FLUTE: Touch = Touch { loudness: 0.4, attack: 0.25, decay: 1.6, length: 3.5 };

struct Note {
    start: f64,
    key: u8,
    touch: Touch,
}

/// Appends the 20 ms at `step`, at `rate` Hz. The first time round, nothing has been struck before the beginning.
pub(super) fn write(step: u64, rate: u32, samples: &mut Vec<i16>) {
    let length = rate as usize / 50;
    let mut sum = vec![0.0_f64; length];
    let begin = step as f64 / 50.0;
    for note in notes() {
        // where in the note this step begins; one that began before the seam goes on after it
        let at = (begin - note.start).rem_euclid(LENGTH);
        if at <= begin && at < note.touch.length {
            note.add(at, rate, &mut sum);
        }
    }
    samples.extend(sum.iter().map(|sample| (VOLUME * sample).round() as i16));
}

fn notes() -> impl Iterator<Item = Note> {
    CHORDS.iter().zip(TUNE).enumerate().flat_map(|(index, (chord, tune))| {
        let start = index as f64 * CHORD;
        let harp = ORDER.iter().enumerate().map(move |(strike, place)| Note {
            start: start + strike as f64 * STRIKE,
            key: chord[*place],
            touch: HARP,
        });
        let pad = [chord[0] + 12, chord[1] + 12].map(|key| Note { start, key, touch: PAD });
        let tune = Note { start: start + TUNE_AT, key: tune, touch: FLUTE };
        harp.chain(pad).chain([tune])
    })
}

impl Note {
    /// Adds what is heard of it for one step, `at` seconds after its start.
    fn add(&self, at: f64, rate: u32, sum: &mut [f64]) {
        let rate = f64::from(rate);
        let (first, last) = (self.touch.at(at), self.touch.at(at + 0.02));
        let pitch = 440.0 * (f64::from(i16::from(self.key) - 69) / 12.0).exp2();
        for (partial, loudness) in (1..).zip(PARTIALS) {
            let angle = TAU * pitch * f64::from(partial) / rate;
            // a sine needs no more than the two samples before (Chebyshev)
            let (mut before, mut sample) = ((angle * (at * rate - 1.0)).sin(), (angle * at * rate).sin());
            let factor = 2.0 * angle.cos();
            let rise = (last - first) / sum.len() as f64;
            for (index, sum) in sum.iter_mut().enumerate() {
                *sum += loudness * (first + rise * index as f64) * sample;
                (before, sample) = (sample, factor * sample - before);
            }
        }
    }
}

impl Touch {
    /// How loud it is at this time.
    fn at(self, at: f64) -> f64 {
        if at >= self.length {
            return 0.0;
        }
        let swell = (1.0 - (PI * (at / self.attack).min(1.0)).cos()) / 2.0;
        let end = ((self.length - at) / 0.5).min(1.0);
        self.loudness * swell * (-at / self.decay).exp() * end
    }
}
