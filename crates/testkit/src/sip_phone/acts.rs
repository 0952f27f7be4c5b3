//! What the desk phones of a story do.

use std::net::SocketAddr;

use media::{SocketOrder, Transmit};
use sip::{Credentials, DialogId, Event, FlowEnds, FlowId, OutboundInvite, Owner, Transport};

use super::{PACKET, SipPhone, credentials};
use crate::world::{PASSWORD, World};

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
