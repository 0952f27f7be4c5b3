//! Tones, sent and heard by coders that are not those of the crate wherever there are others.

use std::f64::consts::TAU;

use audio_codec::{CodecType, create_decoder, create_encoder};
use media::{Codec, Fact, Sdes};
use timing::Duration;

use super::phone::{Packet, Phone, at, packet, plain, sdp};
use super::{Heard, World, only};

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

pub fn number(codec: Codec) -> u8 {
    match codec {
        Codec::Opus => 111,
        Codec::G722 => 9,
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
    }
}

/// A phone that knows one codec.
pub fn phone(world: &mut World, leg: u64, address: &str, codec: Codec) -> Phone {
    let more = if codec == Codec::Opus { "a=rtpmap:111 opus/48000/2\r\n" } else { "" };
    let offer = sdp(at(address), more).replace("RTP/AVP 0", &format!("RTP/AVP {}", number(codec)));
    let style = plain(Sdes::Never, &at(address).ip().to_string());
    let (phone, _) = world.phone_offers(leg, address, style, &offer);
    world.facts.retain(|fact| !matches!(fact, Fact::AnswerMade { .. }));
    phone
}

pub fn world() -> World {
    World::with_ports(20_000..=20_199)
}

/// A connected browser, client and leg of one number.
pub fn browser(world: &mut World, number: u16, codec: Codec) {
    world.add_with(number, |config| {
        use str0m::format::{Codec as EngineCodec, FormatParams};
        use str0m::media::Frequency;
        let codecs = config.codec_config();
        codecs.enable_opus(true, false);
        codecs.enable_pcmu(true, false);
        let events = FormatParams::parse_line("0-16");
        codecs.add_config(101.into(), None, EngineCodec::Tele, Frequency::FORTY_EIGHT_KHZ, None, events);
        let events = FormatParams::parse_line("0-16");
        codecs.add_config(102.into(), None, EngineCodec::Tele, Frequency::EIGHT_KHZ, None, events);
    });
    world.call(number, only(codec));
    world.run_until_connected(&[number]);
}

pub fn is_unbroken(heard: &[Packet]) -> bool {
    let follows = |pair: &[Packet]| pair[1].sequence == pair[0].sequence.wrapping_add(1);
    heard.windows(2).all(|pair| follows(pair) && pair[1].ssrc == pair[0].ssrc)
}

pub fn is_whole(heard: &[Heard]) -> bool {
    heard.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1 && pair[1].ssrc == pair[0].ssrc)
}

pub fn at_phone(codec: Codec, packets: &[Packet]) -> Vec<i16> {
    let sound = packets.iter().filter(|packet| packet.payload_type == number(codec));
    listen(codec, sound.map(|packet| packet.payload.as_slice()))
}

pub fn at_browser(codec: Codec, packets: &[Heard]) -> Vec<i16> {
    let sound = packets.iter().filter(|packet| ![101, 102].contains(&packet.payload_type));
    listen(codec, sound.map(|packet| packet.payload.as_slice()))
}

/// Lets phones speak for a while, and browsers meanwhile.
pub fn talk(world: &mut World, steps: usize, phones: &mut [(&mut Phone, Codec, &mut Mouth)]) {
    for _ in 0..steps {
        for (phone, codec, mouth) in phones.iter_mut() {
            let payload = mouth.say();
            let bytes = packet(number(*codec), phone.sequence, phone.timestamp, phone.ssrc, &payload);
            phone.sequence = phone.sequence.wrapping_add(1);
            phone.timestamp = phone.timestamp.wrapping_add(mouth.ticks());
            world.deliver_to(phone.address, phone.server, &bytes);
        }
        world.run_for(Duration::from_millis(20));
    }
}
