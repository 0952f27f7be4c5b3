use softphone::MediaFailure;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DomException, MediaStream, MediaStreamConstraints, MediaStreamTrack, MediaTrackConstraints};

use super::page::{setting, window};

/// Set to `off` it takes the voice as it is, for those who play music or test with tones; the three helpers of the
/// browser (echo cancellation, noise suppression, gain control) are on otherwise.
const PROCESSING: &str = "hotdesk.processing";

/// The open microphone. Dropping it gives it back, and the browser's recording mark goes out.
pub(crate) struct Microphone {
    stream: MediaStream,
    track: MediaStreamTrack,
}

impl Microphone {
    /// Asks for it; the browser may ask the person.
    pub async fn open() -> Result<Microphone, MediaFailure> {
        let stream = JsFuture::from(request()?).await.map_err(|error| failure(error.dyn_ref()))?;
        let stream: MediaStream = stream.dyn_into().map_err(|_| MediaFailure::MicrophoneMissing)?;
        let track =
            stream.get_audio_tracks().get(0).dyn_into().map_err(|_| MediaFailure::MicrophoneMissing)?;
        Ok(Microphone { stream, track })
    }

    pub fn stream(&self) -> &MediaStream {
        &self.stream
    }

    pub fn track(&self) -> &MediaStreamTrack {
        &self.track
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.track.set_onended(None);
        self.track.stop();
    }
}

fn request() -> Result<js_sys::Promise, MediaFailure> {
    if !window().is_secure_context() {
        return Err(MediaFailure::InsecurePage);
    }
    let devices = window().navigator().media_devices().map_err(|_| MediaFailure::InsecurePage)?;
    let audio = MediaTrackConstraints::new();
    let processing = setting(PROCESSING).as_deref() != Some("off");
    audio.set_echo_cancellation_bool(processing);
    audio.set_noise_suppression_bool(processing);
    audio.set_auto_gain_control_bool(processing);
    let constraints = MediaStreamConstraints::new();
    constraints.set_audio_media_track_constraints(&audio);
    devices.get_user_media_with_constraints(&constraints).map_err(|error| failure(error.dyn_ref()))
}

/// The kinds of refusal of `getUserMedia` (W3C Media Capture and Streams §10.2).
fn failure(error: Option<&DomException>) -> MediaFailure {
    match error.map(DomException::name).as_deref() {
        Some("NotFoundError" | "OverconstrainedError") => MediaFailure::MicrophoneMissing,
        Some("NotReadableError" | "AbortError") => MediaFailure::MicrophoneBusy,
        _ => MediaFailure::MicrophoneRefused,
    }
}
