//! A phone and a CTI client of one's own, as little of them as tests of the server need.
#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use str0m::RtcConfig;
use str0m::media::{Direction, MediaKind};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A WebSocket of a client.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens `path` of the server at `host:port`, with the sub-protocol `sip` if that is asked for.
    pub async fn open(address: &str, path: &str, token: &str, sip: bool) -> Socket {
        let url = format!("ws://{address}{path}?token={token}");
        let mut request = url.into_client_request().unwrap();
        if sip {
            request.headers_mut().insert("sec-websocket-protocol", "sip".parse().unwrap());
        }
        Socket(tokio_tungstenite::connect_async(request).await.unwrap().0)
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next text; the reason of the end if there is none any more.
    pub async fn hear(&mut self) -> Result<String, Option<CloseFrame>> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing comes") {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Hears on until a text fits.
    pub async fn hear_until(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let text = self.hear().await.expect("the socket is open");
            if fits(&text) {
                return text;
            }
        }
    }

    /// The close code with which the socket ends, whatever comes before.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Err(frame) = self.hear().await {
                return frame.map(|frame| frame.code.into());
            }
        }
    }
}

/// Asks for the line's configuration by CTI.
pub async fn line_config(cti: &mut Socket) -> Value {
    cti.say(&json!({ "claz": "web", "command": "getConfig", "objectType": "line" }).to_string()).await;
    let answer = cti.hear_until(|text| text.contains("\"LineConfig\"")).await;
    serde_json::from_str::<Value>(&answer).unwrap()["ctiMessage"].clone()
}

/// An SDP offer as a browser makes it.
pub fn offer() -> String {
    let mut rtc = RtcConfig::new().clear_codecs().enable_opus(true, false).build(Instant::now());
    let mut changes = rtc.sdp_api();
    changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
    changes.apply().unwrap().0.to_sdp_string()
}

/// The ICE password in a session description.
pub fn ice_password(sdp: &str) -> String {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).unwrap().trim().to_owned()
}

/// A registered phone.
pub struct Phone {
    pub socket: Socket,
    pub password: String,
    /// The last digest response that it gave.
    pub response: String,
    account: String,
    cseq: u32,
}

/// An answered call of a [`Phone`].
pub struct Call {
    pub answer: String,
    to: String,
    target: String,
}

impl Phone {
    /// Registers with what the CTI socket tells.
    pub async fn register(address: &str, token: &str) -> Phone {
        let line = line_config(&mut Socket::open(address, "/xuc/api/2.0/cti", token, false).await).await;
        let mut phone = Phone {
            socket: Socket::open(address, "/wssip", token, true).await,
            password: line["password"].as_str().unwrap().to_owned(),
            account: line["name"].as_str().unwrap().to_owned(),
            response: String::new(),
            cseq: 0,
        };
        let contact =
            format!("Contact: <sip:{}@phone.invalid;transport=ws>\r\nExpires: 60\r\n", phone.account);
        let to = format!("<sip:{}@default>", phone.account);
        let challenge = phone.request("REGISTER", "sip:default", &to, &contact, "").await;
        assert!(challenge.starts_with("SIP/2.0 401"), "{challenge}");
        let proof = phone.proof(&challenge);
        let answer = phone.request("REGISTER", "sip:default", &to, &(contact + &proof), "").await;
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        phone
    }

    /// Calls a number that answers.
    pub async fn call(&mut self, number: &str) -> Call {
        let contact = format!("Contact: <sip:{}@phone.invalid;transport=ws>\r\n", self.account);
        let target = format!("sip:{number}@default");
        let answer = self.request("INVITE", &target, &format!("<{target}>"), &contact, &offer()).await;
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        let (head, sdp) = answer.split_once("\r\n\r\n").unwrap();
        let target = header(head, "Contact").trim_matches(['<', '>']).split('>').next().unwrap().to_owned();
        let call = Call { answer: sdp.to_owned(), to: header(head, "To"), target };
        let ack = self.message("ACK", &call.target, &call.to, "", "");
        self.socket.say(&ack).await;
        call
    }

    /// Ends a call.
    pub async fn end(&mut self, call: &Call) {
        let answer = self.request("BYE", &call.target, &call.to, "", "").await;
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }

    /// Sends a request and waits for its final response.
    async fn request(&mut self, method: &str, target: &str, to: &str, headers: &str, body: &str) -> String {
        self.cseq += 1;
        let message = self.message(method, target, to, headers, body);
        self.socket.say(&message).await;
        let cseq = format!("{} {method}", self.cseq);
        self.socket
            .hear_until(|text| {
                text.starts_with("SIP/2.0") && !text.starts_with("SIP/2.0 1") && header(text, "CSeq") == cseq
            })
            .await
    }

    fn message(&self, method: &str, target: &str, to: &str, headers: &str, body: &str) -> String {
        let Phone { account, cseq, .. } = self;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/WS phone.invalid;branch=z9hG4bK{method}{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{account}@default>;tag=f1\r\nTo: {to}\r\nCall-ID: c1@phone.invalid\r\n\
             CSeq: {cseq} {method}\r\n{headers}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Credentials for a challenge to a browser's line, which asks for MD5 (RFC 7616 §3.4).
    fn proof(&mut self, challenge: &str) -> String {
        let challenge = challenge.lines().find(|line| line.contains("algorithm=MD5")).unwrap();
        let nonce = challenge.split_once("nonce=\"").unwrap().1.split('"').next().unwrap();
        let realm = challenge.split_once("realm=\"").unwrap().1.split('"').next().unwrap();
        let account = &self.account;
        let ha1 = hex(&format!("{account}:{realm}:{}", self.password));
        let ha2 = hex("REGISTER:sip:default");
        self.response = hex(&format!("{ha1}:{nonce}:00000001:c:auth:{ha2}"));
        format!(
            "Authorization: Digest username=\"{account}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"sip:default\", \
             response=\"{}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n",
            self.response
        )
    }
}

fn header(message: &str, name: &str) -> String {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {message}")).trim().to_owned()
}

fn hex(text: &str) -> String {
    hex_of(&Md5::digest(text))
}

/// Lower-case hexadecimal digits.
pub fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
