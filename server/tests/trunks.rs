//! Trunks on real sockets: our own user agent as the peer by every transport, sipp as carrier and as caller, Kamailio
//! as registrar and as proxy between. Sound is measured.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::Server;
use common::outside::{Authority, BY_ADDRESS, ECHO, measures, stands, started, trunk};
use common::peer::{Peer, Sound, Stream, Wire};
use common::phone::PATIENCE;
use common::sipp::{Role, Sipp, plays};
use common::tools::{Tool, answers, free_port};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sip::Transport;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// A tone that came through is nearly all there is.
const HEARD: f64 = 0.9;

async fn hears_itself(peer: &mut Peer) {
    let sound = Sound::new().await;
    let dialog = peer.call("+33144500219", &sound);
    let there = peer.answered(dialog).await;
    let (heard, ()) = tokio::join!(sound.tone_heard(there), peer.run_for(Duration::from_millis(1_900)));
    assert!(heard > HEARD, "{heard}");
    peer.hang_up(dialog);
    peer.run_for(Duration::from_millis(200)).await;
}

/// Two UDP trunks: the first peer's callers may go out by the second.
fn transit(pbx: u16, carrier: u16, rest: &str) -> String {
    let pbx = trunk("pbx", pbx, BY_ADDRESS);
    let carrier = trunk("carrier", carrier, rest);
    let route =
        "[[route]]\nname = \"out\"\npatterns = [\"+33\"]\ntrunks = [\"carrier\"]\nfrom_trunks = [\"pbx\"]\n";
    format!("{pbx}{carrier}{route}{ECHO}")
}

/// A peer by UDP on a port that the settings know, once the server has greeted it.
async fn udp_peer(socket: UdpSocket) -> Peer {
    let local = socket.local_addr().unwrap();
    let mut buffer = [0; 1];
    let (_, server) = timeout(PATIENCE, socket.peek_from(&mut buffer)).await.expect("it is asked").unwrap();
    Peer::new(Wire::Udp(socket, server), Transport::Udp, local, server)
}

#[tokio::test]
async fn a_peer_by_udp_is_found_and_its_caller_hears_himself() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let settings = trunk("by udp", port, BY_ADDRESS) + ECHO;
    let (_dir, server) = started(&settings, |_| ()).await;
    let mut peer = udp_peer(socket).await;
    peer.run_for(Duration::from_millis(300)).await;
    stands(&server, "by udp", true).await;
    hears_itself(&mut peer).await;
    assert!(server.running.stop().await, "the trunks' tasks end in time");
}

#[tokio::test]
async fn a_trunk_by_udp_needs_no_listening_socket() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let settings =
        trunk("own socket", port, &format!("{BY_ADDRESS}\nstun = true\nkeep_alive_seconds = 1")) + ECHO;
    let (_dir, _server) = started(&settings, |config| config.sip.udp = Some(Vec::new())).await;
    let mut buffer = [0; 2_000];
    let (_, ours) = timeout(PATIENCE, socket.peek_from(&mut buffer)).await.expect("it is asked").unwrap();
    let mut peer = udp_peer(socket).await;
    hears_itself(&mut peer).await;
    // which is no way in for anybody else
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(options(stranger.local_addr().unwrap()).as_bytes(), ours).await.unwrap();
    assert!(timeout(Duration::from_secs(1), stranger.recv_from(&mut buffer)).await.is_err());
    hears_itself(&mut peer).await;
}

fn options(from: SocketAddr) -> String {
    format!(
        "OPTIONS sip:hotdesk SIP/2.0\r\nVia: SIP/2.0/UDP {from};rport;branch=z9hG4bKwho\r\nMax-Forwards: 70\r\n\
         From: <sip:who@{from}>;tag=1\r\nTo: <sip:hotdesk>\r\nCall-ID: who-{from}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

#[tokio::test]
async fn two_trunks_at_one_address_have_a_socket_each() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let rest = "transport = \"udp\"\noptions_seconds = 1";
    let (_dir, server) = started(&(trunk("one", port, rest) + &trunk("two", port, rest)), |_| ()).await;
    let asked_by = tokio::spawn(async move {
        let (mut asked_by, mut buffer) = (BTreeMap::<_, u32>::new(), [0; 2_000]);
        let end = tokio::time::Instant::now() + Duration::from_secs(4);
        while let Ok(heard) = timeout_at(end, socket.recv_from(&mut buffer)).await {
            let (length, from) = heard.unwrap();
            *asked_by.entry(from).or_default() += 1;
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let echoed = |line: &&str| {
                ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name))
            };
            let echoed: String = request.lines().filter(echoed).map(|line| format!("{line}\r\n")).collect();
            let answer = format!("SIP/2.0 200 OK\r\n{echoed}Content-Length: 0\r\n\r\n");
            socket.send_to(answer.as_bytes(), from).await.unwrap();
        }
        asked_by
    });
    stands(&server, "one", true).await;
    stands(&server, "two", true).await;
    let asked_by = asked_by.await.unwrap();
    assert_eq!(asked_by.len(), 2, "neither drives the other out: {asked_by:?}");
    assert!(asked_by.values().all(|times| *times >= 2), "{asked_by:?}");
}

async fn accepted(listener: &TcpListener) -> (TcpStream, SocketAddr, SocketAddr) {
    let (stream, remote) = timeout(PATIENCE, listener.accept()).await.expect("it connects").unwrap();
    let local = stream.local_addr().unwrap();
    (stream, local, remote)
}

#[tokio::test]
async fn a_peer_by_tcp_is_connected_and_connected_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = trunk("by tcp", port, "transport = \"tcp\"\nkeep_alive_seconds = 1") + ECHO;
    let (_dir, server) = started(&settings, |_| ()).await;
    for _ in 0..2 {
        let (stream, local, remote) = accepted(&listener).await;
        let mut peer = Peer::new(Wire::stream(stream), Transport::Tcp, local, remote);
        peer.run_for(Duration::from_millis(300)).await;
        stands(&server, "by tcp", true).await;
        hears_itself(&mut peer).await;
        drop(peer);
        stands(&server, "by tcp", false).await;
    }
}

#[tokio::test]
async fn by_tcp_we_are_called_as_advertised_with_the_port_where_we_listen() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = trunk("behind nat", port, "transport = \"tcp\"");
    let (_dir, server) = started(&settings, |config| config.sip.advertise = Some("203.0.113.7".into())).await;
    let (mut stream, ..) = accepted(&listener).await;
    let mut told = vec![0; 4_096];
    let length =
        timeout(PATIENCE, tokio::io::AsyncReadExt::read(&mut stream, &mut told)).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&told[..length]).into_owned();
    let ours = format!("203.0.113.7:{}", server.running.sip.tcp[0].port());
    assert!(told.starts_with("OPTIONS ") && told.contains(&format!("Via: SIP/2.0/TCP {ours};")), "{told}");
}

#[tokio::test]
async fn a_peer_by_tcp_is_known_by_its_address_from_whatever_port_it_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = trunk("by address", port, "transport = \"tcp\"\nidentify = \"address\"") + ECHO;
    let (_dir, server) = started(&settings, |_| ()).await;
    let (stream, local, remote) = accepted(&listener).await;
    let mut line = Peer::new(Wire::stream(stream), Transport::Tcp, local, remote);
    line.run_for(Duration::from_millis(300)).await;
    let remote = server.running.sip.tcp[0];
    let stream = TcpStream::connect(remote).await.unwrap();
    let local = stream.local_addr().unwrap();
    hears_itself(&mut Peer::new(Wire::stream(stream), Transport::Tcp, local, remote)).await;
}

fn crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[tokio::test]
async fn a_peer_by_tls_must_bear_its_name_by_whom_we_trust() {
    crypto();
    let (dir, trusted, other) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &trusted.pem).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let rest =
        format!("transport = \"tls\"\ncertificate_name = \"sip.carrier.test\"\nca = \"{}\"", ca.display());
    let (_dir, server) = started(&(trunk("by tls", port, &rest) + ECHO), |_| ()).await;
    for acceptor in [
        trusted.acceptor("sip.other.test", false),
        trusted.acceptor("127.0.0.1", false),
        trusted.acceptor("sip.carrier.test", true),
        other.acceptor("sip.carrier.test", false),
    ] {
        let (stream, ..) = accepted(&listener).await;
        let shaken = timeout(PATIENCE, acceptor.accept(stream)).await.expect("in time");
        if let Ok(mut stream) = shaken {
            // with TLS 1.3 the server's side hears of the refusal after its own handshake
            let mut rest = Vec::new();
            let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
            assert!(timeout(PATIENCE, read).await.expect("in time").is_err(), "{rest:?}");
        }
    }
    stands(&server, "by tls", false).await;
    let (stream, local, remote) = accepted(&listener).await;
    let stream = trusted.acceptor("sip.carrier.test", false).accept(stream).await.unwrap();
    let mut peer = Peer::new(Wire::stream(stream), Transport::Tls, local, remote);
    peer.run_for(Duration::from_millis(300)).await;
    stands(&server, "by tls", true).await;
    hears_itself(&mut peer).await;
}

#[tokio::test]
async fn a_peer_by_websocket_is_connected_as_a_sip_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = trunk("by ws", port, "transport = \"ws\"\npath = \"/sip\"") + ECHO;
    let (_dir, server) = started(&settings, |_| ()).await;
    let (stream, local, remote) = accepted(&listener).await;
    let stream: Box<dyn Stream> = Box::new(stream);
    #[allow(clippy::result_large_err, reason = "the library's callback")]
    let check = |request: &Request, mut response: Response| {
        assert_eq!(request.uri().path(), "/sip");
        assert_eq!(request.headers()["sec-websocket-protocol"], "sip");
        response.headers_mut().insert("sec-websocket-protocol", "sip".parse().unwrap());
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, check).await.unwrap();
    let mut peer = Peer::new(Wire::WebSocket(Box::new(socket)), Transport::Ws, local, remote);
    peer.run_for(Duration::from_millis(300)).await;
    stands(&server, "by ws", true).await;
    hears_itself(&mut peer).await;
}

#[tokio::test]
async fn a_peer_that_comes_by_tls_is_a_trunk_by_its_certificate_alone() {
    crypto();
    let (dir, trusted, other) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &trusted.pem).unwrap();
    let rest = format!(
        "transport = \"tls\"\nidentify = \"certificate\"\ncertificate_name = \"sip.carrier.test\"\nca = \"{}\"",
        ca.display()
    );
    let (home, server) = started(&(trunk("comes", free_port(), &rest) + ECHO), |config| {
        config.tls.self_signed = true;
        config.sip.tls = vec!["127.0.0.1:0".parse().unwrap()];
    })
    .await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(home.path().join("data/self-signed.crt")).unwrap()).unwrap();
    let remote = server.running.sip.tls[0];
    let connected = async |identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>| {
        let builder = rustls::ClientConfig::builder().with_root_certificates(roots.clone());
        let config = match identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(remote).await.unwrap();
        let local = stream.local_addr().unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        Peer::new(Wire::stream(stream), Transport::Tls, local, remote)
    };
    let mut carrier = connected(Some(trusted.identity("sip.carrier.test", false))).await;
    hears_itself(&mut carrier).await;
    let mut stranger = connected(None).await;
    let sound = Sound::new().await;
    let dialog = stranger.call("+33144500219", &sound);
    assert_eq!(stranger.refused(dialog).await, Some(401));
    // whoever shows a certificate of somebody else is not even let in
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots.clone());
    let (chain, key) = other.identity("sip.carrier.test", false);
    let config = builder.with_client_auth_cert(chain, key).unwrap();
    let stream = TcpStream::connect(remote).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    if let Ok(mut stream) = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await {
        let read = tokio::io::AsyncReadExt::read_u8(&mut stream);
        assert!(timeout(PATIENCE, read).await.expect("in time").is_err());
    }
}

/// A call of the peer's goes out by the other trunk to sipp, which sends its sound back.
async fn hears_itself_by_the_carrier(peer: &mut Peer, sipp: Sipp) {
    let sound = Sound::new().await;
    let dialog = peer.call("+33144509999", &sound);
    let there = peer.answered(dialog).await;
    let (heard, ()) = tokio::join!(sound.tone_heard(there), peer.run_for(Duration::from_millis(1_900)));
    assert!(heard > HEARD, "{heard}");
    peer.hang_up(dialog);
    peer.run_for(Duration::from_millis(500)).await;
    sipp.played();
}

/// sipp as a carrier that takes calls for that server, or for the proxy between.
fn carrier(port: u16, tcp: bool) -> Sipp {
    let role = Role { port, tcp, echoes: true, ..Role::of("carrier") };
    Sipp::waiting("carrier", &role, ([127, 0, 0, 1], 9).into())
}

/// sipp as somebody outside who calls the echo test from that port.
fn somebody(port: u16) -> Role {
    Role { port, calls: "+33144500219", ..Role::of("+33611223344") }
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_is_a_carrier_by_udp_and_tcp_and_its_sound_comes_back() {
    for transport in ["udp", "tcp"] {
        let (socket, port) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), free_port());
        let pbx = socket.local_addr().unwrap().port();
        let way = format!("transport = \"{transport}\"\noptions_seconds = 0\ncodecs = [\"pcmu\"]");
        let sipp = carrier(port, transport == "tcp");
        let (_dir, server) = started(&transit(pbx, port, &way), |_| ()).await;
        let mut peer = udp_peer(socket).await;
        peer.run_for(Duration::from_millis(300)).await;
        stands(&server, "carrier", true).await;
        hears_itself_by_the_carrier(&mut peer, sipp).await;
    }
}

/// A server that knows calls from this UDP port of this machine as a trunk's.
async fn known_by_address(port: u16) -> (tempfile::TempDir, Server) {
    let rest = "transport = \"udp\"\nidentify = \"address\"\noptions_seconds = 0";
    started(&(trunk("by address", port, rest) + ECHO), |_| ()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_calls_one_of_our_numbers_from_an_address_that_is_known() {
    let port = free_port();
    let (_home, server) = known_by_address(port).await;
    plays("outside", &somebody(port), server.running.sip.udp[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_from_elsewhere_is_asked_who_it_is() {
    let port = free_port();
    let (_home, server) = known_by_address(port).await;
    let sip = server.running.sip.clone();
    // from another port, and from the right one by another transport
    plays("stranger", &somebody(free_port()), sip.udp[0]);
    plays("stranger", &Role { tcp: true, ..somebody(port) }, sip.tcp[0]);
}

/// Kamailio: takes the registration of `acc7` with a password, passes calls from it on to sipp, and calls to it from
/// sipp on to where it has registered; it stays in the way of both (Record-Route).
struct Kamailio {
    port: u16,
    _tool: Tool,
    _dir: tempfile::TempDir,
}

impl Kamailio {
    async fn start(carrier: u16) -> Kamailio {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = dir.path().join("kamailio.cfg");
        let script = include_str!("kamailio/registrar.cfg");
        let script = script.replace("PORT", &port.to_string()).replace("CARRIER", &carrier.to_string());
        std::fs::write(&config, script).unwrap();
        let (config, run) = (config.to_str().unwrap().to_owned(), dir.path().to_str().unwrap().to_owned());
        let arguments = ["-f", &config, "-DD", "-E", "-Y", &run, "-m", "32", "-M", "4", "-n", "1"];
        let tool = Tool::start("kamailio", dir.path(), &arguments);
        answers(([127, 0, 0, 1], port).into()).await;
        Kamailio { port, _tool: tool, _dir: dir }
    }
}

const AT_KAMAILIO: &str = "transport = \"udp\"\nregister = true\nuser = \"acc7\"\npassword = \"secret\"\n\
                           realm = \"kamailio.test\"\ncodecs = [\"pcmu\"]";

#[tokio::test(flavor = "multi_thread")]
async fn kamailio_registers_us_and_carries_our_calls_to_sipp() {
    let (socket, port) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), free_port());
    let kamailio = Kamailio::start(port).await;
    let sipp = carrier(port, false);
    let settings = transit(socket.local_addr().unwrap().port(), kamailio.port, AT_KAMAILIO);
    let (_dir, server) = started(&settings, |_| ()).await;
    let mut peer = udp_peer(socket).await;
    peer.run_for(Duration::from_millis(500)).await;
    stands(&server, "carrier", true).await;
    hears_itself_by_the_carrier(&mut peer, sipp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kamailio_brings_us_calls_of_sipp_by_our_registration() {
    let port = free_port();
    let kamailio = Kamailio::start(port).await;
    let settings = trunk("registrar", kamailio.port, AT_KAMAILIO) + ECHO;
    let (_home, server) = started(&settings, |_| ()).await;
    stands(&server, "registrar", true).await;
    // the proxy calls our account; which number was dialled stands in To
    plays("outside", &somebody(port), ([127, 0, 0, 1], kamailio.port).into());
}

#[tokio::test]
async fn a_wrong_password_leaves_the_trunk_down() {
    let kamailio = Kamailio::start(free_port()).await;
    let wrong = AT_KAMAILIO.replace("\"secret\"", "\"guessed\"");
    let (_home, server) = started(&trunk("wrong", kamailio.port, &wrong), |_| ()).await;
    measures(&server, "hotdesk_trunk_refused_us_total{trunk=\"wrong\"} 1").await;
    stands(&server, "wrong", false).await;
}
