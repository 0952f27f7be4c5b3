//! A server with every vice that the rules look for. Each attack is played against it by the tests, and must fail it.
//!
//! It tells known names from unknown ones, checks as many passwords as one likes, answers every call and believes
//! every header, calls whatever host it is told, forgets nothing, and dies of a NUL byte.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Result;

use crate::target::Target;
use crate::wire::{Response, proof, reply, value_of};

/// What it keeps of every INVITE, for ever.
const KEPT_BYTES: usize = 4 << 20;

struct Naive {
    udp: UdpSocket,
    own: SocketAddr,
    phones: Mutex<BTreeMap<String, SocketAddr>>,
    kept: Mutex<Vec<Vec<u8>>>,
    calls: AtomicU64,
    dead: AtomicBool,
}

/// Starts one in threads of this process, which end with it.
///
/// # Errors
/// If no port is to be had.
pub fn start() -> Result<Target> {
    let own = crate::target::free_port()?;
    let (udp, tcp) = (UdpSocket::bind(own)?, TcpListener::bind(own)?);
    let web = TcpListener::bind("127.0.0.1:0")?;
    let http = web.local_addr()?;
    let naive = Arc::new(Naive {
        udp: udp.try_clone()?,
        own,
        phones: Mutex::default(),
        kept: Mutex::default(),
        calls: AtomicU64::new(0),
        dead: AtomicBool::new(false),
    });
    let one = naive.clone();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            one.hear(&buffer[..length], Some(from), |text| drop(udp.send_to(text.as_bytes(), from)));
        }
    });
    let one = naive.clone();
    std::thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            let one = one.clone();
            std::thread::spawn(move || one.serve(stream));
        }
    });
    let one = naive.clone();
    std::thread::spawn(move || web.incoming().flatten().for_each(|stream| one.tell(stream)));
    Ok(Target::here(own, http, move || !naive.dead.load(Ordering::Relaxed)))
}

impl Naive {
    fn serve(&self, mut stream: TcpStream) {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = stream.read(&mut buffer) {
            if length == 0 {
                return;
            }
            let Ok(mut back) = stream.try_clone() else { return };
            // a segment is a message to it
            self.hear(&buffer[..length], None, |text| drop(back.write_all(text.as_bytes())));
        }
    }

    fn hear(&self, bytes: &[u8], from: Option<SocketAddr>, mut say: impl FnMut(String)) {
        if bytes.contains(&0) {
            self.dead.store(true, Ordering::Relaxed);
        }
        if self.dead.load(Ordering::Relaxed) {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        let Some((method, uri)) = text
            .split_once(' ')
            .map(|(method, rest)| (method.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned()))
        else {
            return;
        };
        match method.as_str() {
            "REGISTER" => say(self.register(&text, from)),
            "INVITE" => self.invite(&text, &uri, &mut say),
            "ACK" | "SIP/2.0" => {}
            "REFER" => {
                say(reply(&text, 202, ""));
                self.call(&text, value_of(&text, "Refer-To").unwrap_or_default());
            }
            _ => say(reply(&text, 200, "")),
        }
    }

    fn register(&self, text: &str, from: Option<SocketAddr>) -> String {
        let name =
            value_of(text, "To").and_then(|to| to.split(['@', ':']).nth(1)).unwrap_or_default().to_owned();
        if !["1001", "1002", "1003", "1004"].contains(&name.as_str()) {
            std::thread::sleep(Duration::from_millis(3));
            return reply(text, 404, "");
        }
        let challenge = "WWW-Authenticate: Digest realm=\"naive\", nonce=\"1\", algorithm=MD5, qop=\"auth\"\r\n\
                         Content-Length: 0\r\n\r\n";
        let Some(credentials) = value_of(text, "Authorization") else { return reply(text, 401, challenge) };
        let uri = text.split(' ').nth(1).unwrap_or_default();
        let asked = Response { status: 401, text: format!("SIP/2.0 401 No\r\n{challenge}") };
        let ours = proof(&asked, "REGISTER", uri, &name, "hotdesk").unwrap_or_default();
        let digest = |text: &str| {
            text.split_once("response=\"").map(|(_, rest)| rest[..32.min(rest.len())].to_owned())
        };
        // whoever leaves out the quality of protection must be right too: old crackers do
        if digest(&ours) == digest(credentials) || self.old_digest(credentials, &name) {
            if let Some(from) = from {
                guard(&self.phones).insert(name, from);
            }
            return reply(text, 200, "");
        }
        reply(text, 401, challenge)
    }

    fn old_digest(&self, credentials: &str, name: &str) -> bool {
        use md5::{Digest as _, Md5};
        let hash = |text: String| Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let value = |key: &str| {
            let (_, rest) = credentials.split_once(&format!("{key}="))?;
            Some(rest.trim_start_matches('"').split(['"', ',']).next()?.to_owned())
        };
        let (Some(uri), Some(given)) = (value("uri"), value("response")) else { return false };
        let (ha1, ha2) = (hash(format!("{name}:naive:hotdesk")), hash(format!("REGISTER:{uri}")));
        let plain = hash(format!("{ha1}:1:{ha2}"));
        let counted = value("cnonce")
            .zip(value("nc"))
            .map(|(cnonce, nc)| hash(format!("{ha1}:1:{nc}:{cnonce}:auth:{ha2}")));
        given == plain || Some(given) == counted
    }

    fn invite(&self, text: &str, uri: &str, say: &mut impl FnMut(String)) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        guard(&self.kept).push(vec![1; KEPT_BYTES]);
        say(reply(text, 180, ""));
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        let extra = format!(
            "Contact: <sip:naive@{}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            self.own,
            sdp.len()
        );
        say(reply(text, 200, &extra));
        self.call(text, uri);
    }

    /// Passes a call on as it came, to a phone or to whatever host the address names.
    fn call(&self, text: &str, uri: &str) {
        let address = uri.split(['<', '>']).find(|part| part.starts_with("sip:")).unwrap_or(uri);
        let Some((user, host)) = address.trim_start_matches("sip:").split_once('@') else { return };
        let host = host.split([';', '?']).next().unwrap_or_default();
        let phone = guard(&self.phones).get(user).copied();
        if let Some(to) = phone.or_else(|| host.parse().ok().filter(|host| *host != self.own)) {
            let _ = self.udp.send_to(text.replacen("REFER", "INVITE", 1).as_bytes(), to);
        }
    }

    fn tell(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let mut buffer = [0; 4_096];
        let length = stream.read(&mut buffer).unwrap_or(0);
        let calls = self.calls.load(Ordering::Relaxed);
        let body = if buffer[..length].starts_with(b"GET /metrics") {
            format!(
                "hotdesk_calls {calls}\nhotdesk_sip_transactions {calls}\nhotdesk_sip_dialogs {calls}\n\
                 hotdesk_panics_total {}\n",
                u8::from(self.dead.load(Ordering::Relaxed))
            )
        } else {
            // a token that opens nothing: the socket behind it is not there
            self.calls.fetch_add(1, Ordering::Relaxed);
            "{\"token\":\"t\"}".to_owned()
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all((head + &body).as_bytes());
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
