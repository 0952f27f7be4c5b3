//! A desk with somebody at it, and a server and a phone that say what a story wants.
#![allow(dead_code, reason = "each story uses its part")]

use std::collections::BTreeMap;

use cti::{CallDirection as Way, EventType, LineConfig, PhoneEvent, UserConfigUpdate};
use desk::{CallCard, CardId, Command, Desk, Event, Order, Refusal, Tab};
use model::UserId;
use softphone::{CallDirection, CallEnd, CallState, Fact, MediaState, PhoneCall, PhoneCallId, Registration};
use timing::{Duration, Instant};

pub struct World {
    pub desk: Desk,
    pub now: Instant,
}

impl World {
    pub fn new() -> Self {
        World { desk: Desk::new([7; 32]), now: Instant::ORIGIN }
    }

    /// Alice, signed in, with the phone in this tab and registered.
    pub fn ready() -> Self {
        let mut world = World::signed_in();
        world.apply(Event::Tab(Tab::Owner));
        world.phone(Fact::RegistrationChanged(Registration::Registered));
        world.orders();
        world
    }

    /// Alice, signed in; who has the phone is not known yet.
    pub fn signed_in() -> Self {
        let mut world = World::new();
        world.apply(Event::SigningIn);
        world.apply(Event::SignedIn { login: "alice".into(), ttl: Some(3600) });
        world.cti(cti::Event::LoggedOn);
        let user =
            UserConfigUpdate { full_name: Some("Alice Martin".into()), ..UserConfigUpdate::of(UserId(1)) };
        world.cti(cti::Event::UserConfigUpdate(user));
        world.cti(cti::Event::LineConfig(line()));
        world.listed(&[]);
        world.orders();
        world
    }

    /// Alice's second tab.
    pub fn mirror() -> Self {
        let mut world = World::signed_in();
        world.apply(Event::Tab(Tab::Other));
        world.orders();
        world
    }

    pub fn apply(&mut self, event: Event) {
        self.desk.apply(event, self.now);
    }

    pub fn cti(&mut self, event: cti::Event) {
        self.apply(Event::Cti(event));
    }

    /// The server lists her calls.
    pub fn listed(&mut self, events: &[PhoneEvent]) {
        self.cti(cti::Event::CurrentCallsPhoneEvents { events: events.to_vec() });
    }

    /// What became of the last call, and whether it was talked.
    pub fn last(&self) -> (&str, Option<Duration>) {
        let past = &self.desk.recent()[0];
        (past.word(), past.talked)
    }

    pub fn phone(&mut self, fact: Fact) {
        self.apply(Event::Phone(fact));
    }

    pub fn click(&mut self, command: Command) -> Result<Vec<Order>, Refusal> {
        self.desk.handle_command(command, self.now)?;
        Ok(self.orders())
    }

    pub fn orders(&mut self) -> Vec<Order> {
        std::iter::from_fn(|| self.desk.poll_order()).collect()
    }

    pub fn pass(&mut self, span: Duration) {
        self.now += span;
        self.desk.handle_timeout(self.now);
    }

    pub fn card(&self) -> CallCard {
        let cards = self.desk.calls();
        assert_eq!(cards.len(), 1, "{cards:?}");
        cards[0].clone()
    }

    pub fn id(&self) -> CardId {
        self.card().id
    }

    pub fn said(&self) -> Vec<&str> {
        self.desk.notices().iter().map(|notice| notice.text.as_str()).collect()
    }

    pub fn call_changed(&mut self, call: &PhoneCall) {
        self.phone(Fact::CallChanged(call.clone()));
    }

    pub fn call_ended(&mut self, call: &PhoneCall, end: CallEnd) {
        self.phone(Fact::CallEnded { call: call.clone(), end });
    }
}

pub fn line() -> LineConfig {
    LineConfig {
        id: "44".into(),
        number: "1001".into(),
        name: "k3v9xq".into(),
        password: "not-real".into(),
        web_rtc: true,
        ..LineConfig::missing()
    }
}

pub fn phone_call(id: u64, direction: CallDirection, state: CallState) -> PhoneCall {
    PhoneCall {
        id: PhoneCallId(id),
        sip_call_id: Some(format!("call-{id}")),
        direction,
        remote_user: format!("100{}", id + 1),
        remote_name: None,
        state,
        since: Instant::ORIGIN,
        started: Instant::ORIGIN,
        answered: None,
        pending: None,
        muted: false,
        remote_held: false,
        auto_answer: false,
        media: MediaState::Connecting,
    }
}

pub fn outgoing(state: CallState) -> PhoneCall {
    phone_call(1, CallDirection::Outgoing, state)
}

pub fn incoming(state: CallState) -> PhoneCall {
    phone_call(1, CallDirection::Incoming, state)
}

/// What the server says of the call with that number.
pub fn phone_event(id: u64, event_type: EventType) -> PhoneEvent {
    PhoneEvent {
        event_type,
        dn: "1001".into(),
        other_dn: format!("100{}", id + 1),
        other_dname: "Bruno Petit".into(),
        linked_id: format!("linked-{id}"),
        unique_id: format!("unique-{id}"),
        queue_name: None,
        direction: Way::Outgoing,
        username: None,
        user_data: BTreeMap::from([(PhoneEvent::SIP_CALL_ID.to_owned(), format!("call-{id}"))]),
    }
}
