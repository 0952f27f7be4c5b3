//! A softphone, its browser, and a server to talk to, all in simulated time.
#![allow(dead_code, reason = "each story uses its part")]

use std::collections::VecDeque;

use sip::{DialogId, Event, FlowId, OutboundInvite, Owner, RegisterRequest, Transport, UserAgent};
use softphone::{
    CallEnd, CallState, Command, Config, Direction, Fact, LineAccount, Order, PhoneCall, PhoneCallId,
    Refusal, Registration, Softphone,
};
use timing::{Deadline, Duration, Instant};

pub const ACCOUNT: &str = "k3v9xq";

pub struct World {
    pub phone: Softphone,
    pub server: UserAgent,
    pub now: Instant,
    /// Whether sockets can be opened.
    pub reachable: bool,
    /// Whether the browser does what it is asked to do; a story may do it by hand instead.
    pub browser_works: bool,
    /// What the registrar answers.
    pub register_status: u16,
    /// Whether it lets the phone wait for that.
    pub registrar_waits: bool,
    unanswered: Option<RegisterRequest>,
    pub flow: Option<FlowId>,
    flows: u64,
    contact: Option<String>,
    offers: u32,
    pub orders: Vec<Order>,
    pub facts: Vec<Fact>,
    /// What the server was told, REGISTER apart.
    pub heard: VecDeque<Event>,
    pub registrations: u32,
}

pub fn account() -> LineAccount {
    LineAccount {
        name: ACCOUNT.into(),
        password: "not-real".into(),
        domain: "default".into(),
        display_name: "Alice Martin".into(),
    }
}

pub fn sdp(version: u32, direction: Direction) -> String {
    format!(
        "v=0\r\no=- 7 {version} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na={}\r\n",
        direction.as_str()
    )
}

impl World {
    pub fn new() -> Self {
        World {
            phone: Softphone::new(Config { user_agent: "Phone/1".into(), secure: false, seed: [7; 32] }),
            server: UserAgent::new(sip::Config {
                user_agent: "Server/1".into(),
                contact_host: "192.0.2.14:5060".into(),
                transport: Transport::Ws,
                seed: [9; 32],
                server: true,
            }),
            now: Instant::ORIGIN,
            reachable: true,
            browser_works: true,
            register_status: 200,
            registrar_waits: false,
            unanswered: None,
            flow: None,
            flows: 0,
            contact: None,
            offers: 0,
            orders: Vec::new(),
            facts: Vec::new(),
            heard: VecDeque::new(),
            registrations: 0,
        }
    }

    pub fn registered() -> Self {
        let mut world = World::new();
        world.command(Command::Start(account())).expect("a start is always taken");
        assert_eq!(world.phone.registration(), Registration::Registered);
        world
    }

    pub fn command(&mut self, command: Command) -> Result<(), Refusal> {
        let taken = self.phone.handle_command(command, self.now);
        self.settle();
        taken
    }

    /// Time passes; whoever wants to be woken is.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(next) = Deadline::sooner(self.phone.poll_timeout(), self.server.poll_timeout()) {
            if next.at > until {
                break;
            }
            self.now = self.now.max(next.at);
            self.phone.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
    }

    /// Everything that is on its way arrives.
    pub fn settle(&mut self) {
        loop {
            if let Some(bytes) = self.phone.poll_transmit() {
                if let Some(flow) = self.flow {
                    self.server.handle_message(flow, &bytes, self.now);
                }
            } else if let Some(transmit) = self.server.poll_transmit() {
                if self.flow == Some(transmit.flow) {
                    self.phone.handle_message(&transmit.bytes, self.now);
                }
            } else if let Some(order) = self.phone.poll_order() {
                self.obey(order);
            } else if let Some(fact) = self.phone.poll_fact() {
                self.facts.push(fact);
            } else if let Some(event) = self.server.poll_event() {
                self.serve(event);
            } else {
                return;
            }
        }
    }

    /// The network is cut, as by a pulled cable that both sides notice.
    pub fn cut(&mut self) {
        let flow = self.flow.take().expect("a socket is open");
        self.server.close_flow(flow, self.now);
        self.phone.socket_closed(self.now);
        self.settle();
    }

    /// The server is another one that knows no calls, and the socket to the old one is gone.
    pub fn restart(&mut self) {
        self.cut();
        self.server = World::new().server;
    }

    /// The phone has lost its socket, and the server does not know it yet.
    pub fn lose_socket(&mut self) {
        self.flow.take().expect("a socket is open");
        self.phone.socket_closed(self.now);
        self.settle();
    }

    pub fn only_call(&self) -> PhoneCall {
        let calls: Vec<_> = self.phone.calls().collect();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls[0].clone()
    }

    pub fn call(&self, id: PhoneCallId) -> PhoneCall {
        self.phone.calls().find(|call| call.id == id).cloned().expect("the call lives")
    }

    /// The phone dials, the server rings.
    pub fn dial(&mut self, number: &str) -> (PhoneCallId, DialogId) {
        self.command(Command::Dial { number: number.into() }).expect("it may dial");
        let id = self.phone.calls().last().expect("a call").id;
        let Some(Event::Invite(invite)) = self.heard.pop_back() else {
            panic!("no INVITE: {:?}", self.heard)
        };
        self.server.progress(invite.dialog, 180, None, self.now);
        self.settle();
        (id, invite.dialog)
    }

    /// The phone dials, and the server answers.
    pub fn talk(&mut self, number: &str) -> (PhoneCallId, DialogId) {
        let (id, dialog) = self.dial(number);
        self.server.answer(dialog, sdp(1, Direction::SendRecv), self.now).expect("it rings");
        self.settle();
        assert_eq!(self.call(id).state, CallState::Established);
        (id, dialog)
    }

    /// The server calls the phone.
    pub fn ring(&mut self, from: &str, auto_answer: bool) -> (PhoneCallId, DialogId) {
        let (flow, target) = (self.flow.expect("registered"), self.contact.clone().expect("registered"));
        let dialog = self.server.invite(
            OutboundInvite {
                flow,
                target,
                from_user: from.into(),
                from_name: Some("Bruno".into()),
                from_host: "default".into(),
                to_user: ACCOUNT.into(),
                to_host: "default".into(),
                sdp: sdp(1, Direction::SendRecv),
                auto_answer,
                ..OutboundInvite::default()
            },
            self.now,
        );
        self.settle();
        (self.phone.calls().last().expect("it rings").id, dialog)
    }

    /// The server agrees to the offer that it was sent last.
    pub fn agree(&mut self) -> Direction {
        let offer = self.heard.iter().rposition(|event| matches!(event, Event::Offer { .. }));
        let Some(Event::Offer { dialog, sdp: Some(offer) }) = offer.and_then(|at| self.heard.remove(at))
        else {
            panic!("no offer: {:?}", self.heard)
        };
        let direction = Direction::of_audio(&offer);
        let back = if direction.holds() { Direction::RecvOnly } else { Direction::SendRecv };
        self.server.answer_offer(dialog, sdp(2, back), self.now);
        self.settle();
        direction
    }

    pub fn ended(&self) -> Vec<CallEnd> {
        let end = |fact: &Fact| if let Fact::CallEnded { end, .. } = fact { Some(*end) } else { None };
        self.facts.iter().filter_map(end).collect()
    }

    pub fn server_knows(&self, dialog: DialogId) -> bool {
        self.server.dialog(dialog).is_some()
    }

    fn obey(&mut self, order: Order) {
        self.orders.push(order.clone());
        match order {
            Order::OpenSocket if self.reachable => {
                self.flows += 1;
                let flow = FlowId(self.flows);
                self.flow = Some(flow);
                let owner = Owner::Account(ACCOUNT.into());
                self.server.open_flow(flow, Transport::Ws, owner, self.now);
                self.phone.socket_opened(self.now);
            }
            Order::OpenSocket => self.phone.socket_closed(self.now),
            Order::CloseSocket => {
                if let Some(flow) = self.flow.take() {
                    self.server.close_flow(flow, self.now);
                }
            }
            Order::CreateOffer { call } | Order::CreateAnswer { call, .. } if self.browser_works => {
                self.describe(call, Direction::SendRecv);
            }
            Order::CreateReoffer { call, direction, .. } | Order::AnswerReoffer { call, direction, .. }
                if self.browser_works =>
            {
                self.describe(call, direction);
            }
            _ => {}
        }
    }

    pub fn describe(&mut self, call: PhoneCallId, direction: Direction) {
        self.offers += 1;
        self.phone.local_description(call, sdp(self.offers, direction), self.now);
    }

    fn serve(&mut self, event: Event) {
        let Event::Register(register) = event else { return self.heard.push_back(event) };
        if self.registrar_waits {
            self.unanswered = Some(register);
            return;
        }
        self.answer_registration(register);
    }

    /// The registrar gives the answer that it has kept back.
    pub fn registrar_answers(&mut self) {
        self.registrar_waits = false;
        let register = self.unanswered.take().expect("a REGISTER waits");
        self.answer_registration(register);
        self.settle();
    }

    fn answer_registration(&mut self, register: RegisterRequest) {
        let mut headers = Vec::new();
        if let Some(contact) = register.contacts.first().filter(|_| self.register_status == 200) {
            let expires = contact.expires.or(register.expires).unwrap_or_default();
            headers.push(("Contact".to_owned(), format!("<{}>;expires={expires}", contact.uri)));
            self.contact = (expires > 0).then(|| contact.uri.clone());
            self.registrations += u32::from(expires > 0);
        }
        self.server.respond(register.request, self.register_status, headers, b"", self.now);
    }
}
