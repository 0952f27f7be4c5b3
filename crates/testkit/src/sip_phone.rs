//! A desk phone: SIP by UDP and plain RTP, with a password of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use media::{SocketOrder, Transmit};
use sip::{
    Credentials, DialogId, Event, FlowEnds, FlowId, OutboundInvite, OutboundRegister, Owner, Transport,
    UserAgent,
};
use timing::{Duration, Instant};

use crate::carrier::Registrar;
use crate::world::{PASSWORD, World};

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

/// What the desk phones of a story do.
impl World {
    /// A desk phone registers by UDP on the user's line. It is called `desk-` and the user's name, and that is what
    /// it says when it speaks.
    pub fn plugs_in_sip_phone(&mut self, user: &str, number: u8) -> String {
        let name = format!("desk-{user}");
        let told = self.tries_to_register(&name, number, PASSWORD);
        assert!(matches!(told, Event::Registered { .. }), "{told:?}");
        name
    }

    /// A desk phone tries to register under that name; what comes of it.
    pub fn tries_to_register(&mut self, name: &str, number: u8, password: &str) -> Event {
        let flow = self.new_stranger(number);
        let phone = SipPhone::new(name, number, flow, password, self.now);
        self.sip_phones.insert(name.to_owned(), phone);
        self.exchange();
        self.sip_phone(name).events.pop().expect("an answer")
    }

    /// A desk phone registers while somebody listens; the last thing that it says.
    pub fn captures_registration(&mut self, user: &str, number: u8) -> Vec<u8> {
        let name = format!("desk-{user}");
        let flow = self.new_stranger(number);
        let mut phone = SipPhone::new(&name, number, flow, PASSWORD, self.now);
        let mut said = Vec::new();
        for _ in 0..2 {
            while let Some(transmit) = phone.agent.poll_transmit() {
                said.clone_from(&transmit.bytes);
                self.switch.handle_message(flow, &transmit.bytes, self.now);
            }
            while let Some(transmit) = self.switch.poll_transmit() {
                phone.agent.handle_message(flow, &transmit.bytes, self.now);
            }
        }
        phone.drain(self.now);
        assert!(matches!(phone.events.last(), Some(Event::Registered { .. })), "{:?}", phone.events);
        self.sip_phones.insert(name, phone);
        said
    }

    /// Somebody says by a flow of his own what he has heard; what he is answered.
    pub fn replays(&mut self, said: &[u8], number: u8) -> String {
        let flow = self.new_stranger(number);
        self.switch.handle_message(flow, said, self.now);
        let answer = self.switch.poll_transmit().expect("an answer");
        self.switch.close_flow(flow, self.now);
        String::from_utf8_lossy(&answer.bytes).into_owned()
    }

    fn new_stranger(&mut self, number: u8) -> FlowId {
        let flow = self.next_flow_id();
        let remote = SocketAddr::from(([127, 0, 1, number], 5060));
        let ends = FlowEnds { local: "127.0.0.1:5060".into(), remote };
        self.switch.open_stranger(flow, Transport::Udp, Some(ends), None, self.now);
        flow
    }

    /// The desk phone of that name.
    pub fn sip_phone(&mut self, name: &str) -> &mut SipPhone {
        self.sip_phones.get_mut(name).unwrap_or_else(|| panic!("there is no phone {name}"))
    }

    /// The desk phone dials.
    pub fn sip_phone_dials(&mut self, name: &str, number: &str) -> DialogId {
        self.sip_phone_invites(name, number, Some(credentials(name)), Vec::new(), true)
    }

    /// The desk phone sends an INVITE, with these headers, with an offer or without.
    pub fn sip_phone_invites(
        &mut self,
        name: &str,
        number: &str,
        credentials: Option<Credentials>,
        headers: Vec<(String, String)>,
        with_offer: bool,
    ) -> DialogId {
        let now = self.now;
        let phone = self.sip_phone(name);
        let sound = phone.new_sound();
        let (from_user, from_host) = phone.calls_as.split_once('@').unwrap_or((&phone.calls_as, "default"));
        let invite = OutboundInvite {
            flow: phone.flow,
            target: format!("sip:{number}@default"),
            from_user: from_user.into(),
            from_host: from_host.into(),
            to_user: number.into(),
            to_host: "default".into(),
            sdp: if with_offer { sound.description() } else { String::new() },
            headers,
            credentials,
            ..OutboundInvite::default()
        };
        let dialog = phone.agent.invite(invite, now);
        phone.sounds.insert(dialog, sound);
        self.exchange();
        dialog
    }

    /// Somebody takes the receiver off: the last call that has come in is answered.
    pub fn sip_phone_answers(&mut self, name: &str) {
        let now = self.now;
        let phone = self.sip_phone(name);
        let ringing = phone.events.iter().rev().find_map(|event| match event {
            Event::Invite(invite) => Some(invite.dialog),
            _ => None,
        });
        phone.answer(ringing.expect("it rings"), now);
        self.exchange();
    }

    /// The phone lets the caller of its last call hear something before anybody answers.
    pub fn sip_phone_sounds_early(&mut self, name: &str) {
        let now = self.now;
        let phone = self.sip_phone(name);
        let (dialog, sound) = phone.sounds.iter().next_back().expect("it rings");
        phone.agent.progress(*dialog, 183, Some(sound.description()), now);
        self.exchange();
    }

    /// Its last call is answered elsewhere than where it sounded early: another branch of a call that has forked.
    pub fn sip_phone_answers_elsewhere(&mut self, name: &str) {
        let phone = self.sip_phone(name);
        phone.next_port += 2;
        let port = phone.next_port;
        let sound = phone.sounds.values_mut().next_back().expect("it rings");
        sound.address.set_port(port);
        self.sip_phone_answers(name);
    }

    /// The phone is at another address from now on, where it registers again; nobody has noticed that it left.
    pub fn sip_phone_moves(&mut self, name: &str, number: u8) {
        self.sip_phone_is_moved(name, number);
        let now = self.now;
        self.sip_phone(name).register(PASSWORD, now);
        self.exchange();
    }

    /// The phone is at another address from now on, which itself has not noticed either.
    pub fn sip_phone_is_moved(&mut self, name: &str, number: u8) {
        let (flow, now) = (self.new_stranger(number), self.now);
        let phone = self.sip_phone(name);
        (phone.flow, phone.ip) = (flow, [127, 0, 1, number]);
        phone.agent.open_flow(flow, Transport::Udp, Owner::Unproved, now);
        for (dialog, sound) in &mut phone.sounds {
            phone.agent.rebind(*dialog, flow);
            sound.address.set_ip(phone.ip.into());
        }
    }

    /// The desk phone changes the direction of a call: hold and resume.
    pub fn sip_phone_reoffers(&mut self, name: &str, dialog: DialogId, direction: &'static str) {
        let now = self.now;
        let phone = self.sip_phone(name);
        let sound = phone.sounds.get_mut(&dialog).expect("it has the call");
        sound.direction = direction;
        sound.sequence += 1;
        let sdp = sound.description_of(direction);
        phone.agent.reinvite(dialog, sdp, Vec::new(), now).expect("the call is up");
        self.exchange();
    }

    /// The phone transfers a call: the value of the header `Refer-To`.
    pub fn sip_phone_refers(&mut self, name: &str, dialog: DialogId, refer_to: &str) {
        let now = self.now;
        let phone = self.sip_phone(name);
        phone.refers += 1;
        let info = phone.agent.dialog(dialog).expect("the call is up").clone();
        let (ip, number) = (phone.ip.map(|part| part.to_string()).join("."), phone.refers);
        let request = format!(
            "REFER sip:hotdesk@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:5060;branch=z9hG4bKrefer{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@default>;tag={}\r\nTo: <sip:{}@default>;tag={}\r\nCall-ID: {}\r\n\
             CSeq: {} REFER\r\nContact: <sip:{name}@{ip}:5060>\r\nRefer-To: {refer_to}\r\nContent-Length: 0\r\n\r\n",
            info.local_tag,
            info.remote_user,
            info.remote_tag.expect("the call is up"),
            info.sip_call_id,
            9_000 + number,
        );
        let flow = phone.flow;
        self.switch.handle_message(flow, request.as_bytes(), now);
        self.exchange();
    }

    /// Whether the phone has no call at all.
    pub fn sip_phone_rests(&self, name: &str) -> bool {
        let phone = self.sip_phones.get(name).unwrap_or_else(|| panic!("there is no phone {name}"));
        phone.sounds.is_empty()
    }

    /// Somebody puts the receiver down.
    pub fn sip_phone_hangs_up(&mut self, name: &str, dialog: DialogId) {
        let now = self.now;
        self.sip_phone(name).agent.bye(dialog, None, now);
        self.exchange();
    }

    /// Whether the phone rings.
    pub fn sip_phone_rings(&self, name: &str) -> bool {
        let phone = self.sip_phones.get(name).unwrap_or_else(|| panic!("there is no phone {name}"));
        phone.sounds.keys().any(|dialog| {
            phone.agent.dialog(*dialog).is_some_and(|info| info.state == sip::DialogState::Offered)
        })
    }

    pub(crate) fn tick_sip_phones(&mut self) {
        let now = self.now;
        let mut datagrams = Vec::new();
        let awake = |phone: &&mut SipPhone| now >= phone.next_packet && !phone.is_mute;
        for phone in self.sip_phones.values_mut().filter(awake) {
            phone.next_packet = now + PACKET;
            for sound in phone.sounds.values_mut() {
                let Some(server) = sound.server.filter(|_| sound.direction.starts_with("send")) else {
                    continue;
                };
                datagrams.push((sound.address, server, sound.packet(phone.name.as_bytes())));
            }
        }
        for (source, server, bytes) in datagrams {
            self.plane.handle_datagram(source, server, &bytes, now);
        }
    }

    pub(crate) fn carry_from_sip_phones(&mut self) -> bool {
        let now = self.now;
        let mut moved = false;
        for phone in self.sip_phones.values_mut() {
            phone.agent.handle_timeout(now);
            while let Some(transmit) = phone.agent.poll_transmit() {
                moved = true;
                self.switch.handle_message(transmit.flow, &transmit.bytes, now);
            }
            phone.drain(now);
        }
        moved
    }

    pub(crate) fn tell_sip_phone(&mut self, flow: FlowId, bytes: &[u8]) {
        let now = self.now;
        let phone = self.sip_phones.values_mut().find(|phone| phone.flow == flow && !phone.is_deaf);
        if let Some(phone) = phone {
            phone.mail.push(String::from_utf8_lossy(bytes).into_owned());
            phone.agent.handle_message(flow, bytes, now);
            phone.drain(now);
        }
    }

    pub(crate) fn sound_for_sip_phone(&mut self, transmit: &Transmit) -> bool {
        let now = self.now;
        for phone in self.sip_phones.values_mut() {
            let is_its = phone.sounds.values().any(|sound| sound.address == transmit.destination);
            if is_its && transmit.bytes.len() > 12 {
                phone.heard.push((now, transmit.bytes[12..].to_vec()));
                return true;
            }
        }
        false
    }

    /// Opens and closes the ports that plain legs ask for.
    pub(crate) fn serve_ports(&mut self) -> bool {
        let mut moved = false;
        while let Some(order) = self.plane.poll_socket() {
            moved = true;
            if let SocketOrder::Open { rtp } = order {
                self.plane.handle_socket(rtp, true, self.now);
            }
        }
        moved
    }
}
