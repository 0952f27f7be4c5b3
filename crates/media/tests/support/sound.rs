//! Tones, sent and heard by coders that are not those of the crate wherever there are others.

use std::f64::consts::TAU;

use audio_codec::{CodecType, create_decoder, create_encoder};
use media::Codec;

/// Says one tone without end.
pub struct Mouth {
    codec: Codec,
    pitch: f64,
    /// 0 dB is full scale.
    amplitude: f64,
    said: usize,
    encoder: AnyEncoder,
}

enum AnyEncoder {
    Opus(opus::Encoder),
    Other(Box<dyn audio_codec::Encoder>),
}

pub fn rate(codec: Codec) -> usize {
    match codec {
        Codec::Opus => 48_000,
        Codec::G722 => 16_000,
        Codec::Pcmu | Codec::Pcma => 8_000,
    }
}

fn kind(codec: Codec) -> CodecType {
    match codec {
        Codec::G722 => CodecType::G722,
        Codec::Pcma => CodecType::PCMA,
        _ => CodecType::PCMU,
    }
}

impl Mouth {
    /// A tone at -12 dB.
    pub fn new(codec: Codec, pitch: f64) -> Mouth {
        let encoder = match codec {
            Codec::Opus => AnyEncoder::Opus(
                opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Audio)
                    .expect("an encoder"),
            ),
            other => AnyEncoder::Other(create_encoder(kind(other))),
        };
        Mouth { codec, pitch, amplitude: 32_768.0 / 4.0, said: 0, encoder }
    }

    /// What 20 ms are on its clock.
    pub fn ticks(&self) -> u32 {
        self.codec.clock_rate() / 50
    }

    /// The payload of the next 20 ms.
    pub fn say(&mut self) -> Vec<u8> {
        let rate = rate(self.codec);
        let step = TAU * self.pitch / rate as f64;
        let sample = |index: usize| (self.amplitude * (step * index as f64).sin()).round() as i16;
        let samples: Vec<i16> = (self.said..self.said + rate / 50).map(sample).collect();
        self.said += samples.len();
        match &mut self.encoder {
            AnyEncoder::Opus(encoder) => encoder.encode_vec(&samples, 1275).expect("a payload"),
            AnyEncoder::Other(encoder) => encoder.encode(&samples),
        }
    }
}

/// What is heard of a stream's payloads.
pub fn listen<'a>(codec: Codec, payloads: impl IntoIterator<Item = &'a [u8]>) -> Vec<i16> {
    let mut heard = Vec::new();
    if codec == Codec::Opus {
        let mut decoder = opus::Decoder::new(48_000, opus::Channels::Mono).expect("a decoder");
        for payload in payloads {
            let mut samples = [0; 5760];
            let length = decoder.decode(payload, &mut samples, false).expect("Opus");
            heard.extend_from_slice(&samples[..length]);
        }
        return heard;
    }
    let mut decoder = create_decoder(kind(codec));
    for payload in payloads {
        heard.extend(decoder.decode(payload));
    }
    heard
}

/// How loud one pitch is, in dB below full scale (Goertzel, Hann window).
pub fn level_of(samples: &[i16], pitch: f64, codec: Codec) -> f64 {
    let angle = TAU * pitch / rate(codec) as f64;
    let (mut last, mut before) = (0.0_f64, 0.0_f64);
    for (index, sample) in samples.iter().enumerate() {
        let window = 1.0 - (TAU * index as f64 / samples.len() as f64).cos();
        let next = f64::from(*sample) / 32_768.0 * window + 2.0 * angle.cos() * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - 2.0 * angle.cos() * last * before;
    20.0 * (power.max(0.0).sqrt() * 2.0 / samples.len() as f64).max(1e-6).log10()
}

/// How loud it is in all, in dB below a square wave of full scale.
pub fn loudness(samples: &[i16]) -> f64 {
    let power: f64 = samples.iter().map(|sample| (f64::from(*sample) / 32_768.0).powi(2)).sum();
    10.0 * (power / samples.len().max(1) as f64).max(1e-12).log10()
}
