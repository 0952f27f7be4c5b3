use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{BinaryType, MessageEvent, WebSocket};

/// What a socket says. After `Closed` it says nothing more.
pub(crate) enum SocketEvent {
    Opened,
    Text(String),
    Binary(Vec<u8>),
    Closed,
}

/// A WebSocket of this page. Dropping it closes it, and it says nothing any more.
pub(crate) struct Socket {
    number: u64,
    socket: WebSocket,
    _on_open: Closure<dyn FnMut()>,
    _on_close: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
}

impl Socket {
    /// Opens a socket; none if the URL or the sub-protocol is impossible.
    pub fn open(
        number: u64,
        url: &str,
        protocol: Option<&str>,
        say: impl Fn(SocketEvent) + Clone + 'static,
    ) -> Option<Socket> {
        let socket = match protocol {
            Some(protocol) => WebSocket::new_with_str(url, protocol),
            None => WebSocket::new(url),
        }
        .ok()?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let on_open: Closure<dyn FnMut()> = Closure::new({
            let say = say.clone();
            move || say(SocketEvent::Opened)
        });
        // An error is always followed by a close.
        let on_close: Closure<dyn FnMut()> = Closure::new({
            let say = say.clone();
            move || say(SocketEvent::Closed)
        });
        let on_message: Closure<dyn FnMut(MessageEvent)> = Closure::new(move |event: MessageEvent| {
            let data = event.data();
            match data.as_string() {
                Some(text) => say(SocketEvent::Text(text)),
                None => say(SocketEvent::Binary(js_sys::Uint8Array::new(&data).to_vec())),
            }
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        Some(Socket { number, socket, _on_open: on_open, _on_close: on_close, _on_message: on_message })
    }

    /// By this its messages are told from those of an older socket.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Sends one text message; without effect while the socket is not open.
    pub fn send_text(&self, text: &str) {
        let _ = self.socket.send_with_str(text);
    }

    /// Sends one message, as text if it is text.
    pub fn send(&self, bytes: &[u8]) {
        let _ = match std::str::from_utf8(bytes) {
            Ok(text) => self.socket.send_with_str(text),
            Err(_) => self.socket.send_with_u8_array(bytes),
        };
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onclose(None);
        self.socket.set_onmessage(None);
        let _ = self.socket.close();
    }
}
