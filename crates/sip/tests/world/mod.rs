//! Two user agents on one simulated wire: a phone that calls and a desk that is called, or the other way.
//!
//! Time is a number. Each message takes a moment; a story may lose, double or hold messages on the way.
#![allow(dead_code, reason = "each story uses its part")]

pub mod by_hand;

use std::collections::VecDeque;

use sip::{Config, DialogId, Event, FlowId, InboundInvite, OutboundInvite, Owner, Transport, UserAgent};
use timing::{Duration, Instant};

pub const FLOW: FlowId = FlowId(1);
pub const LATENCY: Duration = Duration::from_millis(10);
pub const OFFER: &str = "v=0\r\ns=offer\r\n";
pub const ANSWER: &str = "v=0\r\ns=answer\r\n";

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Phone,
    Desk,
}

/// What becomes of a message on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    IsLost,
    ArrivesTwice,
    TakesLong(Duration),
}

/// Decides a message's fate by its sender and text.
type Weather = Box<dyn FnMut(End, &str) -> Fate>;

pub struct World {
    pub phone: UserAgent,
    pub desk: UserAgent,
    pub now: Instant,
    /// Everything that was put on the wire: who sent it, and the text.
    pub wire: Vec<(End, String)>,
    on_the_way: VecDeque<(Instant, End, Vec<u8>)>,
    weather: Weather,
}

/// Who speaks on the flows of the stories.
pub fn anna() -> Owner {
    Owner::Account("anna".into())
}

/// Somebody else, logged in as well.
pub fn mallory() -> Owner {
    Owner::Account("mallory".into())
}

pub fn user_agent(seed: u8, transport: Transport, server: bool) -> UserAgent {
    UserAgent::new(Config {
        user_agent: if server { "desk/1".into() } else { "phone/1".into() },
        contact_host: if server { "desk.example.org".into() } else { "df7jal23ls0d.invalid".into() },
        transport,
        seed: [seed; 32],
        server,
    })
}

impl World {
    pub fn new(transport: Transport) -> Self {
        let mut world = World {
            phone: user_agent(1, transport, false),
            desk: user_agent(2, transport, true),
            now: Instant::ORIGIN + Duration::from_secs(1_000),
            wire: Vec::new(),
            on_the_way: VecDeque::new(),
            weather: Box::new(|_, _| Fate::Arrives),
        };
        world.phone.open_flow(FLOW, transport, anna(), world.now);
        world.desk.open_flow(FLOW, transport, anna(), world.now);
        world
    }

    /// Two servers, such as two exchanges on one trunk.
    pub fn of_servers(transport: Transport) -> Self {
        let mut world = World::new(transport);
        world.phone = user_agent(1, transport, true);
        world.phone.open_flow(FLOW, transport, anna(), world.now);
        world
    }

    /// From now on `weather` decides what becomes of each message.
    pub fn weather(&mut self, weather: impl FnMut(End, &str) -> Fate + 'static) {
        self.weather = Box::new(weather);
    }

    pub fn fair_weather(&mut self) {
        self.weather(|_, _| Fate::Arrives);
    }

    pub fn end(&mut self, end: End) -> &mut UserAgent {
        match end {
            End::Phone => &mut self.phone,
            End::Desk => &mut self.desk,
        }
    }

    /// Lets time pass, with all that happens in it.
    pub fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            self.collect();
            let arrival = self.on_the_way.iter().map(|(at, ..)| *at).min();
            let wakes = [self.phone.poll_timeout(), self.desk.poll_timeout()].map(|wake| wake.map(|w| w.at));
            let next = arrival.into_iter().chain(wakes.into_iter().flatten()).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            let due = self.on_the_way.iter().position(|(at, ..)| *at <= self.now);
            if let Some((_, sender, bytes)) = due.and_then(|place| self.on_the_way.remove(place)) {
                let now = self.now;
                match sender {
                    End::Phone => self.desk.handle_message(FLOW, &bytes, now),
                    End::Desk => self.phone.handle_message(FLOW, &bytes, now),
                }
            } else {
                self.phone.handle_timeout(self.now);
                self.desk.handle_timeout(self.now);
            }
        }
        self.now = until;
    }

    /// Lets a few messages go to and fro.
    pub fn settle(&mut self) {
        self.run(LATENCY * 12);
    }

    fn collect(&mut self) {
        for sender in [End::Phone, End::Desk] {
            while let Some(transmit) = self.end(sender).poll_transmit() {
                let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
                let fate = (self.weather)(sender, &text);
                self.wire.push((sender, text));
                let at = self.now + LATENCY;
                match fate {
                    Fate::IsLost => {}
                    Fate::Arrives => self.on_the_way.push_back((at, sender, transmit.bytes)),
                    Fate::TakesLong(span) => self.on_the_way.push_back((at + span, sender, transmit.bytes)),
                    Fate::ArrivesTwice => {
                        self.on_the_way.push_back((at, sender, transmit.bytes.clone()));
                        self.on_the_way.push_back((at, sender, transmit.bytes));
                    }
                }
            }
        }
    }

    /// All events of one end so far.
    pub fn events(&mut self, end: End) -> Vec<Event> {
        let agent = self.end(end);
        std::iter::from_fn(|| agent.poll_event()).collect()
    }

    /// How often `end` has sent a message that begins like this.
    pub fn sent(&self, end: End, start: &str) -> usize {
        self.wire.iter().filter(|(sender, text)| *sender == end && text.starts_with(start)).count()
    }

    /// `end` calls the other one; both handles once it rings there.
    pub fn call(&mut self, end: End) -> (DialogId, InboundInvite) {
        let now = self.now;
        let dialog = self.end(end).invite(invitation(), now);
        self.settle();
        let other = if end == End::Phone { End::Desk } else { End::Phone };
        let invite = self
            .events(other)
            .into_iter()
            .find_map(|event| match event {
                Event::Invite(invite) => Some(invite),
                _ => None,
            })
            .expect("the INVITE arrives");
        (dialog, invite)
    }

    /// The phone calls the desk, which answers: the handles of both, with no events left.
    pub fn established(&mut self) -> (DialogId, DialogId) {
        let (at_phone, invite) = self.call(End::Phone);
        self.desk.answer(invite.dialog, ANSWER.into(), self.now).expect("it rings");
        self.settle();
        let answered = Event::Answered { dialog: at_phone, sdp: Some(ANSWER.into()) };
        assert_eq!(self.events(End::Phone), [answered]);
        assert_eq!(self.events(End::Desk), [Event::Confirmed { dialog: invite.dialog }]);
        (at_phone, invite.dialog)
    }

    /// Asserts that both ends have forgotten everything, some time after the last word.
    pub fn nothing_is_left(&mut self) {
        self.run(Duration::from_secs(100));
        assert_eq!(self.phone.held(), (0, 0), "phone");
        assert_eq!(self.desk.held(), (0, 0), "desk");
        assert_eq!((self.phone.poll_timeout(), self.desk.poll_timeout()), (None, None));
    }
}

pub fn invitation() -> OutboundInvite {
    OutboundInvite {
        flow: FLOW,
        target: "sip:200@example.org".into(),
        from_user: "anna".into(),
        from_name: Some("Anna \"A\" Å".into()),
        from_host: "example.org".into(),
        to_user: "200".into(),
        to_host: "example.org".into(),
        sdp: OFFER.into(),
        ..OutboundInvite::default()
    }
}

/// Whether the event ends this dialog.
pub fn ends(event: &Event) -> bool {
    matches!(event, Event::Ended { .. })
}
