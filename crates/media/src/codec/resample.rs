//! Between the sampling rates of the codecs, 8, 16 and 48 kHz, by a polyphase FIR filter.

use std::f64::consts::PI;

/// Taps that one output sample takes of the lower rate's samples: the filter's band edges are 0.42 and 0.58 of
/// the lower rate, with at least 70 dB between them.
const TAPS_PER_PHASE: usize = 32;
/// Of the Kaiser window: 75 dB.
const BETA: f64 = 7.2;
/// Partial sums, so that the compiler may use its wide registers.
const LANES: usize = 8;

/// Changes the sampling rate of one mono stream. It delays the stream by 16 samples of the lower rate.
#[derive(Debug)]
pub(crate) struct Resampler {
    up: usize,
    down: usize,
    /// One filter for each phase, the newest sample's tap last.
    phases: Vec<Vec<f32>>,
    /// What came in and is still needed.
    history: Vec<f32>,
}

impl Resampler {
    /// From `from` to `to` Hz, of which one is a multiple of the other. None where nothing is to do.
    pub(crate) fn new(from: u32, to: u32) -> Option<Resampler> {
        let (up, down) = (to.div_ceil(from) as usize, from.div_ceil(to) as usize);
        debug_assert!(from * up as u32 == to * down as u32, "no whole ratio: {from} to {to}");
        if up == down {
            return None;
        }
        let prototype = low_pass(up.max(down));
        let phase = |phase: usize| {
            let mut taps: Vec<f32> =
                prototype.iter().skip(phase).step_by(up).map(|tap| (tap * up as f64) as f32).collect();
            taps.reverse();
            taps
        };
        let phases: Vec<Vec<f32>> = (0..up).map(phase).collect();
        let history = vec![0.0; phases[0].len() - 1];
        Some(Resampler { up, down, phases, history })
    }

    /// Appends what `input` becomes to `output`. Samples that do not fill a step of the lower rate wait.
    pub(crate) fn process(&mut self, input: &[i16], output: &mut Vec<i16>) {
        self.history.extend(input.iter().map(|sample| f32::from(*sample)));
        let length = self.phases[0].len();
        let mut at = 0;
        while at + length + self.down - 1 <= self.history.len() {
            let window = &self.history[at..at + length];
            output.extend(self.phases.iter().map(|taps| rounded(dot(window, taps))));
            at += self.down;
        }
        self.history.drain(..at);
        debug_assert!(self.up == 1 || self.down == 1);
    }
}

/// A low-pass at half the lower rate, for a rate that is `factor` times that.
fn low_pass(factor: usize) -> Vec<f64> {
    let length = TAPS_PER_PHASE * factor;
    let middle = (length - 1) as f64 / 2.0;
    let mut taps: Vec<f64> = (0..length)
        .map(|index| {
            let distance = index as f64 - middle;
            let x = PI * distance / factor as f64;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
            let edge = distance / (middle + 0.5);
            sinc * bessel(BETA * (1.0 - edge * edge).sqrt()) / bessel(BETA)
        })
        .collect();
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
}

/// The modified Bessel function of order zero.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

fn dot(samples: &[f32], taps: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (samples, taps) in samples.chunks_exact(LANES).zip(taps.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += samples[lane] * taps[lane];
        }
    }
    sums.iter().sum()
}

fn rounded(sample: f32) -> i16 {
    // the cast keeps to the range; `round` would be a call for each sample
    (sample + 0.5_f32.copysign(sample)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::probe::{level_of, tone};

    /// What `from` Hz at `frequency` becomes at `to` Hz, settled.
    fn resampled(from: u32, to: u32, frequency: f64) -> Vec<i16> {
        let mut resampler = Resampler::new(from, to).expect("something to do");
        let mut output = Vec::new();
        let input = tone(frequency, 10_000.0, from, from as usize);
        for step in input.chunks(from as usize / 50) {
            resampler.process(step, &mut output);
        }
        assert_eq!(output.len(), to as usize, "{from} to {to}");
        output.split_off(to as usize / 10)
    }

    #[test]
    fn what_both_rates_can_hold_passes_and_everything_else_does_not() {
        for (from, to) in [(8, 16), (8, 48), (16, 48), (48, 16), (48, 8), (16, 8)] {
            let (from, to) = (from * 1000, to * 1000);
            let lower = f64::from(from.min(to));
            for part in [0.0375, 0.125, 0.25, 0.375, 0.42] {
                let frequency = lower * part;
                let output = resampled(from, to, frequency);
                let level = level_of(&output, frequency, to) - 80.0;
                assert!(level.abs() < 0.2, "{from} to {to} at {frequency}: {level} dB");
                // no image of it is heard above
                if to > from {
                    let image = level_of(&output, lower - frequency, to) - 80.0;
                    assert!(image < -65.0, "{from} to {to} at {frequency}: image {image} dB");
                }
            }
            for part in [0.58, 0.7, 1.1].into_iter().filter(|_| from > to) {
                let power: f64 =
                    resampled(from, to, lower * part).iter().map(|s| f64::from(*s).powi(2)).sum();
                let level = 10.0 * (power / f64::from(to) / 0.9 / 5e7).max(1e-12).log10();
                assert!(
                    level < -65.0,
                    "{from} to {to} at {part}: {level} dB comes through as something else"
                );
            }
        }
    }

    #[test]
    fn steps_of_any_size_give_the_same_stream_and_full_scale_does_not_wrap() {
        let input = tone(1000.0, 32_767.0, 48_000, 4800);
        let mut whole = Vec::new();
        Resampler::new(48_000, 8000).expect("something to do").process(&input, &mut whole);
        let (mut parts, mut resampler) = (Vec::new(), Resampler::new(48_000, 8000).expect("something to do"));
        for step in input.chunks(77) {
            resampler.process(step, &mut parts);
        }
        assert_eq!(whole, parts);
        assert!(whole.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 28_000));
        assert!(Resampler::new(8000, 8000).is_none());
    }
}
