//! Programs of others, as child processes of a test. The test machine must have them.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::phone::PATIENCE;

/// A program that ends with its test.
pub struct Tool {
    child: Child,
}

impl Tool {
    /// Starts a program in `dir`; what it prints is in `log` there.
    pub fn start(name: &str, dir: &Path, arguments: &[&str]) -> Tool {
        let log = File::create(dir.join("log")).unwrap();
        let child = Command::new(name)
            .args(arguments)
            .current_dir(dir)
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} is needed for this test: {error}"));
        Tool { child }
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits, with patience, for what a program of others does in its own time.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An even port of this machine that is free for UDP and TCP, with the next one: for SIP, or for RTP and RTCP.
pub fn free_port() -> u16 {
    let is_free = |port: u16| {
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    };
    loop {
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        if port.is_multiple_of(2) && is_free(port) && is_free(port + 1) {
            return port;
        }
    }
}

/// Waits until something answers OPTIONS by UDP there.
pub async fn answers(address: SocketAddr) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let local = socket.local_addr().unwrap();
    let end = Instant::now() + PATIENCE;
    for number in 0.. {
        let options = format!(
            "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bKup{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:up@{local}>;tag={number}\r\nTo: <sip:{address}>\r\nCall-ID: up-{number}-{local}\r\n\
             CSeq: 1 OPTIONS\r\nContact: <sip:{local}>\r\nContent-Length: 0\r\n\r\n"
        );
        let _ = socket.send(options.as_bytes()).await;
        let mut buffer = [0; 2_000];
        let heard = tokio::time::timeout(Duration::from_millis(200), socket.recv(&mut buffer)).await;
        if matches!(heard, Ok(Ok(_))) {
            return;
        }
        assert!(Instant::now() < end, "{address} does not answer");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
