//! Peers of other makes: sipp and Kamailio, which the test machine must have.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::phone::PATIENCE;

/// A program that ends with its test.
pub struct Tool {
    child: Child,
    name: &'static str,
}

impl Tool {
    pub fn start(name: &'static str, dir: &Path, arguments: &[&str]) -> Tool {
        let log = std::fs::File::create(dir.join(format!("{name}.log"))).unwrap();
        let child = Command::new(name)
            .args(arguments)
            .current_dir(dir)
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} is needed for this test: {error}"));
        Tool { child, name }
    }

    /// Waits until it has ended, which it must do well.
    pub async fn succeeds(mut self, dir: &Path) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = std::fs::read_to_string(dir.join(format!("{}.log", self.name))).unwrap_or_default();
                let trace = std::fs::read_dir(dir).unwrap().filter_map(Result::ok);
                let trace: String = trace
                    .filter(|file| file.file_name().to_string_lossy().ends_with("_messages.log"))
                    .filter_map(|file| std::fs::read_to_string(file.path()).ok())
                    .collect();
                assert!(status.success(), "{} says {status}:\n{log}\n{trace}", self.name);
                return;
            }
            assert!(Instant::now() < end, "{} does not end", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A UDP port that nobody uses at the moment.
pub fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An even one whose neighbour is free too, for RTP.
pub fn free_pair() -> u16 {
    loop {
        let port = free_port();
        if port.is_multiple_of(2) && UdpSocket::bind(("127.0.0.1", port + 1)).is_ok() {
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
