use std::cell::RefCell;

use desk::KeptCall;
use js_sys::Reflect;
use timing::Instant;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Storage, Window};

/// The kept session is forgotten with its tab: session storage, never local storage.
const TOKEN: &str = "hotdesk.token";
const LOGIN: &str = "hotdesk.login";
/// When the running calls began, for the page that comes after a reload.
const CALLS: &str = "hotdesk.calls";

pub(crate) fn window() -> Window {
    web_sys::window().expect("the page runs in a window")
}

/// Thirty-two bytes nobody can guess.
pub(crate) fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if let Ok(crypto) = window().crypto() {
        let _ = crypto.get_random_values_with_u8_array(&mut seed);
    }
    seed
}

/// Whether browsers trust this page with a microphone.
pub(crate) fn is_secure() -> bool {
    window().is_secure_context()
}

/// The URL of a WebSocket on the server that gave us this page, with the token if there is one.
pub(crate) fn socket_url(path: &str, token: Option<&str>) -> String {
    let location = window().location();
    let scheme = if location.protocol().is_ok_and(|protocol| protocol == "https:") { "wss" } else { "ws" };
    let host = location.host().unwrap_or_default();
    match token {
        Some(token) => {
            let token = String::from(js_sys::encode_uri_component(token));
            format!("{scheme}://{host}{path}?token={token}")
        }
        None => format!("{scheme}://{host}{path}"),
    }
}

/// Whether this page came by TLS.
pub(crate) fn is_tls() -> bool {
    window().location().protocol().is_ok_and(|protocol| protocol == "https:")
}

/// The login of the session that was kept over a reload.
pub(crate) fn kept_session() -> Option<String> {
    token()?;
    session_storage()?.get_item(LOGIN).ok().flatten()
}

pub(crate) fn token() -> Option<String> {
    session_storage()?.get_item(TOKEN).ok().flatten()
}

pub(crate) fn keep_session(login: &str, token: &str) {
    if let Some(storage) = session_storage() {
        let _ = storage.set_item(LOGIN, login);
        let _ = storage.set_item(TOKEN, token);
    }
}

pub(crate) fn forget_session() {
    if let Some(storage) = session_storage() {
        let _ = storage.remove_item(TOKEN);
        let _ = storage.remove_item(LOGIN);
        let _ = storage.remove_item(CALLS);
    }
}

/// The calls that ran before the page was loaded anew.
pub(crate) fn kept_calls() -> Vec<KeptCall> {
    let text = session_storage().and_then(|storage| storage.get_item(CALLS).ok().flatten());
    let kept = text.and_then(|text| serde_json::from_str(&text).ok());
    let kept: Vec<(String, u64, Option<u64>)> = kept.unwrap_or_default();
    kept.into_iter()
        .map(|(unique_id, started, answered)| KeptCall {
            unique_id,
            started: Instant::from_micros(started),
            answered: answered.map(Instant::from_micros),
        })
        .collect()
}

pub(crate) fn keep_calls(calls: &[KeptCall]) {
    let micros = |call: &KeptCall| (call.started.as_micros(), call.answered.map(Instant::as_micros));
    let kept = calls.iter().map(|call| (&call.unique_id, micros(call)));
    let kept: Vec<_> = kept.map(|(id, (started, answered))| (id, started, answered)).collect();
    if let (Some(storage), Ok(text)) = (session_storage(), serde_json::to_string(&kept)) {
        let _ = storage.set_item(CALLS, &text);
    }
}

/// A setting of this browser.
pub(crate) fn setting(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

fn session_storage() -> Option<Storage> {
    window().session_storage().ok().flatten()
}

/// Calls for the rest of the page's life when the network may have changed: back on line, another interface, or the page
/// back from where the browser had laid it aside.
pub(crate) fn on_network(changed: impl Fn() + Clone + 'static) {
    let window = window();
    listen(window.as_ref(), "online", {
        let changed = changed.clone();
        move |_| changed()
    });
    listen(window.as_ref(), "pageshow", {
        let changed = changed.clone();
        move |event| {
            if property(&event, "persisted").is_some_and(|persisted| persisted.is_truthy()) {
                changed();
            }
        }
    });
    // Only some browsers tell of another interface, and some call each new estimate of its speed a change.
    let Some(connection) = property(window.navigator().as_ref(), "connection") else { return };
    let Ok(target) = connection.clone().dyn_into::<web_sys::EventTarget>() else { return };
    let kind = move || property(&connection, "type").and_then(|kind| kind.as_string());
    let known = RefCell::new(kind());
    listen(&target, "change", move |_| {
        let kind = kind();
        if known.replace(kind.clone()) != kind {
            changed();
        }
    });
}

/// Calls for the rest of the page's life when the person does what makes browsers let sound out.
pub(crate) fn on_gesture(made: impl Fn() + Clone + 'static) {
    for event in ["pointerdown", "pointerup", "keydown"] {
        let made = made.clone();
        listen(window().as_ref(), event, move |_| made());
    }
}

fn listen(target: &web_sys::EventTarget, event: &str, call: impl FnMut(JsValue) + 'static) {
    let call: Closure<dyn FnMut(JsValue)> = Closure::new(call);
    let _ = target.add_event_listener_with_callback(event, call.as_ref().unchecked_ref());
    call.forget();
}

fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name)).ok()
}

/// Calls once when the page is left, until it is dropped.
pub(crate) struct PageHide {
    call: Closure<dyn FnMut()>,
}

impl PageHide {
    pub fn new(call: impl FnMut() + 'static) -> Self {
        let call: Closure<dyn FnMut()> = Closure::new(call);
        let _ = window().add_event_listener_with_callback("pagehide", call.as_ref().unchecked_ref());
        PageHide { call }
    }
}

impl Drop for PageHide {
    fn drop(&mut self) {
        let _ = window().remove_event_listener_with_callback("pagehide", self.call.as_ref().unchecked_ref());
    }
}
