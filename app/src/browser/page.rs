use js_sys::Reflect;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Storage, Window};

/// The kept session is forgotten with its tab: session storage, never local storage.
const TOKEN: &str = "hotdesk.token";
const LOGIN: &str = "hotdesk.login";

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
    }
}

/// A setting of this browser.
pub(crate) fn setting(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

fn session_storage() -> Option<Storage> {
    window().session_storage().ok().flatten()
}

/// Calls for the rest of the page's life when the network may have changed: back on line, another interface, seen
/// again after sleep.
pub(crate) fn on_page(changed: impl Fn() + Clone + 'static) {
    let listen = |target: &JsValue, event: &str| {
        let Some(target) = target.dyn_ref::<web_sys::EventTarget>() else { return };
        let call: Closure<dyn FnMut()> = Closure::new(changed.clone());
        let _ = target.add_event_listener_with_callback(event, call.as_ref().unchecked_ref());
        call.forget();
    };
    listen(window().as_ref(), "online");
    listen(window().as_ref(), "pageshow");
    // Only some browsers tell of another interface.
    if let Ok(connection) = Reflect::get(window().navigator().as_ref(), &JsValue::from_str("connection")) {
        listen(&connection, "change");
    }
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
