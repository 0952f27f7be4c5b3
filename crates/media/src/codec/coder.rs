//! From samples to payloads and back, whatever the codec.

use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};

use super::conceal::Concealer;
use super::resample::Resampler;
use super::{Codec, g711};

/// 120 ms, the longest packet of any codec of ours (RFC 6716 §3.2.5), at 48 kHz.
const MOST_SAMPLES: usize = 5760;
/// Half of what libopus can do; beyond it, what is heard on a telephone changes little and the cost doubles.
const OPUS_COMPLEXITY: i32 = 5;
/// For how much loss to provide, in percent.
const OPUS_LOSS: i32 = 5;
/// More than any packet of 20 ms at that rate.
const MOST_BYTES: usize = 1275;

/// Why a stream cannot be encoded or decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libopus gives no coder for this rate")]
pub(crate) struct NoCoder;

impl Codec {
    /// The sampling rate of the codec itself, in Hz.
    pub(crate) const fn sampling_rate(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            Codec::G722 => 16_000,
            Codec::Pcmu | Codec::Pcma => 8_000,
        }
    }
}

/// Makes payloads from mono samples at one rate: 8, 16 or 48 kHz.
pub(crate) struct Encoder {
    kind: EncoderKind,
    resampler: Option<Resampler>,
    /// At the codec's rate.
    samples: Vec<i16>,
}

enum EncoderKind {
    Opus(opus::Encoder),
    G722(Box<G722Encoder>),
    Pcmu,
    Pcma,
}

impl Encoder {
    pub(crate) fn new(codec: Codec, rate: u32) -> Result<Encoder, NoCoder> {
        let kind = match codec {
            Codec::Opus => EncoderKind::Opus(opus_encoder(rate).map_err(|_| NoCoder)?),
            Codec::G722 => EncoderKind::G722(Box::default()),
            Codec::Pcmu => EncoderKind::Pcmu,
            Codec::Pcma => EncoderKind::Pcma,
        };
        // Opus takes any rate of ours
        let resampler = (codec != Codec::Opus).then(|| Resampler::new(rate, codec.sampling_rate())).flatten();
        Ok(Encoder { kind, resampler, samples: Vec::new() })
    }

    /// Takes samples at another rate from now on. Of the codec's state only Opus loses its own.
    pub(crate) fn set_rate(&mut self, rate: u32) -> Result<(), NoCoder> {
        match &mut self.kind {
            EncoderKind::Opus(encoder) => *encoder = opus_encoder(rate).map_err(|_| NoCoder)?,
            EncoderKind::G722(_) => self.resampler = Resampler::new(rate, Codec::G722.sampling_rate()),
            EncoderKind::Pcmu | EncoderKind::Pcma => {
                self.resampler = Resampler::new(rate, Codec::Pcmu.sampling_rate());
            }
        }
        Ok(())
    }

    /// The payload for 20 ms, appended to `payload`; nothing where the codec refuses the samples.
    pub(crate) fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) {
        let samples = match &mut self.resampler {
            Some(resampler) => {
                self.samples.clear();
                resampler.process(samples, &mut self.samples);
                &self.samples
            }
            None => samples,
        };
        let start = payload.len();
        match &mut self.kind {
            EncoderKind::Pcmu => payload.extend(samples.iter().map(|sample| g711::to_mu(*sample))),
            EncoderKind::Pcma => payload.extend(samples.iter().map(|sample| g711::to_a(*sample))),
            EncoderKind::G722(encoder) => {
                payload.resize(start + encoder.max_encode_bytes(samples.len()), 0);
                let length = encoder.encode_into(samples, &mut payload[start..]).unwrap_or(0);
                payload.truncate(start + length);
            }
            EncoderKind::Opus(encoder) => {
                payload.resize(start + MOST_BYTES, 0);
                let length = encoder.encode(samples, &mut payload[start..]).unwrap_or(0);
                payload.truncate(start + length);
            }
        }
    }
}

fn opus_encoder(rate: u32) -> opus::Result<opus::Encoder> {
    let mut encoder = opus::Encoder::new(rate, opus::Channels::Mono, opus::Application::Voip)?;
    encoder.set_bitrate(opus::Bitrate::Bits(opus_bitrate(rate)))?;
    encoder.set_complexity(OPUS_COMPLEXITY)?;
    encoder.set_inband_fec(true)?;
    encoder.set_packet_loss_perc(OPUS_LOSS)?;
    Ok(encoder)
}

/// What speech of this bandwidth takes (RFC 7587 §3.1.1), and some more for what repairs a loss.
fn opus_bitrate(rate: u32) -> i32 {
    match rate {
        ..=8_000 => 16_000,
        8_001..=16_000 => 24_000,
        _ => 32_000,
    }
}

/// Makes mono samples at one rate, 8, 16 or 48 kHz, from the payloads of one stream.
pub(crate) struct Decoder {
    kind: DecoderKind,
    resampler: Option<Resampler>,
    concealer: Concealer,
    /// At the codec's rate, or for Opus at the output's.
    samples: Vec<i16>,
    /// At the output's rate: how long the last packet was.
    packet: usize,
    /// 2.5 ms, of which Opus guesses any number (RFC 6716 §2.1.4).
    grain: usize,
}

enum DecoderKind {
    Opus(opus::Decoder),
    G722(Box<G722Decoder>),
    Pcmu,
    Pcma,
}

impl Decoder {
    pub(crate) fn new(codec: Codec, rate: u32) -> Result<Decoder, NoCoder> {
        let kind = match codec {
            Codec::Opus => {
                DecoderKind::Opus(opus::Decoder::new(rate, opus::Channels::Mono).map_err(|_| NoCoder)?)
            }
            Codec::G722 => DecoderKind::G722(Box::default()),
            Codec::Pcmu => DecoderKind::Pcmu,
            Codec::Pcma => DecoderKind::Pcma,
        };
        let resampler = (codec != Codec::Opus).then(|| Resampler::new(codec.sampling_rate(), rate)).flatten();
        let concealer = Concealer::new(rate);
        Ok(Decoder {
            kind,
            resampler,
            concealer,
            samples: Vec::new(),
            packet: rate as usize / 50,
            grain: rate as usize / 400,
        })
    }

    /// Makes samples at another rate from now on. Of the codec's state only Opus loses its own.
    pub(crate) fn set_rate(&mut self, rate: u32) -> Result<(), NoCoder> {
        match &mut self.kind {
            DecoderKind::Opus(decoder) => {
                *decoder = opus::Decoder::new(rate, opus::Channels::Mono).map_err(|_| NoCoder)?;
            }
            DecoderKind::G722(_) => self.resampler = Resampler::new(Codec::G722.sampling_rate(), rate),
            DecoderKind::Pcmu | DecoderKind::Pcma => {
                self.resampler = Resampler::new(Codec::Pcmu.sampling_rate(), rate);
            }
        }
        self.packet = self.packet * rate as usize / (self.grain * 400);
        self.grain = rate as usize / 400;
        self.concealer = Concealer::new(rate);
        Ok(())
    }

    /// How many samples the last packet had; 20 ms before there was one.
    pub(crate) fn packet(&self) -> usize {
        self.packet
    }

    /// Appends what a payload holds; a payload that is none counts as lost.
    pub(crate) fn decode(&mut self, payload: &[u8], output: &mut Vec<i16>) {
        let start = output.len();
        if !self.read(payload, false, output) || output.len() == start {
            output.truncate(start);
            return self.conceal(self.packet, output);
        }
        self.packet = output.len() - start;
        self.concealer.heard(&mut output[start..]);
    }

    /// Appends a guess at `length` samples that are missing, or a little more.
    pub(crate) fn conceal(&mut self, length: usize, output: &mut Vec<i16>) {
        if let DecoderKind::Opus(decoder) = &mut self.kind {
            let start = output.len();
            output.resize(start + length.next_multiple_of(self.grain), 0);
            // an empty payload stands for a lost one
            if decoder.decode(&[], &mut output[start..], false).is_ok() {
                return self.concealer.heard(&mut output[start..]);
            }
            output.truncate(start);
        }
        self.concealer.guess(length, output);
    }

    /// Appends what the packet after a lost one says of it, or a guess (RFC 6716 §2.1.7).
    pub(crate) fn repair(&mut self, next: &[u8], output: &mut Vec<i16>) {
        let start = output.len();
        if matches!(self.kind, DecoderKind::Opus(_)) && self.read(next, true, output) {
            return self.concealer.heard(&mut output[start..]);
        }
        output.truncate(start);
        self.conceal(self.packet, output);
    }

    fn read(&mut self, payload: &[u8], lost_before: bool, output: &mut Vec<i16>) -> bool {
        if payload.is_empty() {
            return false;
        }
        self.samples.clear();
        match &mut self.kind {
            DecoderKind::Opus(decoder) => {
                let start = output.len();
                let room = if lost_before { self.packet } else { MOST_SAMPLES };
                output.resize(start + room, 0);
                let read = decoder.decode(payload, &mut output[start..], lost_before);
                output.truncate(start + read.as_ref().map_or(0, |length| *length));
                return read.is_ok();
            }
            DecoderKind::G722(decoder) => {
                self.samples.resize(decoder.max_decode_samples(payload.len()), 0);
                let read = decoder.decode_into(payload, &mut self.samples);
                self.samples.truncate(read.unwrap_or(0));
            }
            DecoderKind::Pcmu => self.samples.extend(payload.iter().map(|code| g711::from_mu(*code))),
            DecoderKind::Pcma => self.samples.extend(payload.iter().map(|code| g711::from_a(*code))),
        }
        match &mut self.resampler {
            Some(resampler) => resampler.process(&self.samples, output),
            None => output.extend_from_slice(&self.samples),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::probe::{level_of, purity, tone};

    /// A second of a tone through an encoder at one rate and a decoder at another; how loud and how pure it is.
    fn through(codec: Codec, from: u32, to: u32, frequency: f64) -> (f64, f64) {
        let mut encoder = Encoder::new(codec, from).expect("an encoder");
        let mut decoder = Decoder::new(codec, to).expect("a decoder");
        let mut output = Vec::new();
        for step in tone(frequency, 10_000.0, from, from as usize).chunks(from as usize / 50) {
            let mut payload = Vec::new();
            encoder.encode(step, &mut payload);
            assert!(!payload.is_empty());
            decoder.decode(&payload, &mut output);
        }
        assert_eq!((output.len(), decoder.packet()), (to as usize, to as usize / 50));
        let settled = &output[to as usize / 2..];
        (level_of(settled, frequency, to) - 80.0, purity(settled, frequency, to))
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_level_through_every_codec_at_every_rate() {
        for codec in Codec::ALL {
            for from in [8_000, 16_000, 48_000] {
                for to in [8_000, 16_000, 48_000] {
                    for frequency in [300.0, 1000.0, 2600.0] {
                        let (level, purity) = through(codec, from, to, frequency);
                        let wanted = if codec == Codec::Opus { 12.0 } else { 27.0 };
                        let what = format!("{codec:?} {from} to {to}, {frequency}: {level} dB, {purity} dB");
                        assert!(level.abs() < 1.0 && purity > wanted, "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn wideband_codecs_carry_what_a_telephone_cannot() {
        for codec in [Codec::Opus, Codec::G722] {
            let (level, _) = through(codec, 16_000, 16_000, 6000.0);
            assert!(level.abs() < 2.0, "{codec:?}: {level} dB");
        }
    }

    /// A saw-tooth, as another implementation of G.722 encodes it, once both have found into it.
    #[test]
    fn g722_writes_what_others_write() {
        let saw: Vec<i16> = (0..320_i32).map(|index| (((index * 97) % 512 - 256) * 100) as i16).collect();
        let mut payload = Vec::new();
        Encoder::new(Codec::G722, 16_000).expect("an encoder").encode(&saw, &mut payload);
        let hex: String = payload.iter().map(|code| format!("{code:02x}")).collect();
        let known = "8d2308ae9d0625ad90230aadbc882a07902310ecb5cd2a099623196ab0d2280a7896c7f1a953260e719b49eba5dc23\
                     176cbdce320ace253e6ab0542a0b5b90c8f5a955271071974af4a67f24116d9f4f3b09cc283e6bb3572f0dd4252fe6\
                     ab7b261172954bfda87f26116c98d03f08cc2a3b6bbd52740acf2b3167b05e2a10759049dcaa7827106d984df5a670\
                     24136abad779098e2b74";
        assert!(hex.len() == 320 && hex.ends_with(known), "{hex}");
    }

    #[test]
    fn whatever_a_payload_holds_the_decoder_goes_on() {
        let mut seed = 1_u32;
        for codec in Codec::ALL {
            let mut decoder = Decoder::new(codec, 8_000).expect("a decoder");
            for length in (0..200).chain([1000, 1300]) {
                let payload: Vec<u8> = (0..length)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (seed >> 24) as u8
                    })
                    .collect();
                let mut output = Vec::new();
                decoder.decode(&payload, &mut output);
                decoder.repair(&payload, &mut output);
                decoder.conceal(100, &mut output);
                assert!(!output.is_empty() && output.len() <= 3 * MOST_SAMPLES, "{codec:?} {length}");
            }
        }
    }

    #[test]
    fn a_lost_packet_is_bridged_and_a_lost_stream_fades() {
        for codec in Codec::ALL {
            let rate = codec.sampling_rate();
            let step = rate as usize / 50;
            let mut encoder = Encoder::new(codec, rate).expect("an encoder");
            let mut decoder = Decoder::new(codec, rate).expect("a decoder");
            let mut output = Vec::new();
            for (index, samples) in tone(400.0, 10_000.0, rate, step * 40).chunks(step).enumerate() {
                let mut payload = Vec::new();
                encoder.encode(samples, &mut payload);
                match index {
                    20 => decoder.conceal(step, &mut output),
                    _ => decoder.decode(&payload, &mut output),
                }
            }
            assert_eq!(output.len(), step * 40);
            let guessed = level_of(&output[step * 20..step * 21], 400.0, rate) - 80.0;
            assert!(guessed.abs() < 6.0, "{codec:?}: {guessed} dB");
            for _ in 0..25 {
                decoder.conceal(step, &mut output);
            }
            let last = &output[output.len() - step..];
            assert!(last.iter().all(|sample| sample.abs() < 300), "{codec:?}: {:?}", last.iter().max());
        }
    }
}
