//! SIP over UDP, TCP and TLS on real sockets: what well-behaved peers get, and what others do not.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::peer::{Peer, Sound, Wire};
use common::{Server, demo, folder};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use server::config::Config;
use server::signalling::Listening;
use sip::Transport;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

async fn started(change: impl FnOnce(&mut Config)) -> (tempfile::TempDir, Server, Listening) {
    let (dir, path) = folder();
    let mut config = demo(&path);
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    (config.sip.udp, config.sip.tcp) = (Some(vec![anywhere]), Some(vec![anywhere]));
    config.tls.self_signed = true;
    config.sip.tls = vec![anywhere];
    change(&mut config);
    let server = Server::start(config).await;
    let listening = server.running.sip.clone();
    (dir, server, listening)
}

fn request(method: &str, number: usize) -> String {
    format!(
        "{method} sip:hotdesk@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP pc.invalid:5099;rport;branch=z9hG4bK{number}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:probe@pc.invalid>;tag=1\r\nTo: <sip:hotdesk@127.0.0.1>\r\nCall-ID: {number}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:probe@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The next response, which must have no body.
async fn response(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("a response"));
    }
    String::from_utf8(text).unwrap()
}

/// Asserts that the peer ends the connection without another byte.
async fn ended(mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("in time");
    assert_eq!(String::from_utf8_lossy(&rest), "");
}

async fn asked(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    response(stream).await
}

/// What a UDP peer at `from` is told; like every SIP client it asks again when nothing comes.
async fn asked_by_udp(from: &str, to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind(from).await.unwrap();
    socket.connect(to).await.unwrap();
    let mut buffer = vec![0; 2_000];
    for _ in 0..60 {
        socket.send(bytes).await.unwrap();
        if let Ok(length) = timeout(Duration::from_millis(500), socket.recv(&mut buffer)).await {
            buffer.truncate(length.unwrap());
            return buffer;
        }
    }
    panic!("no answer");
}

#[tokio::test]
async fn every_transport_tells_strangers_what_we_can_and_refuses_the_rest() {
    let (dir, server, sip) = started(|_| ()).await;
    for (method, status) in
        [("OPTIONS", "200 OK"), ("REGISTER", "401 "), ("MESSAGE", "401 "), ("BYE", "481 ")]
    {
        let text = asked_by_udp("127.0.0.1:0", sip.udp[0], request(method, 1).as_bytes()).await;
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with(&format!("SIP/2.0 {status}")), "{text}");
        assert!(text.contains(";received=127.0.0.1;rport="), "{text}");

        let mut tcp = TcpStream::connect(sip.tcp[0]).await.unwrap();
        let text = asked(&mut tcp, &request(method, 2)).await;
        assert!(text.starts_with(&format!("SIP/2.0 {status}")), "{text}");
    }
    let mut tcp = TcpStream::connect(sip.tcp[0]).await.unwrap();
    assert!(asked(&mut tcp, &request("INVITE", 3)).await.starts_with("SIP/2.0 100 "));
    assert!(response(&mut tcp).await.starts_with("SIP/2.0 401 "));

    let certificate = CertificateDer::from_pem_file(dir.path().join("data/self-signed.crt")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = vec![b"sip".to_vec()];
    let stream = TcpStream::connect(sip.tls[0]).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let mut tls = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let text = asked(&mut tls, &request("OPTIONS", 4)).await;
    assert!(text.starts_with("SIP/2.0 200 OK\r\n") && text.contains("Allow: INVITE"), "{text}");
    let mut in_the_clear = TcpStream::connect(sip.tls[0]).await.unwrap();
    in_the_clear.write_all(request("OPTIONS", 5).as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, in_the_clear.read_to_end(&mut rest)).await.expect("the handshake fails");
    assert!(!rest.starts_with(b"SIP/2.0"));
    assert!(server.running.stop().await, "the sockets' tasks end in time");
}

#[tokio::test]
async fn a_stream_is_the_same_however_it_is_cut() {
    let (_dir, _server, sip) = started(|_| ()).await;
    let mut tcp = TcpStream::connect(sip.tcp[0]).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    for byte in request("OPTIONS", 1).bytes() {
        tcp.write_all(&[byte]).await.unwrap();
    }
    assert!(response(&mut tcp).await.contains("Call-ID: 1\r\n"));

    let keep_alive_between = [&request("OPTIONS", 2), "\r\n\r\n", &request("OPTIONS", 3)].concat();
    tcp.write_all(keep_alive_between.as_bytes()).await.unwrap();
    let told = response(&mut tcp).await + &response(&mut tcp).await;
    assert!(told.contains("Call-ID: 2\r\n") && told.contains("Call-ID: 3\r\n"), "{told}");
    let pong = told.starts_with("\r\n") || told.contains("\r\n\r\n\r\n");
    if !pong {
        assert_eq!(timeout(PATIENCE, tcp.read_u16()).await.unwrap().unwrap(), 0x0d0a);
    }

    let pipelined: String = (10..500).map(|number| request("OPTIONS", number)).collect();
    let (mut reader, mut writer) = tcp.into_split();
    let writing = tokio::spawn(async move { writer.write_all(pipelined.as_bytes()).await.map(|()| writer) });
    for number in 10..500 {
        let told = response(&mut reader).await;
        assert!(told.contains(&format!("Call-ID: {number}\r\n")), "in order: {told}");
    }
    // who has said all may still wait for the answer
    let mut writer = writing.await.unwrap().unwrap();
    writer.write_all(request("OPTIONS", 501).as_bytes()).await.unwrap();
    writer.shutdown().await.unwrap();
    assert!(response(&mut reader).await.contains("Call-ID: 501\r\n"));
    ended(reader).await;
}

#[tokio::test]
async fn what_cannot_be_cut_is_refused_and_ends_the_connection() {
    let (_dir, _server, sip) = started(|_| ()).await;
    for broken in [
        request("OPTIONS", 1).replace("Content-Length: 0", "Content-Length: -1"),
        request("OPTIONS", 1).replace("Content-Length: 0", "Content-Length: 4294967296"),
        request("OPTIONS", 1).replace("Content-Length: 0", "Content-Length: 0\r\nl: 12"),
        request("OPTIONS", 1).replace("Content-Length: 0\r\n", ""),
        request("OPTIONS", 1).replace("Call-ID", &format!("Subject: {}\r\nCall-ID", "x".repeat(9_000))),
    ] {
        let mut tcp = TcpStream::connect(sip.tcp[0]).await.unwrap();
        let text = asked(&mut tcp, &(broken + &request("OPTIONS", 2))).await;
        assert!(text.starts_with("SIP/2.0 400 Bad Request\r\n"), "{text}");
        ended(tcp).await;
    }
}

#[tokio::test]
async fn half_a_head_and_silence_are_not_waited_for() {
    let (_dir, _server, sip) = started(|config| {
        config.sip.limits.patience.message = Duration::from_millis(300);
        config.sip.limits.patience.idle = Duration::from_millis(300);
    })
    .await;
    let silent = TcpStream::connect(sip.tcp[0]).await.unwrap();
    let mut half = TcpStream::connect(sip.tcp[0]).await.unwrap();
    half.write_all(&request("OPTIONS", 1).as_bytes()[..100]).await.unwrap();
    let mut waits_for_a_body = TcpStream::connect(sip.tcp[0]).await.unwrap();
    let promising = request("OPTIONS", 1).replace("Content-Length: 0", "Content-Length: 9");
    waits_for_a_body.write_all(promising.as_bytes()).await.unwrap();
    let mut idle = TcpStream::connect(sip.tcp[0]).await.unwrap();
    assert!(asked(&mut idle, &request("OPTIONS", 2)).await.starts_with("SIP/2.0 200"));
    for stream in [silent, half, waits_for_a_body, idle] {
        ended(stream).await;
    }
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_harms_nobody() {
    let (_dir, _server, sip) = started(|config| config.sip.limits.write = Duration::from_secs(1)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(sip.tcp[0]).await.unwrap();
    let talking = tokio::spawn(async move {
        // answers as long as the questions, for a stranger's are read slowly
        let hops: String = (0..9)
            .map(|hop| format!("Via: SIP/2.0/TCP h{hop};branch=z9hG4bK{}\r\n", "x".repeat(6_000)))
            .collect();
        let question =
            |number| request("OPTIONS", number).replace("Max-Forwards", &format!("{hops}Max-Forwards"));
        let portion: String = (0..100).map(question).collect();
        while deaf.write_all(portion.as_bytes()).await.is_ok() {}
    });
    let mut other = TcpStream::connect(sip.tcp[0]).await.unwrap();
    let began = Instant::now();
    while !talking.is_finished() {
        let asked_at = Instant::now();
        assert!(asked(&mut other, &request("OPTIONS", 1)).await.starts_with("SIP/2.0 200"));
        assert!(asked_at.elapsed() < Duration::from_secs(1), "{:?}", asked_at.elapsed());
        assert!(began.elapsed() < PATIENCE, "it is never closed");
    }
}

#[tokio::test]
async fn a_stranger_by_tcp_is_read_at_its_pace_and_harms_nobody() {
    let (_dir, _server, sip) = started(|_| ()).await;
    let (mut reader, mut writer) = TcpStream::connect(sip.tcp[0]).await.unwrap().into_split();
    let began = Instant::now();
    let questions: String = (0..350).map(|number| request("OPTIONS", number)).collect();
    let writing = tokio::spawn(async move { writer.write_all(questions.as_bytes()).await.map(|()| writer) });
    for number in 0..350 {
        let told = response(&mut reader).await;
        assert!(told.contains(&format!("Call-ID: {number}\r\n")), "{told}");
    }
    // 200 at once, and 50 a second then; what was read together is answered together
    assert!(began.elapsed() > Duration::from_millis(2_000), "{:?}", began.elapsed());
    let _open = writing.await.unwrap().unwrap();
    let asked_at = Instant::now();
    let mut other = TcpStream::connect(sip.tcp[0]).await.unwrap();
    assert!(asked(&mut other, &request("OPTIONS", 1)).await.starts_with("SIP/2.0 200"));
    assert!(asked_at.elapsed() < Duration::from_secs(1), "{:?}", asked_at.elapsed());
}

#[tokio::test]
async fn a_full_house_turns_connections_away_and_lets_the_next_in_when_one_has_gone() {
    let (_dir, _server, sip) = started(|config| config.sip.limits.connections_per_address = 1).await;
    let mut first = TcpStream::connect(sip.tcp[0]).await.unwrap();
    assert!(asked(&mut first, &request("OPTIONS", 1)).await.starts_with("SIP/2.0 200"));
    ended(TcpStream::connect(sip.tcp[0]).await.unwrap()).await;
    drop(first);
    let let_in = async {
        loop {
            let mut next = TcpStream::connect(sip.tcp[0]).await.unwrap();
            let _ = next.write_all(request("OPTIONS", 2).as_bytes()).await;
            if next.read_u8().await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, let_in).await.expect("there is room again");
}

#[tokio::test]
async fn a_flood_of_datagrams_from_one_host_leaves_others_served_and_is_hardly_answered() {
    let (_dir, _server, sip) = started(|_| ()).await;
    let flooding = UdpSocket::bind("127.0.0.9:0").await.unwrap();
    flooding.connect(sip.udp[0]).await.unwrap();
    let began = Instant::now();
    let (mut sent, mut told, mut answers) = (0, 0, 0);
    let mut buffer = [0; 2_000];
    for number in 0..20_000 {
        sent += flooding.send(request("OPTIONS", number).as_bytes()).await.unwrap_or(0);
        while let Ok(length) = flooding.try_recv(&mut buffer) {
            told += length;
            answers += 1;
        }
    }
    let asked_at = Instant::now();
    let text = asked_by_udp("127.0.0.8:0", sip.udp[0], request("OPTIONS", 1).as_bytes()).await;
    assert!(text.starts_with(b"SIP/2.0 200"));
    assert!(asked_at.elapsed() < Duration::from_secs(2), "{:?}", asked_at.elapsed());
    while let Ok(length) = flooding.try_recv(&mut buffer) {
        told += length;
        answers += 1;
    }
    assert!(told <= sent, "{told} bytes for {sent}");
    assert!(answers <= 20 + 5 * (1 + began.elapsed().as_secs()), "{answers}");
}

#[tokio::test]
async fn a_nat_is_kept_open_by_stun_and_empty_datagrams() {
    let (_dir, _server, sip) = started(|_| ()).await;
    let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    let told = asked_by_udp("127.0.0.1:0", sip.udp[0], &binding).await;
    assert_eq!((&told[..4], &told[20..26]), (&[1, 1, 0, 12][..], &[0, 0x20, 0, 8, 0, 1][..]));

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(sip.udp[0]).await.unwrap();
    let options = request("OPTIONS", 1);
    for bytes in [&b"\r\n\r\n"[..], b"", b"\0\0\0\0", b"noise", options.as_bytes()] {
        socket.send(bytes).await.unwrap();
    }
    let mut buffer = [0; 2_000];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    assert!(buffer[..length].starts_with(b"SIP/2.0 200"), "the first thing said is the answer to OPTIONS");
}

#[tokio::test]
async fn a_phone_by_ipv6_registers_and_hears_itself() {
    let anywhere = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let socket = UdpSocket::bind(anywhere).await.expect("this test needs an IPv6 loopback address (::1)");
    let (_dir, server, sip) = started(|config| {
        (config.sip.udp, config.sip.tcp) = (Some(vec![anywhere]), Some(vec![anywhere]));
        config.media.addresses = vec![Ipv6Addr::LOCALHOST.into()];
        let first = common::tools::free_port();
        config.media.rtp_ports = format!("{first}-{}", first.saturating_add(99)).parse().unwrap();
    })
    .await;
    let local = socket.local_addr().unwrap();
    let by_udp = Peer::new(Wire::Udp(socket, sip.udp[0]), Transport::Udp, local, sip.udp[0]);
    let stream = TcpStream::connect(sip.tcp[0]).await.unwrap();
    let local = stream.local_addr().unwrap();
    let by_tcp = Peer::new(Wire::stream(stream), Transport::Tcp, local, sip.tcp[0]);
    for (mut phone, name) in [(by_udp, "1002"), (by_tcp, "1003")] {
        let sound = Sound::at(Ipv6Addr::LOCALHOST.into()).await;
        let call = phone.register_and_call((name, "hotdesk"), "*55", &sound).await;
        let there = phone.answered(call).await;
        assert!(there.is_ipv6(), "{there}");
        let (heard, ()) = tokio::join!(sound.tone_heard(there), phone.run_for(Duration::from_millis(1_900)));
        assert!(heard > 0.9, "{name} hears {heard} of its tone");
        phone.hang_up(call);
        phone.run_for(Duration::from_millis(200)).await;
    }
    assert!(server.running.stop().await, "nothing is left");
}
