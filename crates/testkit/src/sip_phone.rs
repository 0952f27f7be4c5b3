//! A desk phone: SIP by UDP and plain RTP, with a password of its own.

mod acts;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sip::{Credentials, DialogId, Event, FlowId, OutboundRegister, Owner, Transport, UserAgent};
use timing::{Duration, Instant};

use crate::carrier::Registrar;
use crate::world::PASSWORD;

const BEHIND_NAT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 5));
const PACKET: Duration = Duration::from_millis(20);
/// G.711 µ-law.
const PCMU: u8 = 0;

/// A simulated desk phone. It rings when it is called, and answers when it is told to or asked to by the caller.
pub struct SipPhone {
    /// Its user agent, for a story to act by.
    pub agent: UserAgent,
    /// All that its user agent told, oldest first.
    pub events: Vec<Event>,
    /// Whether it takes each call at once.
    pub picks_up: bool,
    /// All that it was sent, oldest first.
    pub mail: Vec<String>,
    /// Whom its calls come from; itself, unless a story says otherwise. With a host behind an @.
    pub calls_as: String,
    /// How it refuses each call, with these headers.
    pub refuses: Option<(u16, Vec<(String, String)>)>,
    /// Whether nothing reaches it.
    pub is_deaf: bool,
    /// Whether it sends no sound.
    pub is_mute: bool,
    /// Whether it writes an address into its descriptions that nobody can reach, as behind NAT.
    pub is_behind_nat: bool,
    pub(crate) registrar: Option<Registrar>,
    pub(crate) flow: FlowId,
    name: String,
    ip: [u8; 4],
    next_port: u16,
    refers: u32,
    sounds: BTreeMap<DialogId, Sound>,
    heard: Vec<(Instant, Vec<u8>)>,
    next_packet: Instant,
}

/// One call's RTP.
struct Sound {
    address: SocketAddr,
    /// The server's port, once known.
    server: Option<SocketAddr>,
    /// Whether its description says another address than its own.
    is_hidden: bool,
    direction: &'static str,
    sequence: u16,
    timestamp: u32,
}

impl SipPhone {
    fn new(name: &str, number: u8, flow: FlowId, password: &str, now: Instant) -> Self {
        let remote = SocketAddr::from(([127, 0, 1, number], 5060));
        let mut agent = UserAgent::new(sip::Config {
            user_agent: "sip phone".into(),
            contact_host: remote.to_string(),
            transport: Transport::Udp,
            seed: std::array::from_fn(|at| if at == 0 { number } else { flow.0.to_be_bytes()[at % 8] }),
            server: false,
        });
        agent.open_flow(flow, Transport::Udp, Owner::Unproved, now);
        let mut phone = SipPhone::with(agent, name, number, flow, now);
        phone.register(password, now);
        phone
    }

    fn register(&mut self, password: &str, now: Instant) {
        let register = OutboundRegister {
            flow: self.flow,
            user: self.name.clone(),
            domain: "default".into(),
            name: None,
            expires: 600,
            credentials: Some(credentials_of(&self.name, password)),
            instance: Some(format!("urn:uuid:{}", self.name)),
        };
        self.agent.register(register, now);
    }

    pub(crate) fn with(agent: UserAgent, name: &str, number: u8, flow: FlowId, now: Instant) -> Self {
        SipPhone {
            agent,
            events: Vec::new(),
            mail: Vec::new(),
            picks_up: false,
            calls_as: name.into(),
            refuses: None,
            is_deaf: false,
            is_mute: false,
            is_behind_nat: false,
            registrar: None,
            flow,
            name: name.into(),
            ip: [127, 0, 1, number],
            next_port: 4_000,
            refers: 0,
            sounds: BTreeMap::new(),
            heard: Vec::new(),
            next_packet: now,
        }
    }

    /// The dialogs that have come in or were made and have not ended, oldest first.
    pub fn dialogs(&self) -> Vec<DialogId> {
        self.sounds.keys().copied().collect()
    }

    /// A dialog in which it talks.
    pub fn established(&self) -> Option<DialogId> {
        let is_up = |dialog: &&DialogId| {
            self.agent.dialog(**dialog).is_some_and(|info| info.state == sip::DialogState::Confirmed)
        };
        self.sounds.keys().find(is_up).copied()
    }

    /// The statuses and causes of calls that were refused to it, and `None` for those that ended otherwise.
    pub fn refusals(&self) -> Vec<Option<u16>> {
        let status = |event: &Event| match event {
            Event::Ended { status, .. } => Some(*status),
            _ => None,
        };
        self.events.iter().filter_map(status).collect()
    }

    pub(crate) fn heard(&self, voice: &[u8], since: Instant) -> bool {
        self.heard_since(since).any(|heard| heard == voice)
    }

    pub(crate) fn heard_since(&self, since: Instant) -> impl Iterator<Item = &[u8]> {
        self.heard.iter().rev().take_while(move |(at, _)| *at >= since).map(|(_, voice)| voice.as_slice())
    }

    fn new_sound(&mut self) -> Sound {
        self.next_port += 2;
        Sound {
            address: SocketAddr::from((self.ip, self.next_port)),
            server: None,
            is_hidden: self.is_behind_nat,
            direction: "sendrecv",
            sequence: 1,
            timestamp: 0,
        }
    }

    fn react(&mut self, event: &Event, now: Instant) {
        match event {
            Event::Invite(invite) => {
                let mut sound = self.new_sound();
                sound.hear_of(invite.sdp.as_deref());
                if let Some((status, headers)) = self.refuses.clone() {
                    return self.agent.refuse_with(invite.dialog, status, None, headers, now);
                }
                self.sounds.insert(invite.dialog, sound);
                self.agent.progress(invite.dialog, 180, None, now);
                if self.picks_up || invite.auto_answer {
                    self.answer(invite.dialog, now);
                }
            }
            Event::Progress { dialog, sdp: Some(sdp), .. } => {
                if let Some(sound) = self.sounds.get_mut(dialog) {
                    sound.hear_of(Some(sdp));
                }
            }
            Event::Offer { dialog, sdp } => {
                let Some(sound) = self.sounds.get_mut(dialog) else { return };
                sound.hear_of(sdp.as_deref());
                let answer = sound.description();
                self.agent.answer_offer(*dialog, answer, now);
            }
            Event::Answered { dialog, sdp: Some(sdp) } | Event::OfferAnswered { dialog, sdp } => {
                let Some(sound) = self.sounds.get_mut(dialog) else { return };
                sound.hear_of(Some(sdp));
                // does nothing unless that was an offer, which nobody asked for with one of his own
                let answer = sound.description();
                self.agent.ack(*dialog, &answer, now);
            }
            Event::Ended { dialog, .. } => drop(self.sounds.remove(dialog)),
            Event::Register(request) => self.registered(request.clone(), now),
            _ => {}
        }
    }

    fn answer(&mut self, dialog: DialogId, now: Instant) {
        let Some(sound) = self.sounds.get(&dialog) else { return };
        // a call that was given up in the meantime has told so already
        let _ = self.agent.answer(dialog, sound.description(), now);
    }

    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.agent.poll_event() {
            self.react(&event, now);
            self.events.push(event);
        }
    }
}

impl Sound {
    /// Where to send to, and whether to, as the other side describes it.
    fn hear_of(&mut self, sdp: Option<&str>) {
        let Some(sdp) = sdp else { return };
        let after = |prefix: &str| {
            let line = sdp.lines().find_map(|line| line.strip_prefix(prefix));
            line.and_then(|rest| rest.split(' ').next()).map(str::to_owned)
        };
        if let (Some(ip), Some(port)) = (after("c=IN IP4 "), after("m=audio ")) {
            self.server = format!("{ip}:{port}").parse().ok();
        }
        let has = |direction: &str| sdp.lines().any(|line| line.trim() == direction);
        self.direction = match () {
            () if has("a=sendonly") => "recvonly",
            () if has("a=inactive") => "inactive",
            () if has("a=recvonly") => "sendonly",
            () => "sendrecv",
        };
    }

    fn description(&self) -> String {
        self.description_of(self.direction)
    }

    fn description_of(&self, direction: &str) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        let ip = if self.is_hidden { BEHIND_NAT } else { ip };
        format!(
            "v=0\r\no=- 1 {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
            self.sequence
        )
    }

    /// The next 20 ms.
    fn packet(&mut self, voice: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        let mut bytes = vec![0x80, PCMU];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(u32::from(self.address.port()).to_be_bytes());
        bytes.extend(voice);
        bytes
    }
}

/// What proves the desk phone of that name.
pub fn credentials(name: &str) -> Credentials {
    credentials_of(name, PASSWORD)
}

fn credentials_of(name: &str, password: &str) -> Credentials {
    Credentials { user: name.into(), password: password.into(), realm: None }
}
