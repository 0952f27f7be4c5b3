use web_sys::{AnalyserNode, MediaStream, MediaStreamAudioSourceNode};

use super::sound;

/// Samples looked at: 21 ms at 48 kHz, enough for the lowest voices.
const WINDOW: usize = 1024;

/// Hears a stream without playing it.
pub(crate) struct Ear {
    analyser: AnalyserNode,
    source: MediaStreamAudioSourceNode,
}

impl Ear {
    /// None where the browser has no Web Audio, or the stream has no sound.
    pub fn new(stream: &MediaStream) -> Option<Ear> {
        let context = sound::context()?;
        let source = context.create_media_stream_source(stream).ok()?;
        let analyser = context.create_analyser().ok()?;
        analyser.set_fft_size(2 * WINDOW as u32);
        source.connect_with_audio_node(&analyser).ok()?;
        Some(Ear { analyser, source })
    }

    /// Root mean square of the last 21 ms, 0 to 1 on a linear scale.
    pub fn rms(&self) -> f32 {
        let mut samples = [0.0f32; WINDOW];
        self.analyser.get_float_time_domain_data(&mut samples);
        (samples.iter().map(|sample| sample * sample).sum::<f32>() / WINDOW as f32).sqrt()
    }

    /// Levels of the frequency bins in decibels, `bins` of them from the lowest, each `sample rate / 2048` wide.
    pub fn spectrum(&self, bins: &mut [f32]) {
        self.analyser.get_float_frequency_data(bins);
    }

    /// The loudness for a meter: 0 at −60 dBFS and below, 1 at 0 dBFS.
    pub fn level(&self) -> f32 {
        meter(self.rms())
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let _ = self.source.disconnect();
    }
}

/// The place of a root mean square on a meter from −60 to 0 dBFS.
pub(crate) fn meter(rms: f32) -> f32 {
    if rms <= 0.0 { 0.0 } else { (1.0 + rms.log10() / 3.0).clamp(0.0, 1.0) }
}
