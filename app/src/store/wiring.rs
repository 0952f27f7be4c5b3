//! Where desk, softphone and browser are joined: what the browser says comes in as an [`Input`], one at a time, and is
//! followed by everything that the two cores want done.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use desk::{CallMicrophone, Command, Desk, DeskState, Event, KeptCall, Order};
use leptos::prelude::Set;
use softphone::{PhoneCallId, Softphone};
use timing::{Deadline, Duration, Instant};

use super::shown::Shown;
use super::{Levels, Store};
use crate::browser::{
    self, Check, Claim, IceServers, Peer, PeerEvent, Ring, Socket, SocketEvent, Timer, every, now, seed,
    socket_url, spawn_local,
};

/// How often meters move.
const METER: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

thread_local! {
    static INBOX: RefCell<VecDeque<Input>> = const { RefCell::new(VecDeque::new()) };
    static WIRING: RefCell<Option<Wiring>> = const { RefCell::new(None) };
}

/// What reaches the cores from outside.
enum Input {
    Desk(Box<Event>),
    Click(Command),
    /// The socket of that number says something; what old sockets say is dropped.
    Cti(u64, SocketEvent),
    Sip(u64, SocketEvent),
    Peer(PhoneCallId, PeerEvent),
    NetworkChanged,
    /// The person has clicked or typed, whatever it was.
    Gesture,
    Timeout,
    Meter,
}

/// Everything that lives as long as the page.
struct Wiring {
    desk: Desk,
    phone: Softphone,
    shown: Shown,
    cti: Option<Socket>,
    sip: Option<Socket>,
    /// Number of the newest socket of each kind.
    sockets: u64,
    peers: BTreeMap<PhoneCallId, Box<Peer>>,
    servers: IceServers,
    claim: Option<Claim>,
    check: Option<Check>,
    /// What is kept in the browser for a reload.
    kept: Vec<KeptCall>,
    ring: Option<Ring>,
    timer: Timer,
}

pub(super) fn start() -> Store {
    let (shown, store) = Shown::new();
    let phone = Softphone::new(softphone::Config {
        user_agent: concat!("Hotdesk/", env!("CARGO_PKG_VERSION")).to_owned(),
        secure: browser::is_tls(),
        seed: seed(),
    });
    WIRING.set(Some(Wiring {
        desk: Desk::new(seed()),
        phone,
        shown,
        cti: None,
        sip: None,
        sockets: 0,
        peers: BTreeMap::new(),
        servers: IceServers::default(),
        claim: None,
        check: None,
        kept: browser::kept_calls(),
        ring: None,
        timer: Timer::new(|| give(Input::Timeout)),
    }));
    std::mem::forget((every(SECOND, move || shown.now.set(now())), every(METER, || give(Input::Meter))));
    browser::on_network(|| give(Input::NetworkChanged));
    browser::on_gesture(|| give(Input::Gesture));
    browser::on_devices(look_for_microphones);
    if !browser::is_secure() {
        tell(Event::Microphone(desk::Microphone::Insecure));
    }
    if let Some(login) = browser::kept_session() {
        tell(Event::SessionFound { login, calls: browser::kept_calls() });
        // Nobody has clicked on this page yet: better to know now than at the first call that it would ring unheard.
        allow_sound();
    }
    store
}

pub(super) fn sign_in(login: String, password: String) {
    tell(Event::SigningIn);
    // The click that signs in is the gesture that lets sound out for the rest of the page's life.
    allow_sound();
    spawn_local(async move {
        tell(match browser::login(login, password).await {
            Ok(login) => Event::SignedIn { login: login.login, ttl: login.ttl },
            Err(problem) => Event::SignInFailed(problem),
        });
    });
}

pub(super) fn allow_sound() {
    let allowed = browser::allow_sound();
    spawn_local(async {
        let allowed = allowed.await;
        tell(Event::BellBlocked(!allowed.bell));
        tell(Event::VoiceBlocked(!allowed.voices));
    });
}

fn look_for_microphones() {
    spawn_local(async {
        let (allowed, present) = browser::look_for_microphones().await;
        tell(Event::DevicesChanged { allowed, present });
    });
}

/// Opens the microphone and gives it back at once.
fn try_microphone() {
    spawn_local(async {
        let found = match browser::Microphone::open().await {
            Ok(_) => Some(desk::Microphone::Ready),
            Err(failure) => desk::Microphone::after(failure),
        };
        if let Some(found) = found {
            tell(Event::Microphone(found));
        }
    });
}

/// A click; whether it was taken. One that comes in the middle of something else is taken up after it.
pub(super) fn click(command: Command) -> bool {
    let taken = WIRING.with(|wiring| {
        let mut wiring = wiring.try_borrow_mut().ok()?;
        let (wiring, now) = (wiring.as_mut()?, now());
        let taken = wiring.click(command.clone(), now);
        wiring.settle(now);
        Some(taken)
    });
    if taken.is_none() {
        give(Input::Click(command));
    }
    take_inputs();
    taken.unwrap_or(true)
}

/// Tells the desk what has happened.
fn tell(event: Event) {
    give(Input::Desk(Box::new(event)));
}

/// Takes an input, now or as soon as the one being worked on is done.
fn give(input: Input) {
    INBOX.with_borrow_mut(|inbox| inbox.push_back(input));
    take_inputs();
}

fn take_inputs() {
    WIRING.with(|wiring| {
        let Ok(mut wiring) = wiring.try_borrow_mut() else { return };
        let Some(wiring) = wiring.as_mut() else { return };
        while let Some(input) = INBOX.with_borrow_mut(VecDeque::pop_front) {
            wiring.handle(input, now());
        }
    });
}

impl Wiring {
    fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Meter => return self.measure(),
            Input::Desk(event) => self.desk.apply(*event, now),
            Input::Click(command) => drop(self.click(command, now)),
            Input::Cti(number, event) => self.cti_says(number, event, now),
            Input::Sip(number, event) => self.sip_says(number, event, now),
            Input::Peer(call, event) => self.peer_says(call, event, now),
            Input::NetworkChanged => {
                self.desk.apply(Event::NetworkChanged, now);
                self.phone.handle_network_change(now);
            }
            Input::Gesture if self.desk.sound_blocked().is_some() => return allow_sound(),
            Input::Gesture => return,
            Input::Timeout => {
                self.desk.handle_timeout(now);
                self.phone.handle_timeout(now);
            }
        }
        self.settle(now);
    }

    /// Does what the cores want after an input, and shows the result.
    fn settle(&mut self, now: Instant) {
        self.drain(now);
        self.ring();
        self.shown.show(&self.desk);
        self.keep_calls();
        let wake = Deadline::sooner(self.desk.poll_timeout(), self.phone.poll_timeout());
        self.timer.set(wake.map(|deadline| deadline.at), now);
    }

    fn keep_calls(&mut self) {
        if let Some(calls) = self.desk.kept_calls().filter(|calls| *calls != self.kept) {
            browser::keep_calls(&calls);
            self.kept = calls;
        }
    }

    fn click(&mut self, command: Command, now: Instant) -> bool {
        let taken = self.desk.handle_command(command, now);
        if let Err(refusal) = taken {
            self.desk.apply(Event::Refused(refusal), now);
        }
        taken.is_ok()
    }

    fn cti_says(&mut self, number: u64, event: SocketEvent, now: Instant) {
        if self.cti.as_ref().is_none_or(|socket| socket.number() != number) {
            return;
        }
        match event {
            // The session begins with the server's first message.
            SocketEvent::Opened | SocketEvent::Binary(_) => {}
            SocketEvent::Text(text) => self.desk.apply(
                match cti::Event::parse(&text) {
                    Ok(event) => Event::Cti(event),
                    Err(_) => Event::EventsMalformed,
                },
                now,
            ),
            SocketEvent::Closed => {
                self.cti = None;
                self.desk.apply(Event::EventsClosed, now);
            }
        }
    }

    fn sip_says(&mut self, number: u64, event: SocketEvent, now: Instant) {
        if self.sip.as_ref().is_none_or(|socket| socket.number() != number) {
            return;
        }
        match event {
            SocketEvent::Opened => self.phone.socket_opened(now),
            SocketEvent::Text(text) => self.phone.handle_message(text.as_bytes(), now),
            SocketEvent::Binary(bytes) => self.phone.handle_message(&bytes, now),
            SocketEvent::Closed => {
                self.sip = None;
                self.phone.socket_closed(now);
            }
        }
    }

    fn peer_says(&mut self, call: PhoneCallId, event: PeerEvent, now: Instant) {
        if !self.peers.contains_key(&call) {
            return;
        }
        match event {
            PeerEvent::Described(sdp) => self.phone.local_description(call, sdp, now),
            PeerEvent::Failed(failure) => self.phone.media_failed(call, failure, now),
            PeerEvent::MicrophoneAsked => self.microphone_is(call, CallMicrophone::Asked, now),
            PeerEvent::MicrophoneOpen => self.microphone_is(call, CallMicrophone::Open, now),
            PeerEvent::MicrophoneChanged { label } => {
                self.microphone_is(call, CallMicrophone::Changed { label }, now);
            }
            PeerEvent::MicrophoneLost(failure) => {
                self.microphone_is(call, CallMicrophone::Lost(failure), now);
            }
            PeerEvent::MicrophoneSilent => self.microphone_is(call, CallMicrophone::Silent, now),
            PeerEvent::Up => self.phone.media_up(call),
            PeerEvent::Lost => self.phone.media_lost(call, now),
            PeerEvent::ToneFailed(key) => self.phone.tone_failed(call, key, now),
            PeerEvent::Blocked(blocked) => self.desk.apply(Event::VoiceBlocked(blocked), now),
        }
    }

    fn microphone_is(&mut self, call: PhoneCallId, microphone: CallMicrophone, now: Instant) {
        self.desk.apply(Event::CallMicrophone { call, microphone }, now);
    }

    /// Until neither core wants anything any more.
    fn drain(&mut self, now: Instant) {
        loop {
            if let Some(order) = self.desk.poll_order() {
                self.obey_desk(order, now);
            } else if let Some(bytes) = self.phone.poll_transmit() {
                if let Some(sip) = &self.sip {
                    sip.send(&bytes);
                }
            } else if let Some(order) = self.phone.poll_order() {
                self.obey_phone(order, now);
            } else if let Some(fact) = self.phone.poll_fact() {
                self.desk.apply(Event::Phone(fact), now);
            } else {
                return;
            }
        }
    }

    fn obey_desk(&mut self, order: Order, now: Instant) {
        match order {
            Order::OpenEvents => self.open_events(now),
            Order::CloseEvents => self.cti = None,
            Order::CheckSession => {
                self.check = Some(Check::new(|check| tell(Event::SessionChecked(check))));
            }
            Order::ForgetSession => {
                self.check = None;
                self.kept.clear();
                browser::forget_session();
            }
            Order::Cti(command) => {
                if let Some(cti) = &self.cti {
                    cti.send_text(&command.to_json());
                }
            }
            Order::Phone(command) => {
                if let Err(refusal) = self.phone.handle_command(command, now) {
                    self.desk.apply(Event::PhoneRefused(refusal), now);
                }
            }
            Order::HurryPhone => self.phone.hurry(now),
            Order::TryMicrophone => try_microphone(),
            Order::ReopenMicrophone { call } => self.with_peer(call, Peer::reopen_microphone),
            Order::UseIceServers(config) => self.servers = IceServers::new(&config),
            Order::ClaimPhone { login, steal } => {
                self.claim = None;
                self.claim = Some(Claim::new(&login, steal, |tab| tell(Event::Tab(tab))));
            }
            Order::ReleasePhone => self.claim = None,
        }
    }

    fn open_events(&mut self, now: Instant) {
        let url = socket_url("/xuc/api/2.0/cti", browser::token().as_deref());
        self.sockets += 1;
        let number = self.sockets;
        self.cti = Socket::open(number, &url, None, move |event| give(Input::Cti(number, event)));
        if self.cti.is_none() {
            self.desk.apply(Event::EventsClosed, now);
        }
    }

    fn open_sip(&mut self, now: Instant) {
        let url = socket_url("/wssip", browser::token().as_deref());
        self.sockets += 1;
        let number = self.sockets;
        self.sip = Socket::open(number, &url, Some("sip"), move |event| give(Input::Sip(number, event)));
        if self.sip.is_none() {
            self.phone.socket_closed(now);
        }
    }

    fn obey_phone(&mut self, order: softphone::Order, now: Instant) {
        use softphone::Order;
        match order {
            Order::OpenSocket => self.open_sip(now),
            Order::CloseSocket => self.sip = None,
            Order::CreateOffer { call } => self.with_new_peer(call, now, |peer| peer.offer()),
            Order::CreateAnswer { call, offer } => self.with_new_peer(call, now, |peer| peer.answer(offer)),
            Order::ClosePeer { call } => drop(self.peers.remove(&call)),
            Order::SetAnswer { call, answer, provisional } => {
                self.with_peer(call, |peer| peer.set_answer(answer, provisional));
            }
            Order::CreateReoffer { call, direction, restart_ice } => {
                self.with_peer(call, |peer| peer.reoffer(direction, restart_ice));
            }
            Order::RollBack { call } => self.with_peer(call, Peer::roll_back),
            Order::AnswerReoffer { call, offer, direction } => {
                self.with_peer(call, |peer| peer.answer_reoffer(offer, direction));
            }
            Order::SetMicrophone { call, on } => self.with_peer(call, |peer| peer.set_microphone(on)),
            Order::SendTone { call, key } => self.with_peer(call, |peer| peer.send_tone(key)),
        }
    }

    fn with_new_peer(&mut self, call: PhoneCallId, now: Instant, job: impl FnOnce(&Peer)) {
        match Peer::new(call, &self.servers, move |event| give(Input::Peer(call, event))) {
            Some(peer) => {
                let muted = self.phone.calls().any(|known| known.id == call && known.muted);
                peer.set_microphone(!muted);
                job(&peer);
                self.peers.insert(call, Box::new(peer));
            }
            None => self.phone.media_failed(call, softphone::MediaFailure::Negotiation, now),
        }
    }

    fn with_peer(&self, call: PhoneCallId, job: impl FnOnce(&Peer)) {
        if let Some(peer) = self.peers.get(&call) {
            job(peer);
        }
    }

    /// The bell rings while a call does and nobody talks.
    fn ring(&mut self) {
        let rings = self.desk.state().0 == DeskState::Ringing && self.desk.tab() == desk::Tab::Owner;
        if !rings {
            self.ring = None;
        } else if self.ring.is_none() {
            self.ring = Ring::start();
            if self.ring.as_ref().is_some_and(|ring| !ring.is_heard()) {
                allow_sound();
            }
        }
    }

    fn measure(&self) {
        let live = self.phone.calls().find(|call| call.state == softphone::CallState::Established);
        let (microphone, remote) =
            live.and_then(|call| self.peers.get(&call.id)).map(|peer| peer.levels()).unwrap_or_default();
        self.shown.levels.show(Levels { microphone, remote });
    }
}
