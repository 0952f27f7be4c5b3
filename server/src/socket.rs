//! One WebSocket, whatever it carries: frames in, frames out, and an end for peers that are gone or do not read.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Proxies cut connections that are silent for 30 to 60 s.
const PING_EVERY: Duration = Duration::from_secs(15);
/// Two pings and what they would have brought back.
const SILENT_FOR_TOO_LONG: Duration = Duration::from_secs(40);
/// A peer whose connection takes no more bytes for this long is gone.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// How long a peer may take to say goodbye too.
const CLOSING_TIME: Duration = Duration::from_secs(2);
/// Frames that may wait for one peer; one that is further behind is closed and has to begin anew.
pub const OUTBOX: usize = 1_000;

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// One frame: text if it is UTF-8, binary otherwise.
    Frame(Vec<u8>),
    /// A closing handshake with this code and reason.
    Close(u16, &'static str),
}

/// What came in: one whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// Carries a WebSocket until either side ends it. Each message goes to `inbox` in the form that `wish` gives it;
/// while that is full nothing is read, which slows the peer down. A message that `wish` makes nothing of ends it.
///
/// The socket is closed when `outbox` is: that is how a slow reader is dropped (close code 1013).
pub async fn carry<W>(
    socket: WebSocket,
    mut outbox: mpsc::Receiver<Outgoing>,
    inbox: &mpsc::Sender<W>,
    wish: impl Fn(Incoming) -> Option<W>,
) {
    let (mut sink, mut stream) = socket.split();
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    let mut heard_at = Instant::now();
    let (code, reason) = loop {
        tokio::select! {
            outgoing = outbox.recv() => match outgoing {
                Some(Outgoing::Frame(bytes)) => {
                    if !write(&mut sink, message(bytes)).await { return }
                }
                Some(Outgoing::Close(code, reason)) => break (code, reason),
                None => break (1013, "too slow: connect again"),
            },
            incoming = stream.next() => {
                heard_at = Instant::now();
                let incoming = match incoming {
                    Some(Ok(Message::Text(text))) => Incoming::Text(text.as_str().to_owned()),
                    Some(Ok(Message::Binary(bytes))) => Incoming::Binary(bytes.to_vec()),
                    // reading on after a close, until the stream ends, lets the closing handshake finish
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => continue,
                    Some(Err(_)) | None => return,
                };
                let Some(wish) = wish(incoming) else { break (1003, "this kind of message is not understood") };
                if inbox.send(wish).await.is_err() { break (1012, "the server is stopping") }
            }
            _ = pings.tick() => {
                if heard_at.elapsed() > SILENT_FOR_TOO_LONG { return }
                if !write(&mut sink, Message::Ping(Default::default())).await { return }
            }
        }
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    if write(&mut sink, Message::Close(Some(frame))).await {
        // the peer's half of the handshake
        let _ = timeout(CLOSING_TIME, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    }
}

fn message(bytes: Vec<u8>) -> Message {
    match String::from_utf8(bytes) {
        Ok(text) => Message::Text(text.into()),
        Err(not_text) => Message::Binary(not_text.into_bytes().into()),
    }
}

async fn write(sink: &mut (impl futures_util::Sink<Message> + Unpin), message: Message) -> bool {
    matches!(timeout(WRITE_TIME, sink.send(message)).await, Ok(Ok(())))
}
