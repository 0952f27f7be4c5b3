//! The other end of a trunk: a user agent of ours on a real socket, and plain RTP with a tone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use sip::transport::{Framer, Patience, Piece};
use sip::{
    Credentials, DialogId, Event, FlowEnds, FlowId, OutboundInvite, OutboundRegister, Owner, Transport,
    UserAgent,
};
use timing::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::phone::PATIENCE;
use super::tone;

const FLOW: FlowId = FlowId(1);

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What carries the peer's SIP.
pub enum Wire {
    Udp(UdpSocket, SocketAddr),
    Stream(Box<dyn Stream>, Box<Framer>),
    WebSocket(Box<WebSocketStream<Box<dyn Stream>>>),
}

impl Wire {
    pub fn stream(stream: impl Stream + 'static) -> Wire {
        let framer = Framer::to_a_peer(Patience::default(), Instant::ORIGIN);
        Wire::Stream(Box::new(stream), Box::new(framer))
    }
}

/// A user agent that speaks by one wire.
pub struct Peer {
    pub agent: UserAgent,
    pub events: Vec<Event>,
    wire: Wire,
    began: std::time::Instant,
}

impl Peer {
    pub fn new(wire: Wire, transport: Transport, local: SocketAddr, remote: SocketAddr) -> Peer {
        let mut agent = UserAgent::new(sip::Config {
            user_agent: "peer".into(),
            contact_host: local.to_string(),
            transport,
            seed: seed(local, remote),
            server: true,
        });
        agent.open_flow(FLOW, transport, Owner::Unproved, Instant::ORIGIN);
        agent.set_ends(FLOW, FlowEnds { local: local.to_string(), remote });
        Peer { agent, events: Vec::new(), wire, began: std::time::Instant::now() }
    }

    pub fn now(&self) -> Instant {
        Instant::ORIGIN + self.began.elapsed()
    }

    /// Calls a number of the server's.
    pub fn call(&mut self, number: &str, sound: &Sound) -> DialogId {
        let invite = OutboundInvite {
            flow: FLOW,
            target: format!("sip:{number}@127.0.0.1"),
            from_user: "+33611223344".into(),
            from_host: "carrier.test".into(),
            to_user: number.into(),
            to_host: "127.0.0.1".into(),
            sdp: sound.description(),
            ..OutboundInvite::default()
        };
        self.agent.invite(invite, self.now())
    }

    /// Registers as a phone with this name and password, and calls a number as that phone.
    pub async fn register_and_call(
        &mut self,
        (user, password): (&str, &str),
        number: &str,
        sound: &Sound,
    ) -> DialogId {
        let host = "desk.test".to_owned();
        let (user, password) = (user.to_owned(), password.to_owned());
        let credentials = Some(Credentials { user: user.clone(), password, realm: None });
        let register = OutboundRegister {
            flow: FLOW,
            user: user.clone(),
            domain: host.clone(),
            expires: 600,
            credentials: credentials.clone(),
            ..OutboundRegister::default()
        };
        let now = self.now();
        self.agent.register(register, now);
        self.until(|events| {
            events.iter().any(|event| matches!(event, Event::Registered { .. })).then_some(())
        })
        .await;
        let invite = OutboundInvite {
            flow: FLOW,
            target: format!("sip:{number}@{host}"),
            from_user: user,
            from_host: host.clone(),
            to_user: number.into(),
            to_host: host,
            sdp: sound.description(),
            credentials,
            ..OutboundInvite::default()
        };
        self.agent.invite(invite, self.now())
    }

    /// Sends and hears until something of interest has happened.
    pub async fn until<T>(&mut self, mut found: impl FnMut(&[Event]) -> Option<T>) -> T {
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            self.agent.handle_timeout(self.now());
            while let Some(event) = self.agent.poll_event() {
                self.events.push(event);
            }
            while let Some(transmit) = self.agent.poll_transmit() {
                self.wire.send(transmit.bytes).await;
            }
            if let Some(found) = found(&self.events) {
                return found;
            }
            assert!(std::time::Instant::now() < end, "it did not happen: {:#?}", self.events);
            let heard = tokio::time::timeout(Duration::from_millis(50), self.wire.hear()).await;
            for message in heard.unwrap_or_default() {
                self.agent.handle_message(FLOW, &message, self.now());
            }
        }
    }

    /// Speaks on for so long.
    pub async fn run_for(&mut self, span: Duration) {
        let end = std::time::Instant::now() + span;
        self.until(|_| (std::time::Instant::now() >= end).then_some(())).await;
    }

    /// The call is answered; where the server's sound is.
    pub async fn answered(&mut self, dialog: DialogId) -> SocketAddr {
        let answer = self
            .until(|events| {
                events.iter().find_map(|event| match event {
                    Event::Answered { dialog: of, sdp } if *of == dialog => Some(Ok(sdp.clone())),
                    Event::Ended { dialog: of, by, .. } if *of == dialog => Some(Err(by.clone())),
                    _ => None,
                })
            })
            .await;
        sound_address(&answer.expect("answered").expect("a description"))
    }

    /// How a call of ours was refused.
    pub async fn refused(&mut self, dialog: DialogId) -> Option<u16> {
        self.until(|events| {
            events.iter().find_map(|event| match event {
                Event::Ended { dialog: of, status, .. } if *of == dialog => Some(*status),
                _ => None,
            })
        })
        .await
    }

    pub fn hang_up(&mut self, dialog: DialogId) {
        let now = self.now();
        self.agent.bye(dialog, None, now);
    }
}

impl Wire {
    async fn send(&mut self, bytes: Vec<u8>) {
        match self {
            Wire::Udp(socket, to) => drop(socket.send_to(&bytes, *to).await.unwrap()),
            Wire::Stream(stream, _) => stream.write_all(&bytes).await.unwrap(),
            Wire::WebSocket(socket) => {
                socket.send(Message::text(String::from_utf8(bytes).unwrap())).await.unwrap();
            }
        }
    }

    async fn hear(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 65_535];
        match self {
            Wire::Udp(socket, to) => {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                *to = from;
                buffer.truncate(length);
                vec![buffer]
            }
            Wire::Stream(stream, framer) => {
                let length = stream.read(&mut buffer).await.unwrap();
                if length == 0 {
                    std::future::pending::<()>().await;
                }
                framer.handle_bytes(&buffer[..length], Instant::ORIGIN);
                let pieces = std::iter::from_fn(|| framer.poll_piece());
                let message = |piece| if let Piece::Message(bytes) = piece { Some(bytes) } else { None };
                pieces.filter_map(message).collect()
            }
            Wire::WebSocket(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => vec![text.as_bytes().to_vec()],
                Some(Ok(_)) => Vec::new(),
                _ => std::future::pending().await,
            },
        }
    }
}

/// Another connection is another user agent, with other tags.
fn seed(local: SocketAddr, remote: SocketAddr) -> [u8; 32] {
    let ports = [local.port().to_be_bytes(), remote.port().to_be_bytes()].concat();
    std::array::from_fn(|at| ports[at % 4] ^ at as u8)
}

/// The address that a session description names.
pub fn sound_address(sdp: &str) -> SocketAddr {
    let after = |prefix: &str| sdp.lines().find_map(|line| line.trim().strip_prefix(prefix)).expect(prefix);
    let port = after("m=audio ").split(' ').next().unwrap();
    let (_family, ip) = after("c=IN IP").split_once(' ').unwrap();
    SocketAddr::new(ip.parse().unwrap(), port.parse().unwrap())
}

/// Plain RTP in G.711 µ-law.
pub struct Sound {
    socket: UdpSocket,
}

/// Samples a second.
const RATE: f64 = 8_000.0;
const TONE: f64 = 440.0;

impl Sound {
    pub async fn new() -> Sound {
        Sound::at(Ipv4Addr::LOCALHOST.into()).await
    }

    pub async fn at(ip: IpAddr) -> Sound {
        Sound { socket: UdpSocket::bind((ip, 0)).await.unwrap() }
    }

    pub fn description(&self) -> String {
        let local = self.socket.local_addr().unwrap();
        let (ip, port, family) = (local.ip(), local.port(), if local.is_ipv4() { 4 } else { 6 });
        format!(
            "v=0\r\no=- 1 1 IN IP{family} {ip}\r\ns=-\r\nc=IN IP{family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        )
    }

    /// Sends a tone there for two seconds; the share of what comes back that is this tone, in the last second.
    pub async fn tone_heard(&self, server: SocketAddr) -> f64 {
        let mut heard = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for packet in 0_u32..100 {
            ticks.tick().await;
            let samples =
                (0..160).map(|at| encode((tone::sample(packet * 160 + at, RATE, TONE) * 8_000.0) as i16));
            let mut bytes = vec![0x80, 0];
            bytes.extend((packet as u16).to_be_bytes());
            bytes.extend((packet * 160).to_be_bytes());
            bytes.extend(7_u32.to_be_bytes());
            bytes.extend(samples);
            self.socket.send_to(&bytes, server).await.unwrap();
            let mut buffer = [0; 2_000];
            while let Ok((length, from)) = self.socket.try_recv_from(&mut buffer) {
                if packet >= 50 && from == server && length > 12 {
                    heard.extend(buffer[12..length].iter().map(|byte| f64::from(decode(*byte))));
                }
            }
        }
        assert!(heard.len() > 4_000, "{} samples came", heard.len());
        tone::share(&heard, RATE, TONE)
    }
}

/// G.711 µ-law.
fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs().min(32_635) + 132) as u32;
    let exponent = (31 - magnitude.leading_zeros()).saturating_sub(7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

fn decode(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 0x0f) << 3) + 132) << ((byte >> 4) & 7);
    (if byte & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }) as i16
}
