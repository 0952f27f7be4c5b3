use std::collections::VecDeque;

use cti::{EventType, PhoneEvent};
use softphone::{CallDirection, CallState, MediaState, Pending, PhoneCall, PhoneCallId};
use timing::Instant;

use crate::card::{CallCard, CardId, CardState, Direction, Waiting};
use crate::control::{Circumstances, controls};
use crate::text::readable;

/// The user's calls, each seen from two sides: the softphone's, where the sound is, and the server's, which knows the
/// names and the calls of other devices. The SIP Call-ID joins the two.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    list: Vec<Entry>,
    next: u64,
    /// Call-IDs of the last calls that ended here: what the server still says about them comes too late.
    over: VecDeque<String>,
}

const REMEMBERED: usize = 16;

#[derive(Debug)]
pub(crate) struct Entry {
    pub id: CardId,
    pub phone: Option<PhoneCall>,
    pub server: Option<ServerCall>,
    pub ending: bool,
    pub keys: String,
}

#[derive(Debug)]
pub(crate) struct ServerCall {
    pub event: PhoneEvent,
    pub state: CardState,
    pub since: Instant,
    pub started: Instant,
    pub answered: Option<Instant>,
}

impl Calls {
    /// The softphone has a call, and this is how it is.
    pub fn phone_changed(&mut self, call: PhoneCall) {
        let here = |entry: &Entry| entry.phone.as_ref().is_some_and(|phone| phone.id == call.id);
        let named = |entry: &Entry| {
            let told = entry.server.as_ref().and_then(|server| server.event.sip_call_id());
            entry.phone.is_none() && told.is_some() && told == call.sip_call_id.as_deref()
        };
        let known = self.list.iter().position(here).or_else(|| self.list.iter().position(named));
        match known {
            Some(index) => self.list[index].phone = Some(call),
            None => self.add(Some(call), None),
        }
    }

    /// The softphone's call is over.
    pub fn phone_ended(&mut self, call: &PhoneCall) {
        if let Some(sip_call_id) = &call.sip_call_id {
            self.over.truncate(REMEMBERED - 1);
            self.over.push_front(sip_call_id.clone());
        }
        self.list.retain(|entry| entry.phone.as_ref().is_none_or(|phone| phone.id != call.id));
    }

    /// The server tells of one of the user's calls.
    pub fn server_changed(&mut self, event: PhoneEvent, now: Instant) {
        if event.sip_call_id().is_some_and(|id| self.over.iter().any(|over| over == id)) {
            return;
        }
        let index = self.join(&event).or_else(|| self.list.iter().position(|entry| entry.is(&event)));
        let Some(state) = state_of(event.event_type) else {
            // A call whose sound is here ends when its dialog does.
            if let Some(index) = index {
                self.list[index].server = None;
                self.list.retain(|entry| entry.phone.is_some() || entry.server.is_some());
            }
            return;
        };
        match index {
            Some(index) => {
                let entry = &mut self.list[index];
                entry.ending = false;
                match &mut entry.server {
                    Some(server) => server.update(event, state, now),
                    none => *none = Some(ServerCall::new(event, state, now)),
                }
            }
            None => self.add(None, Some(ServerCall::new(event, state, now))),
        }
    }

    /// The card of the server's call and that of the softphone's, where the server says only now that the two are one: it
    /// has brought a living call back to a page that was loaded anew, in a new dialog.
    fn join(&mut self, event: &PhoneEvent) -> Option<usize> {
        let servers = self.list.iter().position(|entry| entry.phone.is_none() && entry.is(event))?;
        let phones = self.list.iter().position(|entry| entry.server.is_none() && entry.is(event))?;
        self.list[servers].phone = self.list[phones].phone.take();
        self.list.remove(phones);
        Some(if phones < servers { servers - 1 } else { servers })
    }

    /// The server lists all of the user's calls: what it does not list and is not here is over.
    pub fn server_listed(&mut self, events: Vec<PhoneEvent>, now: Instant) {
        self.list.retain(|entry| entry.phone.is_some() || events.iter().any(|event| entry.is(event)));
        for event in events {
            self.server_changed(event, now);
        }
    }

    pub fn clear(&mut self) {
        self.list.clear();
    }

    pub fn get_mut(&mut self, id: CardId) -> Option<&mut Entry> {
        self.list.iter_mut().find(|entry| entry.id == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    /// The calls as cards, oldest first.
    pub fn cards(&self, phone_up: bool, events_up: bool) -> Vec<CallCard> {
        self.list.iter().map(|entry| entry.card(phone_up, events_up)).collect()
    }

    fn add(&mut self, phone: Option<PhoneCall>, server: Option<ServerCall>) {
        self.next += 1;
        self.list.push(Entry { id: CardId(self.next), phone, server, ending: false, keys: String::new() });
    }
}

impl Entry {
    fn is(&self, event: &PhoneEvent) -> bool {
        let same_dialog = || {
            let here = self.phone.as_ref().and_then(|phone| phone.sip_call_id.as_deref());
            here.is_some() && here == event.sip_call_id()
        };
        match &self.server {
            Some(server) if !event.unique_id.is_empty() => server.event.unique_id == event.unique_id,
            Some(server) => server.event.linked_id == event.linked_id,
            None => same_dialog(),
        }
    }

    /// The server's name for it, which its commands take.
    pub fn unique_id(&self) -> Option<String> {
        self.server.as_ref().map(|server| server.event.unique_id.clone()).filter(|id| !id.is_empty())
    }

    pub fn phone_id(&self) -> Option<PhoneCallId> {
        self.phone.as_ref().map(|phone| phone.id)
    }

    pub fn state(&self) -> CardState {
        match (&self.phone, &self.server) {
            (Some(phone), _) => match phone.state {
                CallState::Dialling => CardState::Dialling,
                CallState::Alerting => CardState::Alerting,
                CallState::Ringing => CardState::Ringing,
                CallState::Connecting => CardState::Connecting,
                CallState::Established => CardState::OnCall,
                CallState::Held => CardState::OnHold,
            },
            (None, Some(server)) => server.state,
            (None, None) => CardState::Dialling,
        }
    }

    /// Keeps what was sent: the last four keys are shown, those before are dots.
    pub fn sent(&mut self, key: char) {
        self.keys.push(key);
        let hidden = self.keys.chars().count().saturating_sub(4);
        self.keys = self.keys.chars().enumerate().map(|(n, c)| if n < hidden { '•' } else { c }).collect();
    }

    fn waiting(&self) -> Option<Waiting> {
        if self.ending {
            return Some(Waiting::End);
        }
        self.phone.as_ref()?.pending.map(|pending| match pending {
            Pending::Answer => Waiting::Answer,
            Pending::Hold => Waiting::Hold,
            Pending::Resume => Waiting::Resume,
        })
    }

    pub fn number(&self) -> String {
        let server =
            self.server.as_ref().map(|server| server.event.other_dn.as_str()).filter(|dn| !dn.is_empty());
        readable(server.or(self.phone.as_ref().map(|phone| phone.remote_user.as_str())).unwrap_or_default())
    }

    pub fn name(&self) -> String {
        let server = self.server.as_ref().map(|server| server.event.other_dname.as_str());
        let phone = self.phone.as_ref().and_then(|phone| phone.remote_name.as_deref());
        [server, phone]
            .into_iter()
            .flatten()
            .map(readable)
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| self.number())
    }

    fn card(&self, phone_up: bool, events_up: bool) -> CallCard {
        let (state, waiting) = (self.state(), self.waiting());
        let here = self.phone.is_some();
        let origin = Instant::ORIGIN;
        let server = self.server.as_ref();
        let (since, started, answered) = match &self.phone {
            Some(phone) => (phone.since, phone.started, phone.answered),
            None => server.map_or((origin, origin, None), |s| (s.since, s.started, s.answered)),
        };
        CallCard {
            id: self.id,
            phone: self.phone_id(),
            number: self.number(),
            name: self.name(),
            queue: server.and_then(|server| server.event.queue_name.as_deref()).map(readable),
            direction: self.direction(),
            state,
            since,
            started,
            answered,
            muted: self.phone.as_ref().is_some_and(|phone| phone.muted),
            remote_held: self.phone.as_ref().is_some_and(|phone| phone.remote_held),
            waiting,
            sound: self.sound(),
            keys: self.keys.clone(),
            controls: controls(state, Circumstances { here, phone_up, events_up, waiting }),
        }
    }

    pub fn sound(&self) -> Option<MediaState> {
        self.phone.as_ref().map(|phone| phone.media)
    }

    fn direction(&self) -> Direction {
        let incoming = match (&self.phone, &self.server) {
            // A call that the server set up by ringing us with auto-answer is ours all the same.
            (_, Some(server)) if server.event.direction == cti::CallDirection::Outgoing => false,
            (Some(phone), _) => phone.direction == CallDirection::Incoming,
            (None, server) => {
                server.as_ref().is_some_and(|s| s.event.direction == cti::CallDirection::Incoming)
            }
        };
        if incoming { Direction::Incoming } else { Direction::Outgoing }
    }
}

impl ServerCall {
    fn new(event: PhoneEvent, state: CardState, now: Instant) -> Self {
        let answered = state.is_answered().then_some(now);
        ServerCall { event, state, since: now, started: now, answered }
    }

    fn update(&mut self, event: PhoneEvent, state: CardState, now: Instant) {
        self.event = event;
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
        if state.is_answered() {
            self.answered.get_or_insert(now);
        }
    }
}

/// The state that an event leaves a call in; none if it is over.
fn state_of(event: EventType) -> Option<CardState> {
    match event {
        EventType::Dialing => Some(CardState::Dialling),
        EventType::Ringing => Some(CardState::Ringing),
        EventType::Established => Some(CardState::OnCall),
        EventType::OnHold => Some(CardState::OnHold),
        EventType::Released | EventType::Failure => None,
    }
}
