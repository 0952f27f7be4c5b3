use std::f64::consts::TAU;

use super::Sound;

/// What most European networks use (ITU-T E.180 Supplement 2).
const PITCH: f64 = 425.0;
/// -20 dBFS at the peak: about -20 dBm0, as loud as speech.
const LOUD: f64 = 3_277.0;
/// A waiting call must not drown the one that is going on.
const SOFT: f64 = 1_640.0;
/// How long a tone takes to come and to go, so that it does not click.
const EDGE: f64 = 0.005;

/// A tone that is on and off by turns.
pub(super) struct Cadence {
    /// On and off, in hundredths of a second.
    turns: &'static [(u64, u64)],
    amplitude: f64,
}

/// Of all sounds that are tones; music is none and would be silent.
pub(super) const fn cadence(sound: Sound) -> Cadence {
    match sound {
        Sound::Ringback => Cadence { turns: &[(100, 400)], amplitude: LOUD },
        Sound::Busy => Cadence { turns: &[(50, 50)], amplitude: LOUD },
        Sound::Congestion => Cadence { turns: &[(25, 25)], amplitude: LOUD },
        Sound::Waiting => Cadence { turns: &[(20, 60), (20, 400)], amplitude: SOFT },
        Sound::Music => Cadence { turns: &[(0, 2)], amplitude: 0.0 },
    }
}

impl Cadence {
    /// How many steps of 20 ms there are before it repeats: every one of ours is a whole number of them.
    pub(super) fn steps(&self) -> u64 {
        self.turns.iter().map(|(on, off)| on + off).sum::<u64>() / 2
    }

    pub(super) fn write(&self, step: u64, rate: u32, samples: &mut Vec<i16>) {
        let length = u64::from(rate / 50);
        samples.extend((step * length..(step + 1) * length).map(|index| {
            let at = index as f64 / f64::from(rate);
            let sample = self.amplitude * self.loudness(at) * (TAU * PITCH * at).sin();
            sample.round() as i16
        }));
    }

    /// Between 0 and 1, `at` seconds from the beginning.
    fn loudness(&self, at: f64) -> f64 {
        let mut begin = 0.0;
        for (on, off) in self.turns {
            let end = begin + *on as f64 / 100.0;
            if at < end {
                let edge = ((at - begin).min(end - at) / EDGE).clamp(0.0, 1.0);
                return (1.0 - (TAU / 2.0 * edge).cos()) / 2.0;
            }
            begin = end + *off as f64 / 100.0;
            if at < begin {
                return 0.0;
            }
        }
        0.0
    }
}
