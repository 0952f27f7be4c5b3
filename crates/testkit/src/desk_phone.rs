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
    subscriptions: u32,
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
            subscriptions: 0,
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
        if text.contains("\r\nCSeq: 1 SUBSCRIBE\r\n") {
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
        let echoed = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let echoed = notice.lines().filter(|line| echoed.iter().any(|name| line.starts_with(name)));
        let echoed: String = echoed.map(|line| format!("{line}\r\n")).collect();
        let status = self.answers_notices_with;
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
        let now = self.now;
        let desk_phone = self.desk_phone(phone);
        desk_phone.subscriptions += 1;
        let (number, account, flow) = (desk_phone.subscriptions, desk_phone.account.clone(), desk_phone.flow);
        let request = format!(
            "SUBSCRIBE sip:{to}@default SIP/2.0\r\nVia: SIP/2.0/WSS lamp.invalid;branch=z9hG4bKlamp{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{account}@default>;tag=lamp{number}\r\nTo: <sip:{to}@default>\r\n\
             Call-ID: lamp-{number}\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:{account}@lamp.invalid;transport=ws>\r\n\
             Event: {event}\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n"
        );
        self.switch.handle_message(flow, request.as_bytes(), now);
        self.exchange();
        self.desk_phone(phone).status.expect("an answer")
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
