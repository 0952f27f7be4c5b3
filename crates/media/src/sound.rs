//! What we play to a party ourselves: tones, and music on hold. Both repeat for ever, and no seam is heard.

mod dtmf;
mod library;
mod music;
mod tone;

pub(crate) use dtmf::write_key;
pub(crate) use library::Library;

/// A sound of ours that a leg can be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sound {
    /// Music on hold, of our own composition: slow broken chords.
    Music,
    /// The called party is being alerted: 1 s on, 4 s off (ITU-T E.180 §4).
    Ringback,
    /// The called party is busy: 0.5 s on, 0.5 s off (§6).
    Busy,
    /// There is no way to the called party now: 0.25 s on, 0.25 s off (§7).
    Congestion,
    /// Another call waits: two short soft tones every five seconds (§9).
    Waiting,
}

impl Sound {
    /// After how many steps of 20 ms it repeats.
    fn steps(self) -> u64 {
        match self {
            Sound::Music => music::STEPS,
            tone => tone::cadence(tone).steps(),
        }
    }

    /// Appends the 20 ms at `step` of any round, at `rate` Hz.
    fn write(self, step: u64, rate: u32, samples: &mut Vec<i16>) {
        match self {
            Sound::Music => music::write(step, rate, samples),
            tone => tone::cadence(tone).write(step % tone.steps(), rate, samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::probe::level_of;

    const ALL: [Sound; 5] = [Sound::Music, Sound::Ringback, Sound::Busy, Sound::Congestion, Sound::Waiting];

    fn samples(sound: Sound, steps: std::ops::Range<u64>, rate: u32) -> Vec<i16> {
        let mut samples = Vec::new();
        steps.for_each(|step| sound.write(step, rate, &mut samples));
        samples
    }

    /// In dB below full scale.
    fn loudness(samples: &[i16]) -> f64 {
        let power: f64 = samples.iter().map(|sample| (f64::from(*sample) / 32_768.0).powi(2)).sum();
        10.0 * (power / samples.len() as f64).max(1e-12).log10()
    }

    #[test]
    fn tones_keep_their_cadence_and_pitch() {
        for (sound, cadence) in [
            (Sound::Ringback, &[(1000, true), (4000, false)][..]),
            (Sound::Busy, &[(500, true), (500, false)]),
            (Sound::Congestion, &[(250, true), (250, false)]),
            (Sound::Waiting, &[(200, true), (600, false), (200, true), (4000, false)]),
        ] {
            let samples = samples(sound, 0..2 * sound.steps(), 8000);
            let mut at = 0;
            for (ms, on) in cadence.iter().chain(cadence) {
                let part = &samples[at * 8..(at + ms) * 8];
                let loudness = loudness(part);
                match on {
                    true => {
                        let level = level_of(part, 425.0, 8000) - 20.0 * 32_768_f64.log10() - 3.0;
                        assert!((level - loudness).abs() < 0.6, "{sound:?} {ms}: {level} of {loudness}");
                        assert!((-30.0..-15.0).contains(&loudness), "{sound:?} {ms}: {loudness}");
                    }
                    false => assert!(loudness < -100.0, "{sound:?} {ms}: {loudness}"),
                }
                at += ms;
            }
            assert_eq!(at * 8, samples.len());
        }
    }

    #[test]
    fn nothing_clicks_where_it_begins_ends_or_repeats() {
        for sound in ALL {
            let samples = samples(sound, 0..sound.steps() + 5, 16_000);
            // a step of this height at 16 kHz would be heard as a click
            let steepest = samples
                .windows(3)
                .map(|three| (i32::from(three[0]) - 2 * i32::from(three[1]) + i32::from(three[2])).abs());
            let steepest = steepest.max().unwrap_or(0);
            assert!(steepest < 700, "{sound:?}: {steepest}");
            assert!(samples[0].abs() < 200, "{sound:?} begins softly");
        }
    }

    #[test]
    fn music_is_soft_and_even_and_within_what_a_telephone_carries() {
        let samples = samples(Sound::Music, 0..Sound::Music.steps(), 8000);
        let level = loudness(&samples);
        assert!((-25.0..-23.0).contains(&level), "{level}");
        for second in samples.chunks(8000) {
            let level = loudness(second);
            assert!((-32.0..-19.0).contains(&level), "{level}");
        }
        assert!(samples.iter().all(|sample| sample.abs() < 12_000));
        // the same at every rate: no partial is beyond a narrow band
        let wide = self::samples(Sound::Music, 0..100, 48_000);
        let narrow = self::samples(Sound::Music, 0..100, 8000);
        let off = wide.iter().step_by(6).zip(&narrow).map(|(wide, narrow)| (wide - narrow).abs()).max();
        assert!(off.is_some_and(|off| off < 40), "{off:?}");
    }
}
