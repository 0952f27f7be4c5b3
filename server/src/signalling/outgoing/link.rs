use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use sip::transport::{Framer, Patience};
use sip::{FlowEnds, FlowId, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsConnector;

use super::resolve::Target;
use super::{Connection, House, websocket};
use crate::auth::random_bytes;
use crate::signalling::flows::{Outbox, TRUNK_OUTBOX};
use crate::signalling::run::Wish;
use crate::signalling::stream;
use crate::signalling::udp::{UdpPeer, UdpPort};
use crate::socket::Outgoing;

/// How long a server may take for the handshakes of TCP, TLS and WebSocket, each.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long it may take to take what we say.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// RFC 5626 §3.5.1.
const PING: &[u8] = b"\r\n\r\n";

/// A way to a trunk's server, before it is carried.
pub(super) struct Way<'a> {
    pub connection: &'a Connection,
    pub house: &'a House,
    /// The trunk's own UDP sockets, once it needs any.
    pub own: &'a OnceLock<Vec<UdpPort>>,
    pub transport: Transport,
}

/// Connects to a server, and carries the connection until it ends.
///
/// # Errors
/// If it cannot be connected.
pub(super) async fn carry(
    connection: &Connection,
    target: Target,
    house: &House,
    own: &OnceLock<Vec<UdpPort>>,
) -> io::Result<()> {
    let way = Way { connection, house, own, transport: target.transport };
    match target.transport {
        Transport::Udp => way.by_udp(target.address).await,
        Transport::Tcp => {
            let (stream, ends) = connect(target, house).await?;
            way.by_stream(stream, ends).await
        }
        Transport::Tls => {
            let (stream, ends) = connect(target, house).await?;
            way.by_stream(secure(connection, stream).await?, ends).await
        }
        Transport::Ws => {
            let (stream, ends) = connect(target, house).await?;
            websocket::carry(&way, stream, ends).await
        }
        Transport::Wss => {
            let (stream, ends) = connect(target, house).await?;
            websocket::carry(&way, secure(connection, stream).await?, ends).await
        }
    }
}

async fn connect(Target { address, transport }: Target, house: &House) -> io::Result<(TcpStream, FlowEnds)> {
    let stream = timeout(HANDSHAKE, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    let ends = FlowEnds { local: house.names.on(transport, stream.local_addr()?), remote: address };
    Ok((stream, ends))
}

/// The name is verified that the trunk was configured with, never one that DNS gave (RFC 5922 §4).
async fn secure(
    connection: &Connection,
    stream: TcpStream,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let connector = TlsConnector::from(connection.trust.config());
    timeout(HANDSHAKE, connector.connect(connection.trust.name.clone(), stream)).await?
}

impl Way<'_> {
    /// Tells the switch of the flow. It is gone already where the server stops.
    pub async fn open(&self, flow: FlowId, ends: FlowEnds, outbox: Outbox) {
        let remote = ends.remote;
        tracing::debug!(
            trunk = self.connection.name,
            transport = self.transport.via_token(),
            %remote,
            "a trunk is connected"
        );
        let (trunk, transport) = (self.connection.trunk, self.transport);
        self.house.signalling.tell(Wish::TrunkOpened { trunk, flow, transport, ends, outbox }).await;
    }

    async fn by_stream(&self, stream: impl AsyncRead + AsyncWrite, ends: FlowEnds) -> io::Result<()> {
        let House { signalling, clock, .. } = self.house;
        let flow = signalling.new_flow();
        let (outbox, frames) = mpsc::channel(TRUNK_OUTBOX);
        let weak = outbox.downgrade();
        self.open(flow, ends, outbox.into()).await;
        let _guard = self.house.shutdown.guard();
        let framer = Framer::to_a_peer(Patience::default(), clock.now());
        let carried = stream::carry(stream, flow, (frames, None), signalling, framer, WRITE_TIME, *clock);
        tokio::select! {
            () = carried => Ok(()),
            () = self.every_so_often(|| match weak.upgrade() {
                // the switch has closed it; what is carried ends by itself
                None => {}
                Some(outbox) => drop(outbox.try_send(Outgoing::Frame(PING.to_vec()))),
            }) => Ok(()),
        }
    }

    /// By a socket that we listen on, so that requests come from the port to which calls are sent.
    async fn by_udp(&self, address: SocketAddr) -> io::Result<()> {
        let flow = self.house.signalling.new_flow();
        let shared = reach(&self.house.ports.shared, address, flow).await;
        let reached = match shared {
            Some(reached) => Some(reached),
            // another trunk is at this address, or there is nothing to share
            None => reach(self.own.get_or_init(|| self.house.ports.own.open()), address, flow).await,
        };
        let (port, peer, mut over) =
            reached.ok_or_else(|| io::Error::other("no UDP socket of ours can reach it"))?;
        let ends = FlowEnds { local: port.towards(address), remote: address };
        self.open(flow, ends, Outbox::Peer(peer)).await;
        let _guard = self.house.shutdown.guard();
        tokio::select! {
            _ = &mut over => Ok(()),
            () = self.every_so_often(|| {
                if self.connection.stun && let Ok(transaction) = random_bytes() {
                    port.say(address, flow, sip::transport::binding_request(transaction));
                }
            }) => Ok(()),
        }
    }

    /// Does something as often as the way is to be kept open; never ends.
    pub async fn every_so_often(&self, mut act: impl FnMut()) {
        let Some(every) = self.connection.keep_alive else { return std::future::pending().await };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            act();
        }
    }
}

/// Makes a flow by the first of our sockets that can; what comes out last tells when it is over.
async fn reach(
    ports: &[UdpPort],
    address: SocketAddr,
    flow: FlowId,
) -> Option<(&UdpPort, UdpPeer, oneshot::Receiver<()>)> {
    let (alive, over) = oneshot::channel();
    let port = ports.iter().find(|port| port.can_reach(address))?;
    Some((port, port.reach(address, flow, alive).await?, over))
}
