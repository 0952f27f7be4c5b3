//! SIP over TCP and TLS: one connection, one flow (RFC 3261 §18.3, RFC 5626 §4.4.1).

use std::time::Duration;

use sip::FlowId;
use sip::transport::{Framer, Overdue, PONG, Piece};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink, split};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::flows::Known;
use super::run::{Signalling, Wish};
use crate::clock::Clock;
use crate::socket::{Outgoing, Pace};

/// Bytes that are read at once.
const PORTION: usize = 8 * 1024;
/// How long a peer may take to close its half too.
const CLOSING_TIME: Duration = Duration::from_secs(2);

/// Carries a connection until either side ends it; a peer may take `write_time` to take what we say. The flow is open already, and closed when this returns.
///
/// While the loop's inbox is full nothing is read, which slows the peer down, and so is one that is not `known` and sends
/// faster than [`Pace`] allows. Bytes that cannot be cut into messages are refused and end the connection; so does the
/// end of `outbox`, behind what was in it.
pub(super) async fn carry(
    stream: impl AsyncRead + AsyncWrite,
    flow: FlowId,
    (mut outbox, known): (mpsc::Receiver<Outgoing>, Option<Known>),
    signalling: &Signalling,
    mut framer: Framer,
    write_time: Duration,
    clock: Clock,
) {
    let (mut reader, mut writer) = split(stream);
    let mut portion = vec![0; PORTION];
    let mut listening = true;
    let mut pace = Pace::new(Instant::now());
    loop {
        let wake = framer.poll_timeout();
        let is_known = known.as_ref().is_none_or(Known::is_so);
        let read_at = pace.ready_at();
        let may_read = is_known || read_at <= Instant::now();
        tokio::select! {
            outgoing = outbox.recv() => match outgoing {
                Some(Outgoing::Frame(bytes)) => {
                    if !write(&mut writer, &bytes, write_time).await { break }
                }
                Some(Outgoing::Close(..)) | None => {
                    // Closing with bytes unread would send a reset, which may overtake our last words.
                    let _ = timeout(CLOSING_TIME, async {
                        let _ = writer.shutdown().await;
                        copy(&mut reader, &mut sink()).await
                    }).await;
                    break;
                }
            },
            read = reader.read(&mut portion), if listening && may_read => {
                let Ok(length) = read else { break };
                framer.handle_bytes(&portion[..length], clock.now());
                let (mut pings, mut messages) = (0, 0);
                listening = length > 0;
                while let Some(piece) = framer.poll_piece() {
                    messages += 1;
                    match piece {
                        Piece::Message(bytes) => { signalling.tell(Wish::Message { flow, bytes }).await; }
                        Piece::Ping => pings += 1,
                        Piece::Broken(bytes) => {
                            signalling.tell(Wish::Message { flow, bytes }).await;
                            listening = false;
                        }
                    }
                }
                if !is_known {
                    pace.take(messages, length, Instant::now());
                }
                if pings > 0 && !write(&mut writer, &PONG.repeat(pings), write_time).await { break }
                if !listening {
                    // It may wait for an answer: the loop lets go of us behind that.
                    signalling.tell(Wish::FlowClosed { flow }).await;
                }
            },
            () = sleep_until(read_at), if listening && !may_read => {}
            () = clock.sleep_until(Some(wake)), if listening && may_read => match framer.handle_timeout(clock.now()) {
                Some(Overdue::Message) => break,
                Some(Overdue::Idle) => { signalling.tell(Wish::FlowIdle { flow }).await; }
                None => {}
            },
        }
    }
    if listening {
        signalling.tell(Wish::FlowClosed { flow }).await;
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8], time: Duration) -> bool {
    let written = timeout(time, async {
        writer.write_all(bytes).await?;
        writer.flush().await
    });
    matches!(written.await, Ok(Ok(())))
}
