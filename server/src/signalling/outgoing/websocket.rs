//! SIP over WebSocket as a client (RFC 7118 §4).

use std::io;

use futures_util::{SinkExt as _, StreamExt as _};
use sip::FlowEnds;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::link::{HANDSHAKE, Way};
use crate::signalling::flows::TRUNK_OUTBOX;
use crate::signalling::run::Wish;
use crate::socket::Outgoing;

/// The largest SIP message there is for us.
const LARGEST: usize = 64 * 1024;
/// What may wait in the socket's own buffer.
const UNWRITTEN: usize = 1024 * 1024;

/// Carries a WebSocket until it ends.
///
/// # Errors
/// If the server does not agree to speak SIP.
pub(super) async fn carry(
    way: &Way<'_>,
    stream: impl AsyncRead + AsyncWrite + Unpin,
    ends: FlowEnds,
) -> io::Result<()> {
    let mut socket = shake_hands(way, stream).await?;
    let signalling = &way.house.signalling;
    let flow = signalling.new_flow();
    let (outbox, mut frames) = mpsc::channel(TRUNK_OUTBOX);
    let (beats, mut due) = mpsc::channel(1);
    way.open(flow, ends, outbox.into()).await;
    let _guard = way.house.shutdown.guard();
    let carried = async {
        loop {
            tokio::select! {
                outgoing = frames.recv() => match outgoing {
                    Some(Outgoing::Frame(bytes)) => {
                        let message = match String::from_utf8(bytes) {
                            Ok(text) => Message::text(text),
                            Err(bytes) => Message::binary(bytes.into_bytes()),
                        };
                        if !matches!(timeout(HANDSHAKE, socket.send(message)).await, Ok(Ok(()))) { break }
                    }
                    Some(Outgoing::Close(..)) | None => {
                        let _ = timeout(HANDSHAKE, socket.close(None)).await;
                        break;
                    }
                },
                Some(()) = due.recv() => {
                    if !matches!(timeout(HANDSHAKE, socket.send(Message::text("\r\n\r\n"))).await, Ok(Ok(()))) { break }
                }
                incoming = socket.next() => match incoming {
                    Some(Ok(Message::Text(text))) => {
                        signalling.tell(Wish::Message { flow, bytes: text.as_bytes().to_vec() }).await;
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        signalling.tell(Wish::Message { flow, bytes: bytes.to_vec() }).await;
                    }
                    // answered and counted by the library
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                },
            }
        }
    };
    tokio::select! {
        () = carried => {}
        () = way.every_so_often(|| {
            // one that waits is enough
            let _ = beats.try_send(());
        }) => {}
    }
    signalling.tell(Wish::FlowClosed { flow }).await;
    Ok(())
}

async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    way: &Way<'_>,
    stream: S,
) -> io::Result<WebSocketStream<S>> {
    let connection = way.connection;
    let scheme = if way.transport == sip::Transport::Wss { "wss" } else { "ws" };
    let host = if connection.host.contains(':') {
        format!("[{}]", connection.host)
    } else {
        connection.host.clone()
    };
    let port = connection.port.map(|port| format!(":{port}")).unwrap_or_default();
    let mut request = format!("{scheme}://{host}{port}{}", connection.path)
        .into_client_request()
        .map_err(io::Error::other)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
    let limits = WebSocketConfig::default()
        .max_message_size(Some(LARGEST))
        .max_frame_size(Some(LARGEST))
        .max_write_buffer_size(UNWRITTEN);
    let shaken = timeout(HANDSHAKE, client_async_with_config(request, stream, Some(limits))).await?;
    match shaken {
        Ok((socket, _)) => Ok(socket),
        // its text may hold what the server said
        Err(tungstenite::Error::Http(response)) => {
            Err(io::Error::other(format!("its WebSocket answers {}", response.status().as_u16())))
        }
        Err(error) => Err(io::Error::other(error)),
    }
}
