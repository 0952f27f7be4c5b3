use std::collections::BTreeMap;

use media::{Certificate, Plane};
use model::{LineId, UserId};
use sip::{FlowId, Transport, digest::Ha1};
use softphone::{CallState, Command as PhoneCommand, LineAccount, PhoneCallId};
use switch::{CallEnded, Command, Config, Directory, Fact, Identity, Line, PhoneFactKind, Refusal, Switch};
use timing::{Duration, Instant};

use crate::browser::{Browser, LISTENED};

const STEP: Duration = Duration::from_millis(5);
/// No story waits longer for anything it expects.
const PATIENCE: Duration = Duration::from_secs(120);
const PASSWORD: &str = "minted";

/// The server's engines and the browsers around them; see the crate's page.
pub struct World {
    /// The time of this world.
    pub now: Instant,
    /// The server's calls.
    pub switch: Switch,
    plane: Plane,
    epoch: std::time::Instant,
    browsers: BTreeMap<String, Browser>,
    lines: Vec<(String, Line)>,
    next_flow: u64,
    next_browser: u16,
    /// All that the switch told, oldest first.
    pub facts: Vec<Fact>,
    /// Whether there is no media worker that takes another leg.
    pub media_is_overloaded: bool,
}

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

impl World {
    /// A server without lines.
    pub fn new() -> Self {
        let epoch = std::time::Instant::now();
        World {
            now: Instant::from_micros(1_000_000),
            switch: Switch::new(Config { seed: [3; 32], ..Config::default() }),
            plane: Plane::new(media::Config {
                candidates: vec!["127.0.0.1:7000".parse().expect("an address")],
                epoch,
                certificate: Certificate::generate().expect("a key pair"),
                seed: [9; 32],
            }),
            epoch,
            browsers: BTreeMap::new(),
            lines: Vec::new(),
            next_flow: 0,
            next_browser: 0,
            facts: Vec::new(),
            media_is_overloaded: false,
        }
    }

    /// Adds a user with a line.
    #[must_use]
    pub fn line(mut self, name: &str, number: &str) -> Self {
        let id = i64::try_from(self.lines.len()).unwrap_or_default() + 1;
        let line = Line {
            id: LineId(id),
            user: UserId(id),
            number: number.parse().expect("a number"),
            account: format!("acc-{name}"),
            full_name: name.to_owned(),
        };
        self.lines.push((name.to_owned(), line));
        self.switch.set_directory(Directory::new(self.lines.iter().map(|(_, line)| line.clone())));
        self
    }

    /// The user's id.
    pub fn user(&self, name: &str) -> UserId {
        self.line_of(name).user
    }

    /// The user opens the page, in place of one that he may have had, and its phone registers.
    pub fn opens_page(&mut self, name: &str) {
        self.closes_page(name);
        let line = self.line_of(name);
        let account = LineAccount {
            name: line.account.clone(),
            password: PASSWORD.into(),
            domain: "default".into(),
            display_name: name.into(),
        };
        self.next_browser += 1;
        let browser = Browser::new(name, self.next_browser, account, self.now);
        self.browsers.insert(name.to_owned(), browser);
        let account = self.line_of(name).account.clone();
        self.run_until(|world| world.switch.phones(&account) > 0);
    }

    /// The page vanishes without a word: a crash, or a reload.
    pub fn closes_page(&mut self, name: &str) {
        if let Some(browser) = self.browsers.remove(name)
            && let Some(flow) = browser.flow
        {
            self.switch.close_flow(flow, self.now);
            self.collect();
        }
    }

    /// The page's network stops, or works again. Its SIP connection does not survive a stop.
    pub fn network(&mut self, name: &str, online: bool) {
        let now = self.now;
        let browser = self.browser_mut(name);
        browser.online = online;
        if !online && let Some(flow) = browser.flow.take() {
            browser.phone.socket_closed(now);
            self.switch.close_flow(flow, now);
        }
        self.collect();
    }

    /// The user dials in the page.
    pub fn dials(&mut self, name: &str, number: &str) {
        self.phone(name, PhoneCommand::Dial { number: number.into() });
    }

    /// The user acts on the only call of his page.
    pub fn acts(&mut self, name: &str, command: impl FnOnce(PhoneCallId) -> PhoneCommand) {
        let calls = self.browser(name).calls();
        let [call] = calls.as_slice() else { panic!("{name} has {} calls", calls.len()) };
        let command = command(call.id);
        self.phone(name, command);
    }

    /// The user's phone does as told.
    pub fn phone(&mut self, name: &str, command: PhoneCommand) {
        let now = self.now;
        self.browser_mut(name).phone.handle_command(command, now).expect("the phone takes the command");
        self.exchange();
    }

    /// A CTI command.
    ///
    /// # Errors
    /// As the switch says.
    pub fn command(&mut self, command: Command) -> Result<(), Refusal> {
        let outcome = self.switch.handle_command(command, self.now);
        self.exchange();
        outcome
    }

    /// The page of that user.
    pub fn browser(&self, name: &str) -> &Browser {
        self.browsers.get(name).unwrap_or_else(|| panic!("{name} has no page"))
    }

    /// The state of the only call on the page; `None` without a call.
    pub fn state(&self, name: &str) -> Option<CallState> {
        self.browser(name).calls().first().map(|call| call.state)
    }

    /// Whether `name` has heard `voice` just now.
    pub fn hears(&self, name: &str, voice: &str) -> bool {
        let since = Instant::from_micros(self.now.as_micros().saturating_sub(LISTENED.as_micros() as u64));
        self.browser(name).heard(voice, since)
    }

    /// Whether `name` has heard nothing at all just now.
    pub fn hears_nobody(&self, name: &str) -> bool {
        !self.lines.iter().any(|(voice, _)| self.hears(name, voice))
    }

    /// What the user was told of his calls, in order.
    pub fn told(&self, name: &str) -> Vec<PhoneFactKind> {
        let user = self.user(name);
        let phone = |fact: &Fact| match fact {
            Fact::Phone(phone) if phone.user == user => Some(phone.kind),
            _ => None,
        };
        self.facts.iter().filter_map(phone).collect()
    }

    /// The calls that are over.
    pub fn records(&self) -> Vec<&CallEnded> {
        self.facts
            .iter()
            .filter_map(|fact| if let Fact::CallEnded(ended) = fact { Some(ended) } else { None })
            .collect()
    }

    /// Lets time pass until `there`.
    ///
    /// # Panics
    /// After two minutes of this world's time.
    pub fn run_until(&mut self, there: impl Fn(&World) -> bool) {
        let end = self.now + PATIENCE;
        while !there(self) {
            assert!(self.now < end, "it did not happen; facts: {:#?}", self.facts);
            self.run_for(STEP);
        }
    }

    /// Lets this much time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += STEP;
            self.exchange();
        }
    }

    /// Everything that is due now happens, until nothing moves.
    fn exchange(&mut self) {
        let wall = self.epoch + self.now.since_origin();
        self.switch.handle_timeout(self.now);
        self.plane.handle_timeout(self.now);
        let names: Vec<String> = self.browsers.keys().cloned().collect();
        let now = self.now;
        for browser in self.browsers.values_mut() {
            browser.tick(now, wall);
        }
        loop {
            let mut moved = self.collect();
            for name in &names {
                moved |= self.connect(name);
                moved |= self.carry_from(name);
            }
            moved |= self.carry_to_browsers(wall);
            if !moved {
                return;
            }
        }
    }

    /// Opens the SIP connection that the page wants.
    fn connect(&mut self, name: &str) -> bool {
        let line = self.line_of(name).clone();
        let (now, flow) = (self.now, FlowId(self.next_flow + 1));
        let browser = self.browser_mut(name);
        if !browser.wants_socket || !browser.online || browser.flow.is_some() {
            return false;
        }
        browser.wants_socket = false;
        browser.flow = Some(flow);
        self.next_flow += 1;
        let ha1 = Ha1::new(&line.account, "hotdesk", PASSWORD);
        let identity = Identity { user: line.user, account: line.account, ha1 };
        self.switch.open_flow(flow, Transport::Wss, identity, now);
        self.browser_mut(name).phone.socket_opened(now);
        true
    }

    fn carry_from(&mut self, name: &str) -> bool {
        let (now, wall) = (self.now, self.epoch + self.now.since_origin());
        let mut moved = false;
        let browser = self.browser_mut(name);
        browser.obey(now, wall);
        let flow = browser.flow;
        let messages: Vec<Vec<u8>> = std::iter::from_fn(|| browser.phone.poll_transmit()).collect();
        let datagrams = browser.outgoing();
        for message in messages {
            moved = true;
            if let Some(flow) = flow {
                self.switch.handle_message(flow, &message, now);
            }
        }
        for datagram in datagrams {
            moved = true;
            self.plane.handle_datagram(datagram.source, datagram.destination, &datagram.bytes, now);
        }
        moved
    }

    fn carry_to_browsers(&mut self, wall: std::time::Instant) -> bool {
        let now = self.now;
        let mut moved = false;
        while let Some(transmit) = self.switch.poll_transmit() {
            moved = true;
            if let Some(browser) =
                self.browsers.values_mut().find(|browser| browser.flow == Some(transmit.flow))
            {
                browser.phone.handle_message(&transmit.bytes, now);
                browser.obey(now, wall);
            }
        }
        while let Some(transmit) = self.plane.poll_transmit() {
            moved |= self.browsers.values_mut().any(|browser| browser.receive(&transmit, now, wall));
        }
        moved
    }

    /// Orders to the plane, facts from it and from the switch.
    fn collect(&mut self) -> bool {
        let mut moved = false;
        while let Some(order) = self.switch.poll_order() {
            moved = true;
            let makes_leg =
                matches!(order.order, media::Order::AcceptOffer { .. } | media::Order::MakeOffer { .. });
            if makes_leg && self.media_is_overloaded {
                let (leg, why) = (order.order.leg(), media::sdp::Unsupported::Overloaded);
                self.switch.handle_media(media::Fact::Refused { leg, why }, self.now);
            } else {
                self.plane.handle_order(order.order, self.now);
            }
        }
        while let Some(fact) = self.plane.poll_fact() {
            moved = true;
            self.switch.handle_media(fact, self.now);
        }
        while let Some(fact) = self.switch.poll_fact() {
            moved = true;
            self.facts.push(fact);
        }
        moved
    }

    fn line_of(&self, name: &str) -> &Line {
        let line = self.lines.iter().find(|(owner, _)| owner == name);
        &line.unwrap_or_else(|| panic!("{name} has no line")).1
    }

    fn browser_mut(&mut self, name: &str) -> &mut Browser {
        self.browsers.get_mut(name).unwrap_or_else(|| panic!("{name} has no page"))
    }
}
