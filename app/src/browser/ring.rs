use timing::Duration;
use web_sys::{GainNode, OscillatorNode, OscillatorType};

use super::clock::{Every, every};
use super::sound;

/// Two tones a third apart carry through a noisy room without hurting.
const TONES: [f32; 2] = [440.0, 554.0];
/// −12 dBFS for the two together.
const LOUDNESS: f32 = 0.125;
/// Rings one second out of three.
const CADENCE: Duration = Duration::from_secs(3);
const RINGING_SECONDS: f64 = 1.0;

/// The bell, from its making until it is dropped.
pub(crate) struct Ring {
    _again: Every,
    voices: Vec<OscillatorNode>,
    gain: GainNode,
}

impl Ring {
    /// None where the browser has no Web Audio.
    pub fn start() -> Option<Ring> {
        let context = sound::context()?;
        let gain = context.create_gain().ok()?;
        gain.gain().set_value(0.0);
        gain.connect_with_audio_node(&context.destination()).ok()?;
        let mut voices = Vec::new();
        for hertz in TONES {
            let voice = context.create_oscillator().ok()?;
            voice.set_type(OscillatorType::Sine);
            voice.frequency().set_value(hertz);
            voice.connect_with_audio_node(&gain).ok()?;
            voice.start().ok()?;
            voices.push(voice);
        }
        let strike = {
            let gain = gain.gain();
            move || {
                let start = context.current_time();
                // Half a second of fade-in, so that nobody jumps.
                let _ = gain.set_value_at_time(0.0, start);
                let _ = gain.linear_ramp_to_value_at_time(LOUDNESS, start + RINGING_SECONDS / 2.0);
                let _ = gain.set_value_at_time(LOUDNESS, start + RINGING_SECONDS);
                let _ = gain.linear_ramp_to_value_at_time(0.0, start + RINGING_SECONDS + 0.05);
            }
        };
        strike();
        Some(Ring { _again: every(CADENCE, strike), voices, gain })
    }

    /// Whether it is heard; browsers keep a page silent that was never clicked.
    pub fn is_heard(&self) -> bool {
        sound::is_running()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        for voice in &self.voices {
            let _ = voice.stop();
            let _ = voice.disconnect();
        }
        let _ = self.gain.disconnect();
    }
}
