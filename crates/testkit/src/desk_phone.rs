//! A phone of another make, whose every word a story decides.

use std::net::SocketAddr;
use std::time::Instant as WallInstant;

use sip::{
    Credentials, DialogId, Event, FlowId, InboundInvite, OutboundInvite, OutboundRegister, Owner, Transport,
    UserAgent,
};
use timing::Instant;

use crate::peer::Peer;
use crate::world::{PASSWORD, World};

/// A SIP phone that registers and else does nothing by itself. It has descriptions to give, but no sound.
pub struct DeskPhone {
    /// Its user agent, for a story to act by.
    pub agent: UserAgent,
    /// All that its user agent told, oldest first.
    pub events: Vec<Event>,
    /// The bodies of the notices that it got, oldest first.
    pub notices: Vec<String>,
    /// How it answers a notice.
    pub answers_notices_with: u16,
    /// The text messages that it got, oldest first: who sent them, and the text.
    pub messages: Vec<(String, String)>,
    /// How it answers a text message, if it does.
    pub answers_messages_with: Option<u16>,
    requests: u32,
    replies: Vec<String>,
    status: Option<u16>,
    /// Requests of this method never reach it, nor the one that is put in its place.
    pub deaf_to: Option<&'static str>,
    pub(crate) flow: FlowId,
    account: String,
    address: SocketAddr,
}

impl DeskPhone {
    pub(crate) fn new(number: u8, flow: FlowId, account: &str, password: &str, now: Instant) -> Self {
        let mut agent = UserAgent::new(sip::Config {
            user_agent: "desk phone".into(),
            contact_host: format!("desk{number}.invalid"),
            transport: Transport::Wss,
            // another run of one phone has other tags
            seed: std::array::from_fn(|at| if at == 0 { number } else { flow.0.to_be_bytes()[at % 8] }),
            server: false,
        });
        agent.open_flow(flow, Transport::Wss, Owner::Account(account.into()), now);
        agent.register(
            OutboundRegister {
                flow,
                user: account.into(),
                domain: "default".into(),
                name: None,
                expires: 600,
                credentials: Some(Credentials {
                    user: account.into(),
                    password: password.into(),
                    realm: None,
                }),
                instance: Some(format!("urn:uuid:desk-{number}")),
            },
            now,
        );
        let address = SocketAddr::from(([127, 0, 0, 2], 50_000 + u16::from(number)));
        DeskPhone {
            agent,
            events: Vec::new(),
            notices: Vec::new(),
            answers_notices_with: 200,
            messages: Vec::new(),
            answers_messages_with: Some(200),
            requests: 0,
            replies: Vec::new(),
            status: None,
            deaf_to: None,
            flow,
            account: account.into(),
            address,
        }
    }

    /// The call that has come in last.
    pub fn invite(&self) -> Option<&InboundInvite> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Invite(invite) => Some(invite),
            _ => None,
        })
    }

    /// An offer of its own.
    pub(crate) fn offer(&self, now: Instant, wall: WallInstant) -> String {
        Peer::new(self.address, now, wall).offer()
    }

    /// The answer to the call that has come in last.
    pub(crate) fn answer(&self, now: Instant, wall: WallInstant) -> String {
        let offer =
            self.invite().and_then(|invite| invite.sdp.clone()).expect("a call with an offer has come");
        Peer::new(self.address, now, wall).answer(&offer)
    }

    pub(crate) fn dial(&mut self, number: &str, sdp: String, now: Instant) -> DialogId {
        let invite = OutboundInvite {
            flow: self.flow,
            target: format!("sip:{number}@default"),
            from_user: self.account.clone(),
            from_host: "default".into(),
            to_user: number.into(),
            to_host: "default".into(),
            sdp,
            ..OutboundInvite::default()
        };
        self.agent.invite(invite, now)
    }

    pub(crate) fn hear(&mut self, bytes: &[u8], now: Instant) {
        let text = String::from_utf8_lossy(bytes);
        if text.starts_with("NOTIFY ") {
            return self.take_notice(&text);
        }
        if text.starts_with("MESSAGE ") {
            return self.take_message(&text);
        }
        if text.contains("\r\nCSeq: 1 SUBSCRIBE\r\n") || text.contains("\r\nCSeq: 1 MESSAGE\r\n") {
            self.status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
            return;
        }
        if self.deaf_to.is_none_or(|method| !bytes.starts_with(method.as_bytes())) {
            self.agent.handle_message(self.flow, bytes, now);
            self.drain();
        }
    }

    fn take_notice(&mut self, notice: &str) {
        let body = notice.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        self.notices.push(body.to_owned());
        self.reply(notice, self.answers_notices_with);
    }

    fn take_message(&mut self, message: &str) {
        let body = message.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let from = message.lines().find_map(|line| line.strip_prefix("From: ")).unwrap_or_default();
        let from = from.split(";tag=").next().unwrap_or_default();
        self.messages.push((from.to_owned(), body.to_owned()));
        if let Some(status) = self.answers_messages_with {
            self.reply(message, status);
        }
    }

    fn reply(&mut self, request: &str, status: u16) {
        let echoed = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let echoed = request.lines().filter(|line| echoed.iter().any(|name| line.starts_with(name)));
        let echoed: String = echoed.map(|line| format!("{line}\r\n")).collect();
        self.replies.push(format!("SIP/2.0 {status} By Hand\r\n{echoed}Content-Length: 0\r\n\r\n"));
    }

    fn drain(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            self.events.push(event);
        }
    }
}

/// What the phones of a story do.
impl World {
    /// A phone of another make registers on the user's line. One that was there under this name has been started
    /// anew and knows nothing any more, and the server has not noticed that its old connection is gone.
    pub fn plugs_in(&mut self, phone: &str, number: u8, name: &str) {
        let line = self.line_of(name).clone();
        let flow = self.new_flow(&line);
        let mut new = DeskPhone::new(number, flow, &line.account, PASSWORD, self.now);
        if let Some(old) = self.desk_phones.remove(phone) {
            new.deaf_to = old.deaf_to;
            self.half_open.push(old.flow);
        }
        self.desk_phones.insert(phone.to_owned(), new);
        self.exchange();
        let told = &self.desk_phone(phone).events;
        assert!(matches!(told[..], [sip::Event::Registered { .. }, ..]), "{told:?}");
    }

    /// The phone of that name.
    pub fn desk_phone(&mut self, phone: &str) -> &mut DeskPhone {
        self.desk_phones.get_mut(phone).unwrap_or_else(|| panic!("there is no phone {phone}"))
    }

    /// The phone refuses the call that has come in last.
    pub fn desk_phone_refuses(&mut self, phone: &str, status: u16, reason: Option<&str>) {
        let now = self.now;
        let desk_phone = self.desk_phone(phone);
        let dialog = desk_phone.invite().expect("a call has come").dialog;
        let headers = reason.map(|reason| ("Reason".to_owned(), reason.to_owned())).into_iter().collect();
        desk_phone.agent.refuse_with(dialog, status, None, headers, now);
        self.exchange();
    }

    /// The phone answers the call that has come in last, with a description or without.
    pub fn desk_phone_answers(&mut self, phone: &str, with_sdp: bool) {
        let (now, wall) = (self.now, self.epoch + self.now.since_origin());
        let desk_phone = self.desk_phone(phone);
        let dialog = desk_phone.invite().expect("a call has come").dialog;
        let sdp = if with_sdp { desk_phone.answer(now, wall) } else { String::new() };
        desk_phone.agent.answer(dialog, sdp, now).expect("it rings");
        self.exchange();
    }

    /// The phone subscribes to events of somebody; the status that it gets.
    pub fn desk_phone_subscribes(&mut self, phone: &str, to: &str, event: &str) -> u16 {
        let account = self.desk_phone(phone).account.clone();
        let more = format!(
            "Contact: <sip:{account}@lamp.invalid;transport=ws>\r\nEvent: {event}\r\nExpires: 600\r\n"
        );
        self.desk_phone_asks(phone, "SUBSCRIBE", &account, to, &more, "");
        self.desk_phone(phone).status.expect("an answer")
    }

    /// The phone sends a text message in this name.
    pub fn desk_phone_writes(&mut self, phone: &str, from: &str, to: &str, text: &str) {
        self.desk_phone_asks(phone, "MESSAGE", from, to, "Content-Type: text/plain\r\n", text);
    }

    /// The status that its last SUBSCRIBE or MESSAGE got, if it got any yet.
    pub fn desk_phone_was_told(&mut self, phone: &str) -> Option<u16> {
        self.desk_phone(phone).status
    }

    fn desk_phone_asks(&mut self, phone: &str, method: &str, from: &str, to: &str, more: &str, body: &str) {
        let now = self.now;
        let desk_phone = self.desk_phone(phone);
        desk_phone.requests += 1;
        desk_phone.status = None;
        let (number, flow) = (desk_phone.requests, desk_phone.flow);
        let id = format!("{phone}-{method}-{number}");
        let request = format!(
            "{method} sip:{to}@default SIP/2.0\r\nVia: SIP/2.0/WSS lamp.invalid;branch=z9hG4bK{id}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{from}@default>;tag={id}\r\nTo: <sip:{to}@default>\r\n\
             Call-ID: {id}\r\nCSeq: 1 {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.switch.handle_message(flow, request.as_bytes(), now);
        self.exchange();
    }

    /// The phone dials with an offer of that direction.
    pub fn desk_phone_dials(&mut self, phone: &str, number: &str, direction: &str) -> DialogId {
        let (now, wall) = (self.now, self.epoch + self.now.since_origin());
        let desk_phone = self.desk_phone(phone);
        let sdp = desk_phone.offer(now, wall).replace("a=sendrecv", &format!("a={direction}"));
        let dialog = desk_phone.dial(number, sdp, now);
        self.exchange();
        dialog
    }

    pub(crate) fn carry_from_desk_phones(&mut self) -> bool {
        let now = self.now;
        let mut moved = false;
        for phone in self.desk_phones.values_mut() {
            phone.agent.handle_timeout(now);
            for reply in phone.replies.drain(..) {
                moved = true;
                self.switch.handle_message(phone.flow, reply.as_bytes(), now);
            }
            while let Some(transmit) = phone.agent.poll_transmit() {
                moved = true;
                self.switch.handle_message(transmit.flow, &transmit.bytes, now);
            }
            phone.drain();
        }
        moved
    }
}
