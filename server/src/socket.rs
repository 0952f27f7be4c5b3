//! One WebSocket, whatever it carries: frames in, frames out, and an end for peers that are gone or do not read.

use std::pin::pin;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use crate::auth::Ended;

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

/// Carries a WebSocket until either side ends it, or `ended` says that its login is over. Each message goes to `inbox`
/// in the form that `wish` gives it; while that is full, or the peer sends faster than [`Pace`] allows, nothing is
/// read, which slows the peer down. A message that `wish` makes nothing of ends it.
///
/// The socket is closed when `outbox` is: that is how a slow reader is dropped (close code 1013).
pub async fn carry<W>(
    socket: WebSocket,
    mut outbox: mpsc::Receiver<Outgoing>,
    inbox: &mpsc::Sender<W>,
    ended: impl Future<Output = Ended>,
    wish: impl Fn(Incoming) -> Option<W>,
) {
    let (mut sink, mut stream) = socket.split();
    let mut ended = pin!(ended);
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    let mut heard_at = Instant::now();
    let mut pace = Pace::new(heard_at);
    let mut is_broken = false;
    let (code, reason) = loop {
        let read_at = pace.ready_at();
        let may_read = read_at <= Instant::now();
        tokio::select! {
            outgoing = outbox.recv() => match outgoing {
                Some(Outgoing::Frame(bytes)) => {
                    if !write(&mut sink, message(bytes)).await { return }
                }
                Some(Outgoing::Close(code, reason)) => break (code, reason),
                None => break (1013, "too slow: connect again"),
            },
            incoming = stream.next(), if may_read => {
                heard_at = Instant::now();
                let incoming = match incoming {
                    Some(Ok(message)) => {
                        pace.take(1, length(&message), heard_at);
                        message
                    }
                    Some(Err(error)) => match close_code(error) {
                        Some(close) => {
                            is_broken = true;
                            break close;
                        }
                        None => return,
                    },
                    None => return,
                };
                let incoming = match incoming {
                    Message::Text(text) => Incoming::Text(text.as_str().to_owned()),
                    Message::Binary(bytes) => Incoming::Binary(bytes.to_vec()),
                    // reading on after a close, until the stream ends, lets the closing handshake finish
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
                };
                let Some(wish) = wish(incoming) else { break (1003, "this kind of message is not understood") };
                if inbox.send(wish).await.is_err() { break (1012, "the server is stopping") }
            }
            () = sleep_until(read_at), if !may_read => {}
            _ = pings.tick() => {
                if !write(&mut sink, Message::Ping(Default::default())).await { return }
            }
            () = sleep_until(heard_at + SILENT_FOR_TOO_LONG) => return,
            why = &mut ended => break match why {
                Ended::Login => (4401, "the login has ended"),
                Ended::Role => (1012, "the user has another role: connect again"),
            },
        }
    };
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    if write(&mut sink, Message::Close(Some(frame))).await {
        // the peer's half of the handshake; after an error it cannot be read, but it takes as long
        let _ = timeout(CLOSING_TIME, async {
            while let Some(Ok(_)) = stream.next().await {}
            if is_broken {
                std::future::pending::<()>().await;
            }
        })
        .await;
    }
}

/// What a peer is told that broke the protocol (RFC 6455 §7.4.1); nothing if it is simply gone.
fn close_code(error: axum::Error) -> Option<(u16, &'static str)> {
    match error.into_inner().downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Capacity(_) => Some((1009, "this message is too long")),
        tungstenite::Error::Utf8(_) => Some((1007, "a text message must be UTF-8")),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) => Some((1002, "this is against the WebSocket protocol")),
        _ => None,
    }
}

/// How fast a peer's messages are read: 200 at once and then 50 a second, and 256 KiB a second. A page needs a tenth
/// of that, and so does a phone that registers; one that sends more waits, and takes no turns from others.
pub struct Pace {
    messages: Bucket,
    bytes: Bucket,
}

/// A leaky bucket, kept as the instant at which it will be empty.
struct Bucket {
    per_second: f64,
    holds: Duration,
    empty_at: Instant,
}

impl Pace {
    /// For a peer that has sent nothing yet.
    pub fn new(now: Instant) -> Pace {
        let bucket = |per_second, holds| Bucket { per_second, holds, empty_at: now };
        Pace {
            messages: bucket(50.0, Duration::from_secs(4)),
            bytes: bucket(256.0 * 1024.0, Duration::from_secs(1)),
        }
    }

    /// So many messages and bytes have been read.
    pub fn take(&mut self, messages: usize, bytes: usize, now: Instant) {
        self.messages.pour(messages as f64, now);
        self.bytes.pour(bytes as f64, now);
    }

    /// When to read on.
    pub fn ready_at(&self) -> Instant {
        self.messages.ready_at().max(self.bytes.ready_at())
    }
}

impl Bucket {
    fn pour(&mut self, amount: f64, now: Instant) {
        self.empty_at = self.empty_at.max(now) + Duration::from_secs_f64(amount / self.per_second);
    }

    /// When there is room again.
    fn ready_at(&self) -> Instant {
        self.empty_at.checked_sub(self.holds).unwrap_or(self.empty_at)
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How many messages of that length are read within a minute from a peer that always has one more.
    fn read_in_a_minute(length: usize) -> usize {
        let begin = Instant::now() + Duration::from_secs(3600);
        let mut pace = Pace::new(begin);
        let mut read = 0;
        let mut now = begin;
        while now < begin + Duration::from_secs(60) {
            pace.take(1, length, now);
            read += 1;
            now = now.max(pace.ready_at());
        }
        read
    }

    #[test]
    fn a_peer_is_read_at_its_pace() {
        assert!((200 + 3_000..=200 + 3_001).contains(&read_in_a_minute(10)));
        assert!((4 + 240..=4 + 241).contains(&read_in_a_minute(65_536)));
    }

    #[test]
    fn a_pause_allows_another_burst() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        for later in [0, 10] {
            let now = begin + Duration::from_secs(later);
            for _ in 0..200 {
                assert!(pace.ready_at() <= now);
                pace.take(1, 0, now);
            }
        }
    }

    #[test]
    fn broken_protocols_have_their_close_codes() {
        let code = |error: tungstenite::Error| close_code(axum::Error::new(error)).map(|(code, _)| code);
        assert_eq!(code(tungstenite::Error::Utf8(String::new())), Some(1007));
        assert_eq!(code(tungstenite::Error::Protocol(ProtocolError::NonZeroReservedBits)), Some(1002));
        assert_eq!(code(tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), None);
        assert_eq!(code(tungstenite::Error::ConnectionClosed), None);
    }
}
