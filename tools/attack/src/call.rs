//! A call to the echo test that goes on while the server is under attack.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::phone::{Phone, in_dialog};
use crate::wire::{Request, Response, reply};

const PACKET_TIME: Duration = Duration::from_millis(20);
/// Echoes may come in for so long after the last packet.
const TRAIL: Duration = Duration::from_millis(500);
/// Packets that may go by before the path is open both ways.
const LEAD: u64 = 25;

/// A call that is up.
pub struct EchoCall {
    stop: Arc<AtomicBool>,
    running: JoinHandle<(u64, u64)>,
}

impl EchoCall {
    /// Calls `*55` and begins to speak.
    ///
    /// # Errors
    /// If it is not answered with a session.
    pub fn start(mut phone: Phone) -> Result<EchoCall> {
        let here = phone.line.local()?.ip();
        let socket = UdpSocket::bind((here, 0))?;
        let mut invite = phone.request("INVITE", &phone.uri("*55"));
        invite.body = sdp(socket.local_addr()?);
        let answer = phone.ask(&mut invite).context("nobody answers")?;
        if answer.status != 200 {
            bail!("the echo test is not to be had: {}", answer.text);
        }
        let ack = in_dialog(&invite, &answer, "ACK").text(&phone.line);
        phone.line.send(ack.as_bytes())?;
        socket.connect(media_of(&answer).context("an answer without a place for sound")?)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let running = std::thread::spawn(move || speak(phone, &socket, &invite, &answer, &stopped));
        Ok(EchoCall { stop, running })
    }

    /// Hangs up. How many packets were sent and how many came back.
    pub fn finish(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().unwrap_or_default()
    }
}

fn speak(
    mut phone: Phone,
    socket: &UdpSocket,
    invite: &Request,
    answer: &Response,
    stop: &AtomicBool,
) -> (u64, u64) {
    let (mut sent, mut heard) = (0_u64, 0_u64);
    let _ = socket.set_nonblocking(true);
    let mut buffer = [0; 2_000];
    let mut drain = |heard: &mut u64| {
        while let Ok(length) = socket.recv(&mut buffer) {
            // the first ones may find the path not open yet, and so are not sent for the count
            let number = u64::from(u16::from_be_bytes([buffer[2], buffer[3]]));
            *heard += u64::from(length == 172 && (number >= LEAD || *heard > 0));
        }
    };
    let began = Instant::now();
    let mut packets = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        let [high, low] = u16::try_from(packets % 65_536).unwrap_or(0).to_be_bytes();
        let mut packet = vec![0x80, 0, high, low];
        packet.extend((packets.wrapping_mul(160)).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend((0_u32..160).map(|n| if n % 16 < 8 { 0x20 } else { 0xa0 }));
        let _ = socket.send(&packet);
        packets += 1;
        sent += u64::from(u64::from(packets) > LEAD);
        drain(&mut heard);
        let next = began + PACKET_TIME * packets;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            let Some(text) = phone.line.hear(left) else { break };
            // a BYE ends the sound, and with it this call's good record
            if !text.starts_with("SIP/2.0") && !text.starts_with("ACK ") {
                let _ = phone.line.send(reply(&text, 200, "").as_bytes());
            }
        }
    }
    let until = Instant::now() + TRAIL;
    while Instant::now() < until {
        drain(&mut heard);
        std::thread::sleep(PACKET_TIME);
    }
    let _ = phone.line.ask(&in_dialog(invite, answer, "BYE"));
    (sent, heard.min(sent))
}

/// An offer of plain sound at this address.
pub fn sdp(at: SocketAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    )
}

fn media_of(answer: &Response) -> Option<SocketAddr> {
    let line = |start: &str| answer.body().lines().find_map(|line| line.strip_prefix(start));
    let ip = line("c=IN IP4 ")?.trim().parse().ok()?;
    let port = line("m=audio ")?.split_whitespace().next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}
