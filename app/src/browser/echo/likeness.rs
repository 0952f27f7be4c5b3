/// Frequency bins compared, 23 Hz each: up to 6 kHz, where voices and tones are.
pub(super) const BINS: usize = 256;
/// How much of the memory stays from one look to the next; ten looks a second make it about a second long, so that the
/// delay of the path does not matter.
const MEMORY: f32 = 0.9;
/// A root mean square below which nothing was said: −55 dBFS.
const AUDIBLE: f32 = 0.001_8;
/// So many looks with our voice in them are needed before a judgement.
const ENOUGH: u32 = 10;
/// Two different tones or voices stay below, one and the same above.
const ALIKE: f32 = 0.6;

/// Whether what comes back is what went out, judged by their spectra over the last second.
#[derive(Clone)]
pub(super) struct Likeness {
    sent: Heard,
    returned: Heard,
}

#[derive(Clone)]
struct Heard {
    bins: [f32; BINS],
    audible: u32,
}

impl Likeness {
    pub fn new() -> Self {
        let silent = Heard { bins: [0.0; BINS], audible: 0 };
        Likeness { sent: silent.clone(), returned: silent }
    }

    /// Takes one look at both: loudness, and the spectrum in decibels.
    pub fn look(&mut self, sent: (f32, &[f32; BINS]), returned: (f32, &[f32; BINS])) {
        self.sent.look(sent.0, sent.1);
        self.returned.look(returned.0, returned.1);
    }

    /// How alike the two are, −1 to 1; none while too little was heard of one of them.
    pub fn matches(&self) -> Option<f32> {
        (self.sent.audible >= ENOUGH && self.returned.audible >= ENOUGH / 2)
            .then(|| correlation(&self.sent.bins, &self.returned.bins))
    }

    /// Whether it is our own sound; none while we have not said enough.
    pub fn is_own(&self) -> Option<bool> {
        match self.matches() {
            Some(matches) => Some(matches >= ALIKE),
            // We spoke for three seconds, and nothing came.
            None => (self.sent.audible >= 3 * ENOUGH).then_some(false),
        }
    }

    /// Whether anything was sent that could be heard.
    pub fn spoke(&self) -> bool {
        self.sent.audible >= ENOUGH
    }

    /// Whether anything came back that can be heard.
    pub fn hears(&self) -> bool {
        self.returned.audible > 0
    }
}

impl Heard {
    fn look(&mut self, rms: f32, decibels: &[f32; BINS]) {
        if rms > AUDIBLE {
            self.audible += 1;
        }
        for (kept, decibel) in self.bins.iter_mut().zip(decibels) {
            let amplitude = if decibel.is_finite() { 10.0f32.powf(decibel / 20.0) } else { 0.0 };
            *kept = *kept * MEMORY + amplitude * (1.0 - MEMORY);
        }
    }
}

/// Pearson's correlation; 0 where one of the two is flat.
fn correlation(a: &[f32; BINS], b: &[f32; BINS]) -> f32 {
    let mean = |bins: &[f32; BINS]| bins.iter().sum::<f32>() / BINS as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut only_a, mut only_b) = (0.0f32, 0.0f32, 0.0f32);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        only_a += a * a;
        only_b += b * b;
    }
    let scale = (only_a * only_b).sqrt();
    if scale > 0.0 { both / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: f32 = 0.1;

    fn tone(bin: usize, decibels: f32) -> [f32; BINS] {
        let mut bins = [-100.0; BINS];
        bins[bin] = decibels;
        bins
    }

    fn after(looks: u32, sent: (f32, [f32; BINS]), returned: (f32, [f32; BINS])) -> Likeness {
        let mut likeness = Likeness::new();
        (0..looks).for_each(|_| likeness.look((sent.0, &sent.1), (returned.0, &returned.1)));
        likeness
    }

    #[test]
    fn our_own_tone_is_known_again_even_if_quieter() {
        let likeness = after(20, (LOUD, tone(40, -20.0)), (LOUD / 4.0, tone(40, -32.0)));
        assert_eq!(likeness.is_own(), Some(true));
    }

    #[test]
    fn a_foreign_tone_is_not_ours() {
        let likeness = after(20, (LOUD, tone(40, -20.0)), (LOUD, tone(90, -20.0)));
        assert_eq!(likeness.is_own(), Some(false));
    }

    #[test]
    fn nothing_is_judged_before_something_was_said() {
        assert_eq!(after(200, (0.0, tone(40, -100.0)), (LOUD, tone(40, -20.0))).is_own(), None);
        assert_eq!(after(5, (LOUD, tone(40, -20.0)), (LOUD, tone(40, -20.0))).is_own(), None);
    }

    #[test]
    fn silence_in_return_is_judged_after_three_seconds() {
        let silent = (0.0, [f32::NEG_INFINITY; BINS]);
        assert_eq!(after(20, (LOUD, tone(40, -20.0)), silent).is_own(), None);
        assert_eq!(after(30, (LOUD, tone(40, -20.0)), silent).is_own(), Some(false));
    }
}
