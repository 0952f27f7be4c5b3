//! Tones and their measure, for tests.

use std::f64::consts::PI;

/// A sine.
pub(crate) fn tone(frequency: f64, amplitude: f64, rate: u32, samples: usize) -> Vec<i16> {
    let step = 2.0 * PI * frequency / f64::from(rate);
    (0..samples).map(|index| (amplitude * (step * index as f64).sin()).round() as i16).collect()
}

/// The amplitude of one frequency in dB, where 1 is 0 dB (Goertzel).
pub(crate) fn level_of(samples: &[i16], frequency: f64, rate: u32) -> f64 {
    let factor = 2.0 * (2.0 * PI * frequency / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0_f64, 0.0_f64);
    // a Hann window, so that a strong tone elsewhere does not leak in
    let length = samples.len() as f64;
    for (index, sample) in samples.iter().enumerate() {
        let window = 1.0 - (2.0 * PI * index as f64 / length).cos();
        let next = f64::from(*sample) * window + factor * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - factor * last * before;
    20.0 * (power.max(0.0).sqrt() * 2.0 / length).max(1e-6).log10()
}

/// Signal to noise in dB of a tone of any phase.
pub(crate) fn purity(samples: &[i16], frequency: f64, rate: u32) -> f64 {
    let step = 2.0 * PI * frequency / f64::from(rate);
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        sine += f64::from(*sample) * (step * index as f64).sin();
        cosine += f64::from(*sample) * (step * index as f64).cos();
    }
    let half = samples.len() as f64 / 2.0;
    let (sine, cosine) = (sine / half, cosine / half);
    let noise: f64 = samples
        .iter()
        .enumerate()
        .map(|(index, sample)| {
            let angle = step * index as f64;
            (f64::from(*sample) - sine * angle.sin() - cosine * angle.cos()).powi(2)
        })
        .sum();
    10.0 * (half * (sine * sine + cosine * cosine) / noise.max(1e-9)).log10()
}
