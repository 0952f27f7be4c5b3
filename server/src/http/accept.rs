//! Takes connections in, with a limit and a deadline on everything a stranger can hold on to.
//!
//! `axum::serve` has no deadline for request headers, so this loop is our own, on hyper. HTTP/1.1 only: WebSockets
//! are upgraded from it, and the pages are few enough files not to miss HTTP/2.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, timeout};
use tower::ServiceExt as _;

use super::Peer;
use crate::auth::network_of;
use crate::shutdown::Shutdown;
use crate::tls::Tls;

/// What a client may hold on to, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the connection to its first byte, and again to the end of the TLS handshake.
    pub handshake: Duration,
    /// From one request's end (or the connection) to the end of the next request's headers.
    pub headers: Duration,
    /// How long a client may take nothing of what we write.
    pub write_stall: Duration,
    /// Connections open at once.
    pub connections: usize,
    /// Of these, from one address; an IPv6 /64 is one address.
    pub connections_per_address: usize,
    /// Addresses that are not counted: our proxies bring everybody's connections.
    pub uncounted: Vec<IpAddr>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
            connections: 20_000,
            connections_per_address: 500,
            uncounted: Vec::new(),
        }
    }
}

/// One line about being full in so long a time is enough.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// Serves `router` on `listener` until the server stops.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) {
    let door = Arc::new(Door::new(limits));
    let mut complained_at: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = shutdown.begun() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly. The connection stays in the backlog; others end meanwhile.
                if complained_at.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                    complained_at = Some(Instant::now());
                    tracing::warn!(%error, "cannot take connections in");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(place) = door.let_in(remote.ip()) else {
            metrics::counter!("hotdesk_connections_refused_total").increment(1);
            continue;
        };
        let connection = Connection {
            tls: tls.clone(),
            router: router.clone(),
            limits: door.limits.clone(),
            remote,
            shutdown: shutdown.clone(),
        };
        tokio::spawn(async move {
            if let Err(error) = connection.run(stream, place).await {
                tracing::debug!(address = %remote.ip(), %error, "connection ended");
            }
        });
    }
}

struct Connection {
    tls: Option<Tls>,
    router: Router,
    limits: Limits,
    remote: SocketAddr,
    shutdown: Shutdown,
}

impl Connection {
    async fn run(self, stream: TcpStream, place: Place) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return self.speak_http(stream, place).await;
        };
        if timeout(self.limits.handshake, first_byte(&stream)).await?? != TLS_HANDSHAKE {
            return explain_tls(stream).await;
        }
        let stream = timeout(self.limits.handshake, tls.acceptor().accept(stream)).await??;
        self.speak_http(stream, place).await
    }

    async fn speak_http<S>(self, stream: S, place: Place) -> anyhow::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let guard = self.shutdown.guard();
        let peer = Peer::direct(self.remote, self.tls.is_some());
        let router = self.router;
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            router.clone().oneshot(request)
        });
        let stream = Watched::new(stream, self.limits.write_stall, place);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.headers)
            .max_headers(100)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            () = self.shutdown.begun() => connection.as_mut().graceful_shutdown(),
        }
        let ended = connection.await;
        drop(guard);
        Ok(ended?)
    }
}

/// The first byte of a TLS connection: the content type `handshake` (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

async fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0]),
    }
}

/// Somebody typed `http://` for `https://`; a bare disconnect would leave him guessing.
async fn explain_tls(mut stream: TcpStream) -> anyhow::Result<()> {
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
                  This port speaks TLS: use an address that begins with https://\n";
    timeout(Duration::from_secs(2), async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Closing with the request unread would send a reset, which may overtake the answer.
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    })
    .await??;
    Ok(())
}

/// Counts who is inside.
pub(crate) struct Door {
    limits: Limits,
    places: Arc<Semaphore>,
    inside: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place; free again when dropped.
pub(crate) struct Place {
    address: Option<IpAddr>,
    inside: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Door {
    pub(crate) fn new(limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
        Door { limits, places, inside: Arc::default() }
    }

    /// A place for a connection from `address`, unless the house or that address is full.
    pub(crate) fn let_in(&self, address: IpAddr) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        let address = address.to_canonical();
        let counted = (!self.limits.uncounted.contains(&address)).then(|| network_of(address));
        if let Some(address) = counted {
            let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
            let count = inside.entry(address).or_default();
            if *count >= self.limits.connections_per_address {
                return None;
            }
            *count += 1;
        }
        metrics::gauge!("hotdesk_connections").increment(1);
        Some(Place { address: counted, inside: self.inside.clone(), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!("hotdesk_connections").decrement(1);
        let Some(address) = self.address else { return };
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = inside.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                inside.remove(&address);
            }
        }
    }
}

/// A stream that keeps its place at the door, also once it is a WebSocket, and gives a client up that does not read.
struct Watched<S> {
    stream: S,
    stall: Duration,
    given_up_at: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl<S> Watched<S> {
    fn new(stream: S, stall: Duration, place: Place) -> Self {
        Watched { stream, stall, given_up_at: None, _place: place }
    }

    fn judge<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.given_up_at = None;
            return written;
        }
        let stall = self.stall;
        let sleep = self.given_up_at.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        sleep
            .as_mut()
            .poll(context)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(shut, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn places_are_limited_and_come_back() {
        let limits = Limits { connections: 3, connections_per_address: 2, ..Limits::default() };
        let door = Door::new(limits);
        let first = door.let_in(A).unwrap();
        let _second = door.let_in(A).unwrap();
        assert!(door.let_in(A).is_none(), "this address is full");
        let _third = door.let_in(B).unwrap();
        assert!(door.let_in(B).is_none(), "the house is full");
        drop(first);
        assert!(door.let_in(A).is_some());
        assert_eq!(door.inside.lock().unwrap().len(), 2);
    }

    #[test]
    fn an_ipv6_household_is_one_address() {
        let door = Door::new(Limits { connections_per_address: 1, ..Limits::default() });
        let _place = door.let_in("2001:db8:1:2::1".parse().unwrap()).unwrap();
        assert!(door.let_in("2001:db8:1:2:ffff::2".parse().unwrap()).is_none());
        assert!(door.let_in("2001:db8:1:3::1".parse().unwrap()).is_some());
    }

    #[test]
    fn proxies_are_not_counted_by_address() {
        let door = Door::new(Limits { connections_per_address: 1, uncounted: vec![A], ..Limits::default() });
        let _places: Vec<Place> = (0..10).map(|_| door.let_in(A).unwrap()).collect();
    }
}
