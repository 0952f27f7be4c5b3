//! SIP as an attacker needs it: text in, text out, by a socket from an address of one's choice.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use sha2::Sha256;
use socket2::{Domain, Protocol, Socket, Type};

/// Longer than a server takes that has not hung.
pub const PATIENCE: Duration = Duration::from_secs(4);
/// When a datagram is said again (RFC 3261's T1).
const T1: Duration = Duration::from_millis(500);

/// One peer's socket.
pub enum Line {
    /// Datagrams.
    Udp(UdpSocket),
    /// A stream, with what has come of the next message.
    Tcp(TcpStream, Vec<u8>),
}

impl Line {
    /// A datagram socket on `from`.
    ///
    /// # Errors
    /// The system's.
    pub fn udp(from: IpAddr, to: SocketAddr) -> io::Result<Line> {
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect(to)?;
        Ok(Line::Udp(socket))
    }

    /// A connection from `from`.
    ///
    /// # Errors
    /// The system's.
    pub fn tcp(from: IpAddr, to: SocketAddr) -> io::Result<Line> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect_timeout(&to.into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Line::Tcp(stream, Vec::new()))
    }

    /// Our own address.
    ///
    /// # Errors
    /// The system's.
    pub fn local(&self) -> io::Result<SocketAddr> {
        match self {
            Line::Udp(socket) => socket.local_addr(),
            Line::Tcp(stream, _) => stream.local_addr(),
        }
    }

    /// The word for `Via`.
    pub fn transport(&self) -> &'static str {
        if matches!(self, Line::Udp(_)) { "UDP" } else { "TCP" }
    }

    /// Says something.
    ///
    /// # Errors
    /// If the peer has closed the stream.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Line::Udp(socket) => socket.send(bytes).map(drop),
            Line::Tcp(stream, _) => stream.write_all(bytes),
        }
    }

    /// The next message, if one comes in time and the line holds so long.
    pub fn hear(&mut self, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        let mut portion = [0; 65_536];
        loop {
            if let Line::Tcp(_, heard) = self
                && let Some(message) = cut(heard)
            {
                return Some(message);
            }
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_micros(1));
            match self {
                Line::Udp(socket) => {
                    socket.set_read_timeout(Some(left)).ok()?;
                    let length = socket.recv(&mut portion).ok()?;
                    if length > 4 {
                        return Some(String::from_utf8_lossy(&portion[..length]).into_owned());
                    }
                }
                Line::Tcp(stream, heard) => {
                    stream.set_read_timeout(Some(left)).ok()?;
                    match stream.read(&mut portion) {
                        Ok(length) if length > 0 => heard.extend(&portion[..length]),
                        _ => return None,
                    }
                }
            }
        }
    }

    /// Asks, again and again where messages may be lost, and waits for the final response.
    pub fn ask(&mut self, request: &Request) -> Option<Response> {
        let text = request.text(self);
        self.ask_bytes(text.as_bytes(), &request.call_id, request.cseq)
    }

    /// The same with a request of one's own making.
    pub fn ask_bytes(&mut self, bytes: &[u8], call_id: &str, cseq: u32) -> Option<Response> {
        let until = Instant::now() + PATIENCE;
        self.send(bytes).ok()?;
        let (mut interval, mut again) = (T1, Instant::now() + T1);
        loop {
            let now = Instant::now();
            if now >= until {
                return None;
            }
            if now >= again && matches!(self, Line::Udp(_)) {
                self.send(bytes).ok()?;
                interval *= 2;
                again = now + interval;
            }
            let wait = if matches!(self, Line::Udp(_)) { again.min(until) } else { until };
            let Some(text) = self.hear(wait.saturating_duration_since(now)) else {
                if matches!(self, Line::Tcp(..)) {
                    return None;
                }
                continue;
            };
            match Response::read(&text) {
                Some(response) if response.is_to(call_id, cseq) => {
                    if response.status >= 200 {
                        return Some(response);
                    }
                    again = until;
                }
                Some(_) => {}
                None => self.be_polite(&text),
            }
        }
    }

    /// Asks, and answers the challenge that comes with this password. The request's number goes up.
    pub fn ask_proven(&mut self, request: &mut Request, user: &str, password: &str) -> Option<Response> {
        let response = self.ask(request)?;
        if response.status != 401 && response.status != 407 {
            return Some(response);
        }
        if request.method == "INVITE" {
            self.acknowledge(request, &response);
        }
        let proof = proof(&response, request.method, &request.uri, user, password)?;
        request.cseq += 1;
        request.headers.push_str(&proof);
        self.ask(request)
    }

    /// The ACK of a refusal, in the transaction of its INVITE.
    pub fn acknowledge(&mut self, invite: &Request, refusal: &Response) {
        let ack = Request {
            method: "ACK",
            to: refusal.header("To").unwrap_or_default().to_owned(),
            headers: String::new(),
            body: String::new(),
            ..invite.clone()
        };
        let text = ack.text_with_branch(self, &invite.branch());
        let _ = self.send(text.as_bytes());
    }

    /// What a server asks of us is answered with 200, as a well-meaning peer would.
    fn be_polite(&mut self, text: &str) {
        if !text.starts_with("ACK ") {
            let _ = self.send(reply(text, 200, "").as_bytes());
        }
    }

    /// Ends a stream as a vanished host does: by a reset, with nothing said.
    pub fn reset(self) {
        if let Line::Tcp(stream, _) = self {
            let socket = Socket::from(stream);
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }
}

/// Takes one message off the front.
fn cut(heard: &mut Vec<u8>) -> Option<String> {
    while heard.starts_with(b"\r\n") {
        heard.drain(..2);
    }
    let head = heard.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&heard[..head]).into_owned();
    let body = value_of(&text, "Content-Length").and_then(|value| value.parse().ok()).unwrap_or(0);
    if heard.len() < head + body {
        return None;
    }
    let message = heard.drain(..head + body).collect::<Vec<_>>();
    Some(String::from_utf8_lossy(&message).into_owned())
}

/// A response to a request that has come.
pub fn reply(request: &str, status: u16, extra: &str) -> String {
    let mut text = format!("SIP/2.0 {status} Here\r\n");
    for line in request.lines() {
        let name = line.split(':').next().unwrap_or_default();
        if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
            text += &format!("{line}\r\n");
        } else if name == "To" {
            let tag = if line.contains(";tag=") { "" } else { ";tag=here" };
            text += &format!("{line}{tag}\r\n");
        }
    }
    if extra.is_empty() { text + "Content-Length: 0\r\n\r\n" } else { text + extra }
}

/// The first value of a header.
pub fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.split("\r\n\r\n").next().unwrap_or(text);
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    /// `INVITE` and so on.
    pub method: &'static str,
    /// The Request-URI.
    pub uri: String,
    /// The value of `From`, with its tag.
    pub from: String,
    /// The value of `To`.
    pub to: String,
    /// The Call-ID.
    pub call_id: String,
    /// The sequence number.
    pub cseq: u32,
    /// Whole header lines.
    pub headers: String,
    /// A session description, or nothing.
    pub body: String,
}

impl Request {
    /// One outside of any dialog; `number` tells it from all others.
    pub fn new(method: &'static str, number: u64, from: &str, uri: &str) -> Request {
        Request {
            method,
            uri: uri.to_owned(),
            from: format!("<{from}>;tag=f{number}"),
            to: format!("<{uri}>"),
            call_id: format!("{number:x}@attack.invalid"),
            cseq: 1,
            headers: String::new(),
            body: String::new(),
        }
    }

    /// The branch of its transaction.
    pub fn branch(&self) -> String {
        format!("z9hG4bK{}{}{}", self.call_id.split('@').next().unwrap_or_default(), self.method, self.cseq)
    }

    /// How it goes out by this line.
    pub fn text(&self, line: &Line) -> String {
        self.text_with_branch(line, &self.branch())
    }

    fn text_with_branch(&self, line: &Line, branch: &str) -> String {
        let Request { method, uri, from, to, call_id, cseq, headers, body } = self;
        let local = line.local().map(|local| local.to_string()).unwrap_or_default();
        let transport = line.transport();
        let kind = if body.is_empty() || headers.contains("Content-Type:") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let contact = if headers.contains("Contact:") || *method == "ACK" {
            String::new()
        } else {
            format!("Contact: <sip:peer@{local};transport={}>\r\n", transport.to_lowercase())
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}{headers}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// A response that has come.
#[derive(Clone, Debug)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// All of it.
    pub text: String,
}

impl Response {
    /// Reads one; nothing if it is a request.
    pub fn read(text: &str) -> Option<Response> {
        let status = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
        Some(Response { status, text: text.to_owned() })
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.text, name)
    }

    /// The body.
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn is_to(&self, call_id: &str, cseq: u32) -> bool {
        let number = self.header("CSeq").and_then(|cseq| cseq.split_whitespace().next()?.parse().ok());
        self.header("Call-ID") == Some(call_id) && number == Some(cseq)
    }
}

/// The `Authorization` line that answers the first challenge of a response (RFC 7616 §3.4).
pub fn proof(response: &Response, method: &str, uri: &str, user: &str, password: &str) -> Option<String> {
    let challenge = response.header("WWW-Authenticate").or_else(|| response.header("Proxy-Authenticate"))?;
    let parameter = |name: &str| {
        let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    };
    let (realm, nonce) = (parameter("realm")?, parameter("nonce")?);
    let sha = challenge.contains("algorithm=SHA-256");
    let hash = |text: String| if sha { hex(&Sha256::digest(text)) } else { hex(&Md5::digest(text)) };
    let (ha1, ha2) = (hash(format!("{user}:{realm}:{password}")), hash(format!("{method}:{uri}")));
    let digest = hash(format!("{ha1}:{nonce}:00000001:attack:auth:{ha2}"));
    let algorithm = if sha { "SHA-256" } else { "MD5" };
    Some(format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{digest}\", algorithm={algorithm}, qop=auth, nc=00000001, cnonce=\"attack\"\r\n"
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_by_content_length() {
        let mut heard = b"\r\nSIP/2.0 200 OK\r\nl: 0\r\nContent-Length: 2\r\n\r\nabSIP/2.0 100".to_vec();
        assert!(cut(&mut heard).expect("one is whole").ends_with("\r\n\r\nab"));
        assert_eq!(cut(&mut heard), None);
    }

    #[test]
    fn an_old_challenge_is_answered_with_md5() {
        let challenge =
            "SIP/2.0 401 No\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n\r\n";
        let response = Response::read(challenge).expect("a response");
        let line = proof(&response, "REGISTER", "sip:r", "anna", "secret").expect("a digest challenge");
        let (ha1, ha2) = (hex(&Md5::digest("anna:r:secret")), hex(&Md5::digest("REGISTER:sip:r")));
        let expected = hex(&Md5::digest(format!("{ha1}:n:00000001:attack:auth:{ha2}")));
        assert!(line.contains(&format!("response=\"{expected}\", algorithm=MD5")), "{line}");
    }
}
