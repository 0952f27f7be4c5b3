//! Tones: made, and looked for in what was heard.

/// How much of the energy is at that frequency, from 0 to 1 (Goertzel).
pub fn share(samples: &[f64], rate: f64, hertz: f64) -> f64 {
    // in pieces of 50 ms, since a packet may be missing between two
    let coefficient = 2.0 * (hertz * std::f64::consts::TAU / rate).cos();
    let shares = samples.chunks_exact((rate / 20.0) as usize).map(|piece| {
        let (mut one, mut two) = (0.0, 0.0);
        for sample in piece {
            (two, one) = (one, sample + coefficient * one - two);
        }
        let power = one * one + two * two - coefficient * one * two;
        let energy: f64 = piece.iter().map(|sample| sample * sample).sum();
        if energy == 0.0 { 0.0 } else { 2.0 * power / (energy * piece.len() as f64) }
    });
    let shares: Vec<f64> = shares.collect();
    shares.iter().sum::<f64>() / shares.len() as f64
}

/// Whether the last half second is this tone before all, and loud enough to be meant.
pub fn is_tone(samples: &[f64], rate: f64, hertz: f64) -> bool {
    let length = (rate / 2.0) as usize;
    let Some(last) = samples.len().checked_sub(length).map(|from| &samples[from..]) else { return false };
    let loudness = last.iter().map(|sample| sample * sample).sum::<f64>() / length as f64;
    loudness > 100.0 * 100.0 && share(last, rate, hertz) > 0.5
}

/// Asserts that the end of this is the tone.
pub fn assert_tone((samples, rate): (Vec<f64>, f64), hertz: u32) {
    assert!(is_tone(&samples, rate, f64::from(hertz)), "no {hertz} Hz in {} samples", samples.len());
}

/// A WAV file of a minute of this tone.
pub fn wav(hertz: u32, rate: u32) -> Vec<u8> {
    let length = rate * 60;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + length * 2).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(rate.to_le_bytes());
    wav.extend((rate * 2).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((length * 2).to_le_bytes());
    for n in 0..length {
        let sample = sample(n, f64::from(rate), f64::from(hertz));
        wav.extend(((sample * 12_000.0) as i16).to_le_bytes());
    }
    wav
}

/// The samples of a WAV file of 16 bits, one channel or the first of them.
pub fn samples(wav: &[u8]) -> (Vec<f64>, f64) {
    if wav.len() < 44 {
        return (Vec::new(), 8_000.0);
    }
    let channels = usize::from(u16::from_le_bytes([wav[22], wav[23]])).max(1);
    let rate = f64::from(u32::from_le_bytes([wav[24], wav[25], wav[26], wav[27]]));
    let samples = wav[44..].chunks_exact(2 * channels);
    (samples.map(|frame| f64::from(i16::from_le_bytes([frame[0], frame[1]]))).collect(), rate)
}

/// One sample of a tone, at so many of them a second.
pub fn sample(at: u32, rate: f64, hertz: f64) -> f64 {
    (f64::from(at) * hertz * std::f64::consts::TAU / rate).sin()
}

#[test]
fn a_tone_is_told_from_noise() {
    let tone: Vec<f64> = (0..4_000).map(|at| (sample(at, 8_000.0, 440.0) * 8_000.0).round()).collect();
    assert!(share(&tone, 8_000.0, 440.0) > 0.95, "{}", share(&tone, 8_000.0, 440.0));
    assert!(share(&tone, 8_000.0, 620.0) < 0.1, "{}", share(&tone, 8_000.0, 620.0));
    let noise: Vec<f64> =
        (0..4_000_u32).map(|at| f64::from((at.wrapping_mul(2_654_435_761) >> 16) as i16)).collect();
    assert!(share(&noise, 8_000.0, 440.0) < 0.1, "{}", share(&noise, 8_000.0, 440.0));
}
