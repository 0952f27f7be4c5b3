use softphone::MediaFailure;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    DomException, MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStream, MediaStreamConstraints,
    MediaStreamTrack, MediaTrackConstraints, PermissionState, PermissionStatus,
};

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

    /// Tells what becomes of it, until the watch is dropped.
    pub fn watch(&self, say: impl Fn(MicrophoneEvent) + Clone + 'static) -> Watch {
        let call = |event: fn() -> MicrophoneEvent| -> Closure<dyn FnMut()> {
            let say = say.clone();
            Closure::new(move || say(event()))
        };
        let closures = [
            call(|| MicrophoneEvent::Ended),
            call(|| MicrophoneEvent::Silent(true)),
            call(|| MicrophoneEvent::Silent(false)),
        ];
        let track = self.track.clone();
        let [ended, mute, unmute] = closures.each_ref().map(|closure| Some(closure.as_ref().unchecked_ref()));
        track.set_onended(ended);
        track.set_onmute(mute);
        track.set_onunmute(unmute);
        Watch { track, _closures: closures }
    }

    pub fn track(&self) -> &MediaStreamTrack {
        &self.track
    }
}

impl Drop for Microphone {
    fn drop(&mut self) {
        self.track.stop();
    }
}

/// What becomes of an open microphone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MicrophoneEvent {
    /// It was pulled out, or the browser took it back.
    Ended,
    /// Whether the device gives nothing, though it is there.
    Silent(bool),
}

/// Hears what a microphone's track tells.
pub(crate) struct Watch {
    track: MediaStreamTrack,
    _closures: [Closure<dyn FnMut()>; 3],
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.track.set_onended(None);
        self.track.set_onmute(None);
        self.track.set_onunmute(None);
    }
}

/// Whether the page may use a microphone, if the browser tells without asking, and whether there is one.
pub(crate) async fn look() -> (Option<bool>, bool) {
    (is_allowed().await, is_present().await)
}

async fn is_allowed() -> Option<bool> {
    match permission().await?.state() {
        PermissionState::Granted => Some(true),
        PermissionState::Denied => Some(false),
        _ => None,
    }
}

/// None where the browser keeps this permission to itself.
async fn permission() -> Option<PermissionStatus> {
    let name = js_sys::Object::new();
    js_sys::Reflect::set(&name, &"name".into(), &"microphone".into()).ok()?;
    let asked = window().navigator().permissions().ok()?.query(&name).ok()?;
    JsFuture::from(asked).await.ok()?.dyn_into().ok()
}

/// Browsers name no devices before they have given one, but they tell of which kind there are.
async fn is_present() -> bool {
    let Some(devices) = devices() else { return false };
    let Ok(asked) = devices.enumerate_devices() else { return true };
    let Ok(found) = JsFuture::from(asked).await else { return true };
    js_sys::Array::from(&found).iter().any(|device| {
        device.dyn_into::<MediaDeviceInfo>().is_ok_and(|device| device.kind() == MediaDeviceKind::Audioinput)
    })
}

/// Calls for the rest of the page's life when devices come or go, and when the permission changes.
pub(crate) fn on_devices(changed: impl Fn() + Clone + 'static) {
    let call: Closure<dyn FnMut()> = Closure::new(changed.clone());
    if let Some(devices) = devices() {
        devices.set_ondevicechange(Some(call.as_ref().unchecked_ref()));
        call.forget();
    }
    spawn_local(async move {
        if let Some(permission) = permission().await {
            let call: Closure<dyn FnMut()> = Closure::new(changed);
            permission.set_onchange(Some(call.as_ref().unchecked_ref()));
            call.forget();
            // The browser tells for as long as the page keeps the status.
            std::mem::forget(permission);
        }
    });
}

/// None where the page is neither HTTPS nor localhost.
fn devices() -> Option<MediaDevices> {
    let window = window();
    window.is_secure_context().then(|| window.navigator().media_devices().ok()).flatten()
}

fn request() -> Result<js_sys::Promise, MediaFailure> {
    let devices = devices().ok_or(MediaFailure::InsecurePage)?;
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
