use std::collections::BTreeMap;

use media::{Certificate, Plane, RtpConfig};
use model::{LineId, UserId};
use sip::{FlowId, Transport, digest::Ha1};
use softphone::{Command as PhoneCommand, LineAccount, PhoneCallId};
use switch::{Command, Config, Device, Directory, Fact, Identity, Line, PhoneAct, Refusal, Switch};
use timing::{Duration, Instant};

use crate::browser::Browser;
use crate::desk_phone::DeskPhone;
use crate::sip_phone::SipPhone;

const STEP: Duration = Duration::from_millis(5);
/// No story waits longer for anything it expects.
const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const PASSWORD: &str = "minted";
/// By then every lost phone is given up, and every word about its call has been repeated often enough.
const AFTERWARDS: Duration = Duration::from_secs(200);

/// The server's engines and the browsers around them; see the crate's page.
///
/// When a story is over all its pages vanish, and some time later the switch must have forgotten everything.
pub struct World {
    /// The time of this world.
    pub now: Instant,
    /// The server's calls.
    pub switch: Switch,
    pub(crate) plane: Plane,
    pub(crate) epoch: std::time::Instant,
    /// By the name of the page, which for a user's first page is his own.
    browsers: BTreeMap<String, Browser>,
    pub(crate) desk_phones: BTreeMap<String, DeskPhone>,
    pub(crate) sip_phones: BTreeMap<String, SipPhone>,
    /// Connections that pages have lost and the server has not noticed.
    pub(crate) half_open: Vec<FlowId>,
    pub(crate) lines: Vec<(String, Line)>,
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
            })
            .with_rtp(RtpConfig {
                addresses: vec!["127.0.0.1".parse().expect("an address")],
                ports: 20_000..=20_199,
                reserved: vec![7000..=7000, 20_000..=20_199],
            }),
            epoch,
            browsers: BTreeMap::new(),
            desk_phones: BTreeMap::new(),
            sip_phones: BTreeMap::new(),
            half_open: Vec::new(),
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
        let devices = self.lines.iter().map(|(owner, line)| {
            let name = format!("desk-{owner}");
            let ha1 = Ha1::new(&name, "hotdesk", PASSWORD);
            Device { name, account: line.account.clone(), ha1 }
        });
        let directory = Directory::new(self.lines.iter().map(|(_, line)| line.clone()));
        self.switch.set_directory(directory.with_devices(devices));
        self
    }

    /// Takes the passwords of all desk phones away.
    #[must_use]
    pub fn without_devices(mut self) -> Self {
        self.switch.set_directory(Directory::new(self.lines.iter().map(|(_, line)| line.clone())));
        self
    }

    /// Gives all desk phones another password.
    #[must_use]
    pub fn with_new_passwords(mut self, password: &str) -> Self {
        let devices = self.lines.iter().map(|(owner, line)| {
            let name = format!("desk-{owner}");
            let ha1 = Ha1::new(&name, "hotdesk", password);
            Device { name, account: line.account.clone(), ha1 }
        });
        let directory = Directory::new(self.lines.iter().map(|(_, line)| line.clone()));
        self.switch.set_directory(directory.with_devices(devices));
        self
    }

    /// The user's id.
    pub fn user(&self, name: &str) -> UserId {
        self.line_of(name).user
    }

    /// The user opens the page, in place of one that he may have had, and its phone registers.
    pub fn opens_page(&mut self, name: &str) {
        self.opens_another_page(name, name);
    }

    /// The user opens a page of this name, beside those of other names that he may have.
    pub fn opens_another_page(&mut self, page: &str, name: &str) {
        self.closes_page(page);
        let line = self.line_of(name);
        let account = LineAccount {
            name: line.account.clone(),
            password: PASSWORD.into(),
            domain: "default".into(),
            display_name: name.into(),
        };
        self.next_browser += 1;
        let browser = Browser::new(name, self.next_browser, account, self.now);
        self.browsers.insert(page.to_owned(), browser);
        let account = self.line_of(name).account.clone();
        let before = self.switch.phones(&account);
        self.run_until(|world| world.switch.phones(&account) > before);
    }

    /// The page vanishes without a word: a crash, or a reload.
    pub fn closes_page(&mut self, page: &str) {
        if let Some(browser) = self.browsers.remove(page)
            && let Some(flow) = browser.flow
        {
            self.switch.close_flow(flow, self.now);
            self.collect();
        }
    }

    /// The page's SIP connection is gone, which the server does not notice before [`World::server_notices`].
    pub fn loses_socket(&mut self, page: &str) {
        let now = self.now;
        let browser = self.browser_mut(page);
        let flow = browser.flow.take().expect("the page is connected");
        browser.phone.socket_closed(now);
        self.half_open.push(flow);
        self.exchange();
    }

    /// The server notices which connections are gone.
    pub fn server_notices(&mut self) {
        for flow in std::mem::take(&mut self.half_open) {
            self.switch.close_flow(flow, self.now);
        }
        self.exchange();
    }

    /// The page's network stops, or works again. Its SIP connection does not survive a stop.
    pub fn network(&mut self, page: &str, online: bool) {
        let now = self.now;
        let browser = self.browser_mut(page);
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

    /// Several users do something in the same instant.
    pub fn at_once<'a>(&mut self, commands: impl IntoIterator<Item = (&'a str, PhoneCommand)>) {
        let now = self.now;
        for (page, command) in commands {
            self.browser_mut(page).phone.handle_command(command, now).expect("the phone takes the command");
        }
        self.exchange();
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

    /// The user's phone does as told, if it can now.
    pub fn tries(&mut self, name: &str, command: PhoneCommand) -> bool {
        let now = self.now;
        let taken = self.browser_mut(name).phone.handle_command(command, now).is_ok();
        self.exchange();
        taken
    }

    /// The page's SIP connection is gone, if it had one.
    pub fn loses_socket_if_open(&mut self, page: &str) {
        if self.browser(page).flow.is_some() {
            self.loses_socket(page);
        }
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

    /// The page does what the switch last asked its phone to do, as the desk does on the CTI event.
    pub fn heeds_acts(&mut self, name: &str) {
        let user = self.user(name);
        let asked = self.facts.iter().rev().find_map(|fact| match fact {
            Fact::PhoneAct { user: whose, sip_call_id, act: PhoneAct::ToggleHold } if *whose == user => {
                Some(sip_call_id.clone())
            }
            _ => None,
        });
        let Some(asked) = asked else { return };
        let calls = self.browser(name).calls();
        if let Some(call) = calls.iter().find(|call| call.sip_call_id.as_deref() == Some(asked.as_str())) {
            let command = PhoneCommand::Resume { call: call.id };
            self.phone(name, command);
        }
    }

    /// The page of that user.
    pub fn browser(&self, name: &str) -> &Browser {
        self.browsers.get(name).unwrap_or_else(|| panic!("{name} has no page"))
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
    pub(crate) fn exchange(&mut self) {
        let wall = self.epoch + self.now.since_origin();
        self.switch.handle_timeout(self.now);
        self.plane.handle_timeout(self.now);
        let pages: Vec<String> = self.browsers.keys().cloned().collect();
        let now = self.now;
        for browser in self.browsers.values_mut() {
            browser.tick(now, wall);
        }
        self.tick_sip_phones();
        loop {
            let mut moved = self.collect();
            moved |= self.serve_ports();
            for page in &pages {
                moved |= self.connect(page);
                moved |= self.carry_from(page);
            }
            moved |= self.carry_from_desk_phones();
            moved |= self.carry_from_sip_phones();
            moved |= self.carry_to_phones(wall);
            if !moved {
                return;
            }
        }
    }

    /// Opens the SIP connection that the page wants.
    fn connect(&mut self, page: &str) -> bool {
        let line = self.line_of(&self.browser(page).user).clone();
        let browser = self.browser(page);
        if !browser.wants_socket || !browser.online || browser.flow.is_some() {
            return false;
        }
        let (now, flow) = (self.now, self.new_flow(&line));
        let browser = self.browser_mut(page);
        browser.wants_socket = false;
        browser.flow = Some(flow);
        browser.phone.socket_opened(now);
        true
    }

    /// A connection on which the owner of the line has logged in.
    pub(crate) fn new_flow(&mut self, line: &Line) -> FlowId {
        let flow = self.next_flow_id();
        let ha1 = Ha1::new(&line.account, "hotdesk", PASSWORD);
        let identity = Identity { user: line.user, account: line.account.clone(), ha1 };
        self.switch.open_flow(flow, Transport::Wss, identity, self.now);
        flow
    }

    pub(crate) fn next_flow_id(&mut self) -> FlowId {
        self.next_flow += 1;
        FlowId(self.next_flow)
    }

    fn carry_from(&mut self, page: &str) -> bool {
        let (now, wall) = (self.now, self.epoch + self.now.since_origin());
        let mut moved = false;
        let browser = self.browser_mut(page);
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

    fn carry_to_phones(&mut self, wall: std::time::Instant) -> bool {
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
            let phone = self.desk_phones.values_mut().find(|phone| phone.flow == transmit.flow);
            if let Some(phone) = phone {
                phone.hear(&transmit.bytes, now);
            }
            self.tell_sip_phone(transmit.flow, &transmit.bytes);
        }
        while let Some(transmit) = self.plane.poll_transmit() {
            moved |= self.browsers.values_mut().any(|browser| browser.receive(&transmit, now, wall))
                || self.sound_for_sip_phone(&transmit);
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

    pub(crate) fn line_of(&self, name: &str) -> &Line {
        let line = self.lines.iter().find(|(owner, _)| owner == name);
        &line.unwrap_or_else(|| panic!("{name} has no line")).1
    }

    fn browser_mut(&mut self, name: &str) -> &mut Browser {
        self.browsers.get_mut(name).unwrap_or_else(|| panic!("{name} has no page"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let open = self.browsers.values().filter_map(|browser| browser.flow);
        let open = open.chain(self.desk_phones.values().map(|phone| phone.flow));
        let open = open.chain(self.sip_phones.values().map(|phone| phone.flow));
        for flow in open.chain(self.half_open.iter().copied()).collect::<Vec<_>>() {
            self.switch.close_flow(flow, self.now);
        }
        let end = self.now + AFTERWARDS;
        let a_moment = Duration::from_secs(1);
        while self.switch.poll_timeout().is_some() || self.switch.calls() > 0 {
            if self.now > end {
                break;
            }
            self.now += a_moment;
            self.switch.handle_timeout(self.now);
            self.plane.handle_timeout(self.now);
            self.collect();
            while self.switch.poll_transmit().is_some() {}
        }
        assert_eq!(self.switch.calls(), 0, "calls are left");
        assert_eq!(self.switch.held(), (0, 0), "SIP dialogs and transactions are left");
    }
}
