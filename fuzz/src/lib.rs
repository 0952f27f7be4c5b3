//! What the targets share: a server's user agent with one stranger before it, and what must hold of it.

use sip::{Config, DialogId, Event, FlowEnds, FlowId, Owner, Transmit, Transport, UserAgent};
use timing::{Duration, Instant};

/// The stranger's flow.
pub const FLOW: FlowId = FlowId(1);

/// What the desk offers and answers.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";

/// A user agent that takes what comes, and does to each call what it is told to.
pub struct Desk {
    /// The user agent.
    pub agent: UserAgent,
    /// Where its time stands.
    pub now: Instant,
    transport: Transport,
    /// What to do with the next calls: each takes one off the end.
    moods: Vec<u8>,
    told: Vec<Event>,
    said: Vec<Transmit>,
    up: Vec<DialogId>,
}

impl Desk {
    /// A desk with a stranger on a flow of this transport.
    pub fn new(transport: Transport, moods: &[u8]) -> Desk {
        let mut agent = UserAgent::new(Config {
            user_agent: "fuzz/1".into(),
            contact_host: "192.0.2.1:5060".into(),
            transport,
            seed: [9; 32],
            server: true,
        });
        let now = Instant::ORIGIN + Duration::from_secs(1_000);
        agent.open_flow(FLOW, transport, Owner::Unproved, now);
        if !transport.is_websocket() {
            let remote = "192.0.2.99:5099".parse().expect("an address");
            agent.set_ends(FLOW, FlowEnds { local: "192.0.2.1:5060".into(), remote });
        }
        let moods = moods.iter().rev().copied().collect();
        Desk { agent, now, transport, moods, told: Vec::new(), said: Vec::new(), up: Vec::new() }
    }

    /// Hears one message, and acts on what it means.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.agent.handle_message(FLOW, bytes, self.now);
        self.act();
        self.pass(Duration::from_millis(20));
    }

    /// Lets time pass, with every timer at its time.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(wake) = self.agent.poll_timeout().filter(|wake| wake.at <= until) {
            self.now = self.now.max(wake.at);
            self.agent.handle_timeout(self.now);
            self.act();
        }
        self.now = until;
    }

    /// Everything that has happened so far.
    pub fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Everything that was said so far.
    pub fn said(&mut self) -> Vec<Transmit> {
        std::mem::take(&mut self.said)
    }

    /// The `To` tag of the last thing said, as a dialog's later messages need it.
    pub fn last_tag(&self) -> Option<Vec<u8>> {
        let bytes = &self.said.last()?.bytes;
        let text = String::from_utf8_lossy(bytes);
        let to = text.lines().find(|line| line.starts_with("To:"))?;
        Some(to.split(";tag=").nth(1)?.split(';').next()?.as_bytes().to_vec())
    }

    /// Ends what is up and waits for the longest timer: then nothing may be left.
    pub fn nothing_is_left(&mut self) {
        for dialog in std::mem::take(&mut self.up) {
            self.agent.bye(dialog, None, self.now);
        }
        self.act();
        self.pass(Duration::from_secs(400));
        assert_eq!(self.agent.held(), (0, 0), "dialogs and transactions are kept for ever");
        assert!(self.agent.poll_timeout().is_none(), "a timer runs for nothing");
    }

    fn act(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            let mood = match &event {
                Event::Invite(_) | Event::Offer { .. } | Event::Register(_) => self.moods.pop().unwrap_or(0),
                _ => 0,
            };
            match &event {
                Event::Invite(invite) => self.decide(invite.dialog, mood),
                Event::Offer { dialog, .. } if mood % 2 == 0 => {
                    self.agent.answer_offer(*dialog, SDP.into(), self.now);
                }
                Event::Offer { dialog, .. } => self.agent.refuse_offer(*dialog, 488, self.now),
                Event::Register(register) => {
                    let status = [200, 403, 423][usize::from(mood) % 3];
                    self.agent.respond(register.request.clone(), status, Vec::new(), b"", self.now);
                }
                Event::Ended { dialog, .. } => self.up.retain(|up| up != dialog),
                _ => {}
            }
            self.told.push(event);
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            self.check(&transmit);
            self.said.push(transmit);
        }
    }

    fn decide(&mut self, dialog: DialogId, mood: u8) {
        self.up.push(dialog);
        if mood & 1 != 0 {
            self.agent.progress(dialog, 183, Some(SDP.into()), self.now);
        }
        match mood >> 1 & 3 {
            0 => self.agent.refuse(dialog, 486, None, self.now),
            1 => {
                let _ = self.agent.answer(dialog, SDP.into(), self.now);
            }
            _ => {}
        }
    }

    /// Whatever comes in: what goes out is one whole message, as another reads it.
    fn check(&self, transmit: &Transmit) {
        if transmit.bytes == b"\r\n" {
            return;
        }
        let mut other = UserAgent::new(Config {
            user_agent: "other/1".into(),
            contact_host: "other.invalid".into(),
            transport: self.transport,
            seed: [1; 32],
            server: false,
        });
        other.open_flow(FLOW, self.transport, Owner::Unproved, self.now);
        other.handle_message(FLOW, &transmit.bytes, self.now);
        let answer = other.poll_transmit().map(|answer| answer.bytes).unwrap_or_default();
        assert!(
            !answer.starts_with(b"SIP/2.0 400"),
            "what we say is malformed:\n{}",
            String::from_utf8_lossy(&transmit.bytes)
        );
        let head = transmit.bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head has an end");
        let bare = transmit.bytes[..head].split(|&b| b == b'\n').rev().skip(1).any(|l| !l.ends_with(b"\r"));
        assert!(!bare, "a bare line feed in a head of ours");
    }
}

/// Asserts that nothing the application is told could break a log line or a header.
pub fn harmless(text: &str) {
    assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
}

/// Asserts that of every text that is given to the application.
pub fn all_harmless(events: &[Event]) {
    for event in events {
        match event {
            Event::Invite(invite) => {
                let name = invite.from_name.as_deref().unwrap_or_default();
                for text in [&invite.request_user, &invite.from_user, &invite.to_user, &invite.from_host] {
                    harmless(text);
                }
                harmless(name);
                for (header, value) in &invite.headers {
                    harmless(header);
                    harmless(value);
                }
            }
            Event::Register(register) => {
                for text in [&register.aor_user, &register.from_user, &register.aor_host] {
                    harmless(text);
                }
                register.contacts.iter().for_each(|contact| harmless(&contact.uri));
            }
            _ => {}
        }
    }
}

/// A request by which `extra` headers and a body come.
pub fn request(method: &str, uri: &[u8], extra: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(method.as_bytes());
    bytes.push(b' ');
    bytes.extend(uri);
    bytes.extend(b" SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.99:5099;branch=z9hG4bKf\r\nMax-Forwards: 70\r\n");
    bytes.extend(b"From: <sip:anna@192.0.2.99>;tag=f\r\nTo: <sip:desk@192.0.2.1>\r\nCall-ID: f\r\n");
    bytes.extend(format!("CSeq: 1 {method}\r\nContact: <sip:anna@192.0.2.99:5099>\r\n").as_bytes());
    bytes.extend(extra);
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend(body);
    bytes
}

/// The transport that a byte stands for.
pub fn transport(byte: u8) -> Transport {
    [Transport::Udp, Transport::Tcp, Transport::Ws][usize::from(byte) % 3]
}
