//! Opens the sockets of SIP over UDP, TCP and TLS, and takes connections in.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sip::transport::{DatagramLimits, Datagrams, Framer, Patience};
use sip::{FlowEnds, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::flows::Outbox;
use super::outgoing::Callers;
use super::run::{Signalling, Wish};
use super::stream;
use super::udp::{self, Audience, UdpPort};
use crate::clock::Clock;
use crate::config::Config;
use crate::http::accept::{Door, Limits, Place};
use crate::shutdown::Shutdown;
use crate::tls::Tls;

/// Connections that may wait to be taken in.
const BACKLOG: i32 = 1_024;
/// Room for a burst of datagrams while the socket's task waits for its turn.
const RECEIVE_BUFFER: usize = 1 << 20;

/// What a SIP peer may hold on to, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct SipLimits {
    /// Peers by UDP.
    pub datagrams: DatagramLimits,
    /// How long a peer by TCP or TLS may take for a message, and be silent.
    pub patience: Patience,
    /// How long such a peer may take nothing of what is written to it.
    pub write: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Of these, from one address.
    pub connections_per_address: usize,
}

impl Default for SipLimits {
    fn default() -> Self {
        SipLimits {
            datagrams: DatagramLimits::default(),
            patience: Patience::default(),
            write: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            connections: 10_000,
            connections_per_address: 500,
        }
    }
}

/// Where we listen for SIP; with the ports that were really taken where the settings said 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// Datagrams.
    pub udp: Vec<SocketAddr>,
    /// TCP connections.
    pub tcp: Vec<SocketAddr>,
    /// TLS connections.
    pub tls: Vec<SocketAddr>,
}

/// How we name ourselves on connections that we make.
#[derive(Clone, Debug)]
pub struct Names {
    /// What peers are told instead of the machine's own address.
    pub advertise: Option<String>,
    /// Where they can connect to us.
    pub listening: Listening,
}

impl Names {
    /// `host:port` for a connection from `local`: as advertised, with the port where we listen for others by the same
    /// transport; or our end of this very connection, by which the peer finds it again (RFC 5923 §2).
    pub(super) fn on(&self, transport: Transport, local: SocketAddr) -> String {
        let listening = match transport {
            Transport::Tcp => &self.listening.tcp[..],
            Transport::Tls => &self.listening.tls,
            Transport::Udp | Transport::Ws | Transport::Wss => return local.to_string(),
        };
        if self.advertise.is_none() {
            return local.to_string();
        }
        let of_its_family = listening.iter().find(|address| address.is_ipv4() == local.is_ipv4());
        let port = of_its_family.or(listening.first()).map_or(local.port(), SocketAddr::port);
        let ours = Local { listen: SocketAddr::new(local.ip(), port), advertise: self.advertise.clone() };
        ours.towards(local)
    }
}

/// Opens sockets for trunks alone: for peers to whom we speak first, and who cannot share a socket with others at
/// their address, or have none to share.
#[derive(Clone, Debug)]
pub struct OwnPorts {
    limits: SipLimits,
    advertise: Option<String>,
    signalling: Signalling,
    clock: Clock,
    shutdown: Shutdown,
}

impl OwnPorts {
    /// One for IPv4 and one for IPv6, as far as the machine has them.
    pub fn open(&self) -> Vec<UdpPort> {
        let anywhere = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
        let sockets = anywhere.iter().filter_map(|ip| udp_socket((*ip, 0).into()).ok());
        sockets.map(|(socket, address)| self.carry(socket, address, Audience::Trunks)).collect()
    }

    fn carry(&self, socket: UdpSocket, listen: SocketAddr, audience: Audience) -> UdpPort {
        let (port, orders) = UdpPort::new(Local { listen, advertise: self.advertise.clone() }, audience);
        let datagrams = Datagrams::new(self.limits.datagrams);
        let (signalling, shutdown) = (self.signalling.clone(), self.shutdown.clone());
        tokio::spawn(udp::carry(socket, (port.clone(), orders), datagrams, signalling, self.clock, shutdown));
        port
    }
}

/// Our sockets of SIP over UDP.
#[derive(Clone, Debug)]
pub struct UdpPorts {
    /// Those that we listen on.
    pub shared: Vec<UdpPort>,
    /// More.
    pub own: OwnPorts,
}

/// Starts to listen wherever the settings say.
///
/// # Errors
/// If an address cannot be used; in a demo that is a warning only.
pub fn listen(
    config: &Config,
    tls: Option<&Tls>,
    signalling: &Signalling,
    callers: &Callers,
    clock: Clock,
    shutdown: &Shutdown,
) -> anyhow::Result<(Listening, UdpPorts)> {
    let (settings, limits) = (&config.sip, config.sip.limits);
    let mut listening = Listening::default();
    let own = OwnPorts {
        limits,
        advertise: settings.advertise.clone(),
        signalling: signalling.clone(),
        clock,
        shutdown: shutdown.clone(),
    };
    let mut ports = UdpPorts { shared: Vec::new(), own };
    let local = |listen| Local { listen, advertise: settings.advertise.clone() };
    for address in settings.udp(config.demo) {
        let Some((socket, address)) = taken(udp_socket(address), address, config.demo)? else { continue };
        listening.udp.push(address);
        ports.shared.push(ports.own.carry(socket, address, Audience::Everybody));
    }
    let door = Arc::new(Door::new(Limits {
        connections: limits.connections,
        connections_per_address: limits.connections_per_address,
        ..Limits::default()
    }));
    let tcp = settings.tcp(config.demo).into_iter().map(|address| (address, None));
    let acceptor = tls.map(|tls| tls.sip_acceptor(callers.verifier()));
    let tls = settings.tls.iter().map(|address| (*address, acceptor.clone()));
    for (address, acceptor) in tcp.chain(tls) {
        let Some((listener, address)) = taken(tcp_listener(address), address, config.demo)? else { continue };
        if acceptor.is_some() { &mut listening.tls } else { &mut listening.tcp }.push(address);
        let entrance = Entrance {
            acceptor,
            callers: callers.clone(),
            local: local(address),
            limits,
            signalling: signalling.clone(),
            clock,
            shutdown: shutdown.clone(),
        };
        tokio::spawn(accept(listener, Arc::new(entrance), door.clone()));
    }
    if listening != Listening::default() {
        tracing::info!(udp = ?listening.udp, tcp = ?listening.tcp, tls = ?listening.tls, "listening for SIP");
    }
    Ok((listening, ports))
}

/// A demo shall start beside whatever uses the port.
fn taken<S>(opened: io::Result<S>, address: SocketAddr, demo: bool) -> anyhow::Result<Option<S>> {
    match opened {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if demo => {
            tracing::warn!(%address, %error, "cannot listen for SIP there; set sip.udp and sip.tcp");
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("sip: cannot listen on {address}")),
    }
}

fn udp_socket(address: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let socket = bound(address, Type::DGRAM, Protocol::UDP)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let socket = UdpSocket::from_std(socket.into())?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

fn tcp_listener(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = bound(address, Type::STREAM, Protocol::TCP)?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn bound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        // so that `0.0.0.0` and `::` can stand side by side, and IPv4 addresses always look the same
        socket.set_only_v6(true)?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How we name ourselves to the peers of one socket.
#[derive(Clone, Debug)]
pub(super) struct Local {
    listen: SocketAddr,
    advertise: Option<String>,
}

impl Local {
    /// The address that we listen on.
    pub(super) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// `host:port` by which the peer at `remote` reaches us: as advertised, or the address that we listen on;
    /// where that is every address, the one from which the peer is reached.
    pub(super) fn towards(&self, remote: SocketAddr) -> String {
        let port = self.listen.port();
        if let Some(host) = &self.advertise {
            return match host.parse::<Ipv6Addr>() {
                Ok(v6) => format!("[{v6}]:{port}"),
                Err(_) => format!("{host}:{port}"),
            };
        }
        let unspecified = self.listen.ip().is_unspecified();
        let ip = unspecified.then(|| source_towards(remote)).flatten().unwrap_or(self.listen.ip());
        SocketAddr::new(ip, port).to_string()
    }
}

/// The address that the kernel would send from.
fn source_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// All that a connection by one listener needs.
struct Entrance {
    acceptor: Option<TlsAcceptor>,
    callers: Callers,
    local: Local,
    limits: SipLimits,
    signalling: Signalling,
    clock: Clock,
    shutdown: Shutdown,
}

async fn accept(listener: TcpListener, entrance: Arc<Entrance>, door: Arc<Door>) {
    loop {
        let accepted = tokio::select! {
            () = entrance.shutdown.begun() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly. The connection stays in the backlog; others end meanwhile.
                tracing::warn!(%error, "cannot take a SIP connection in");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        match door.let_in(remote.ip()) {
            Some(place) => drop(tokio::spawn(entrance.clone().let_in(stream, remote, place))),
            None => metrics::counter!("hotdesk_sip_connections_refused_total").increment(1),
        }
    }
}

impl Entrance {
    async fn let_in(self: Arc<Self>, stream: TcpStream, remote: SocketAddr, place: Place) {
        let _guard = self.shutdown.guard();
        let _ = stream.set_nodelay(true);
        match &self.acceptor {
            None => self.carry(stream, Transport::Tcp, remote, None).await,
            Some(acceptor) => match timeout(self.limits.handshake, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                    let certificate = self.callers.name_in(chain).map(str::to_owned);
                    self.carry(stream, Transport::Tls, remote, certificate).await;
                }
                failed => {
                    tracing::debug!(address = %remote.ip(), in_time = failed.is_ok(), "no TLS handshake");
                }
            },
        }
        drop(place);
    }

    async fn carry(
        &self,
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite,
        transport: Transport,
        remote: SocketAddr,
        certificate: Option<String>,
    ) {
        let flow = self.signalling.new_flow();
        let (outbox, frames, known) = Outbox::of_a_visitor();
        let ends = FlowEnds { local: self.local.towards(remote), remote };
        let opened = Wish::StrangerOpened {
            flow,
            transport,
            ends: Some(ends),
            certificate,
            source: None,
            uninvited: false,
            outbox,
        };
        if !self.signalling.tell(opened).await {
            return;
        }
        let framer = Framer::new(self.limits.patience, self.clock.now());
        let frames = (frames, Some(known));
        stream::carry(stream, flow, frames, &self.signalling, framer, self.limits.write, self.clock).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_families_can_listen_everywhere_on_one_port() {
        let (_v4, address) = tcp_listener("0.0.0.0:0".parse().unwrap()).unwrap();
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
        if std::net::TcpListener::bind("[::1]:0").is_ok() {
            tcp_listener(v6).unwrap();
        }
        let (_udp, address) = udp_socket("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(udp_socket(address).is_err());
        assert!(taken(udp_socket(address), address, true).unwrap().is_none(), "a demo does without");
        assert!(taken(udp_socket(address), address, false).is_err());
    }

    #[test]
    fn we_name_ourselves_as_the_peer_reaches_us() {
        let towards = |listen: &str, advertise: Option<&str>| {
            let local = Local { listen: listen.parse().unwrap(), advertise: advertise.map(str::to_owned) };
            local.towards("127.0.0.1:9".parse().unwrap())
        };
        assert_eq!(towards("192.0.2.1:5060", None), "192.0.2.1:5060");
        assert_eq!(towards("0.0.0.0:5070", None), "127.0.0.1:5070");
        assert_eq!(towards("0.0.0.0:5060", Some("sip.example.org")), "sip.example.org:5060");
        assert_eq!(towards("0.0.0.0:5060", Some("2001:db8::1")), "[2001:db8::1]:5060");
    }

    #[test]
    fn on_connections_that_we_make_we_are_called_as_advertised() {
        let on = |advertise: Option<&str>, tcp: &[&str], transport, local: &str| {
            let tcp = tcp.iter().map(|address| address.parse().unwrap()).collect();
            let listening = Listening { tcp, ..Listening::default() };
            let names = Names { advertise: advertise.map(str::to_owned), listening };
            names.on(transport, local.parse().unwrap())
        };
        let (tcp, local) = (["[::]:5070", "0.0.0.0:5060"], "10.0.0.2:41000");
        assert_eq!(on(None, &tcp, Transport::Tcp, local), local);
        assert_eq!(on(Some("203.0.113.7"), &tcp, Transport::Tcp, local), "203.0.113.7:5060");
        assert_eq!(on(Some("sip.example.org"), &tcp, Transport::Tcp, "[::1]:41000"), "sip.example.org:5070");
        assert_eq!(on(Some("2001:db8::1"), &tcp[..1], Transport::Tcp, local), "[2001:db8::1]:5070");
        assert_eq!(on(Some("203.0.113.7"), &[], Transport::Tcp, local), "203.0.113.7:41000");
        assert_eq!(on(Some("203.0.113.7"), &tcp, Transport::Tls, local), "203.0.113.7:41000");
        assert_eq!(on(Some("203.0.113.7"), &tcp, Transport::Wss, local), local);
    }
}
