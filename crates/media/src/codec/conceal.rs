//! What is heard in the place of a lost packet: the last period of the voice again, ever softer (as in ITU-T
//! G.711 Appendix I).

/// Pitch periods that are looked for: from 400 Hz down to 66 Hz.
const SHORTEST_US: usize = 2_500;
const LONGEST_US: usize = 15_000;
/// Over how much of the past two periods are compared.
const COMPARED_US: usize = 10_000;
/// Full loudness for the first 10 ms, then down to nothing over 50 ms.
const HELD_US: usize = 10_000;
const FADE_US: usize = 50_000;
/// From the guess back to what came.
const JOIN_US: usize = 4_000;

/// Remembers what was heard of one stream, and guesses how it went on.
#[derive(Debug)]
pub(crate) struct Concealer {
    rate: usize,
    history: Vec<i16>,
    /// How many samples were guessed since something was heard.
    guessed: usize,
    period: usize,
}

impl Concealer {
    pub(crate) fn new(rate: u32) -> Concealer {
        let mut concealer = Concealer { rate: rate as usize, history: Vec::new(), guessed: 0, period: 1 };
        concealer.history = vec![0; concealer.remembered()];
        concealer
    }

    /// Takes what was decoded; after a guess, its beginning is joined to what the guess would have gone on with.
    pub(crate) fn heard(&mut self, samples: &mut [i16]) {
        if self.guessed > 0 {
            let length = self.samples(JOIN_US).min(samples.len());
            for (index, sample) in samples[..length].iter_mut().enumerate() {
                let guess = f32::from(self.next(self.guessed + index));
                let part = index as f32 / length as f32;
                *sample = (guess * (1.0 - part) + f32::from(*sample) * part) as i16;
            }
            self.guessed = 0;
        }
        self.remember(samples);
    }

    /// Appends a guess of `length` samples.
    pub(crate) fn guess(&mut self, length: usize, output: &mut Vec<i16>) {
        if self.guessed == 0 {
            self.period = self.pitch();
        }
        output.extend((self.guessed..self.guessed + length).map(|index| self.next(index)));
        self.guessed += length;
    }

    fn next(&self, index: usize) -> i16 {
        let sample = self.history[self.history.len() - self.period + index % self.period];
        let (held, fade) = (self.samples(HELD_US), self.samples(FADE_US));
        let left = (held + fade).saturating_sub(index).min(fade);
        (i64::from(sample) * left as i64 / fade as i64) as i16
    }

    /// The distance at which the recent past is most like itself.
    fn pitch(&self) -> usize {
        let (shortest, longest) = (self.samples(SHORTEST_US), self.samples(LONGEST_US));
        let compared = self.samples(COMPARED_US);
        // at 48 kHz every sixth sample will do to find it
        let stride = self.rate / 8_000;
        let end = self.history.len();
        let recent = &self.history[end - compared..];
        let likeness = |lag: usize| {
            let past = &self.history[end - compared - lag..];
            let pairs = recent.iter().zip(past).step_by(stride);
            let (mut product, mut power) = (0.0_f64, 1.0_f64);
            for (one, other) in pairs {
                product += f64::from(*one) * f64::from(*other);
                power += f64::from(*other) * f64::from(*other);
            }
            product / power.sqrt()
        };
        let best = (shortest..=longest).step_by(stride).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b)));
        best.unwrap_or(longest)
    }

    fn remember(&mut self, samples: &[i16]) {
        let kept = self.remembered();
        let samples = &samples[samples.len().saturating_sub(kept)..];
        self.history.drain(..samples.len());
        self.history.extend_from_slice(samples);
    }

    fn remembered(&self) -> usize {
        self.samples(COMPARED_US + LONGEST_US)
    }

    fn samples(&self, micros: usize) -> usize {
        self.rate * micros / 1_000_000
    }
}
