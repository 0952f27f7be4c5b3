mod entry;

use std::collections::VecDeque;

use cti::{EventType, PhoneEvent};
use softphone::{CallEnd, CallState, PhoneCall, PhoneCallId};
use timing::Instant;

use crate::card::{CallCard, CardId, CardState, Voice};
use crate::recent::{Outcome, PastCall, Recent};
use entry::ServerCall;
pub(crate) use entry::{Asked, Entry};

/// The user's calls, each seen from two sides: the softphone's, where the sound is, and the server's, which knows the
/// names and the calls of other devices. The SIP Call-ID joins the two.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    list: Vec<Entry>,
    next: u64,
    /// Call-IDs of the last calls that ended here: what the server still says about them comes too late.
    over: VecDeque<String>,
    /// What was kept over a reload of the page.
    kept: Vec<KeptCall>,
    recent: Recent,
}

/// How many endings are remembered.
const REMEMBERED: usize = 16;

/// What a reload of the page would lose: the server tells which calls run, but not since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCall {
    /// The server's name for the call.
    pub unique_id: String,
    /// When it began.
    pub started: Instant,
    /// When it was answered.
    pub answered: Option<Instant>,
}

impl Calls {
    /// The page was loaded anew, and these calls ran before.
    pub fn keep(&mut self, kept: Vec<KeptCall>) {
        self.kept = kept;
    }

    /// What should be kept over a reload.
    pub fn kept(&self) -> Vec<KeptCall> {
        self.list
            .iter()
            .filter_map(|entry| {
                let (_, started, answered) = entry.times();
                Some(KeptCall { unique_id: entry.unique_id()?, started, answered })
            })
            .collect()
    }

    /// The softphone has a call, and this is how it is.
    pub fn phone_changed(&mut self, call: PhoneCall) {
        let here = |entry: &Entry| entry.phone_id() == Some(call.id);
        let named = |entry: &Entry| {
            let told = entry.server.as_ref().and_then(|server| server.event.sip_call_id());
            entry.phone.is_none() && told.is_some() && told == call.sip_call_id.as_deref()
        };
        let rings =
            |entry: &Entry| entry.server.as_ref().is_some_and(|server| rings_too(&call, &server.event));
        let beside =
            |entry: &Entry| entry.phone.is_none() && entry.state() == CardState::Ringing && rings(entry);
        let find = |which: &dyn Fn(&Entry) -> bool| self.list.iter().position(which);
        let known = find(&here).or_else(|| find(&named)).or_else(|| find(&beside));
        match known {
            Some(index) => self.list[index].phone = Some(call),
            None => self.add(Some(call), None),
        }
    }

    /// The softphone's call is over.
    pub fn phone_ended(&mut self, call: &PhoneCall, end: CallEnd, now: Instant) {
        let index = self.list.iter().position(|entry| entry.phone_id() == Some(call.id));
        if end == CallEnd::AnsweredElsewhere
            && let Some(entry) = index.map(|index| &mut self.list[index])
            && entry.server.as_ref().is_some_and(|server| !server.released)
        {
            // It goes on at another phone, and the server tells how.
            (entry.phone, entry.voice, entry.elsewhere) = (None, Voice::Open, true);
            return;
        }
        if let Some(sip_call_id) = &call.sip_call_id {
            self.over.truncate(REMEMBERED - 1);
            self.over.push_front(sip_call_id.clone());
        }
        if let Some(index) = index {
            let mut entry = self.list.remove(index);
            entry.phone = Some(call.clone());
            let outcome = Outcome::of(call, end, entry.direction());
            self.recent.add(PastCall::of(entry.card(false, false), outcome, now));
        }
    }

    /// The server tells of one of the user's calls.
    pub fn server_changed(&mut self, event: PhoneEvent, now: Instant) {
        if event.sip_call_id().is_some_and(|id| self.over.iter().any(|over| over == id)) {
            return;
        }
        let find = |which: &dyn Fn(&Entry) -> bool| self.list.iter().position(which);
        let beside = |entry: &Entry| {
            entry.server.is_none() && entry.phone.as_ref().is_some_and(|phone| rings_too(phone, &event))
        };
        let known = find(&|entry| entry.is(&event)).or_else(|| find(&beside));
        let index = self.join(&event).or(known);
        let Some(state) = state_of(event.event_type) else {
            if let Some(index) = index {
                self.released(index, now);
            }
            return;
        };
        let server = self.told(event, state, now);
        match index {
            Some(index) => self.list[index].server_told(server),
            None => self.add(None, Some(server)),
        }
    }

    /// A call as the server tells of it for the first time.
    fn told(&self, event: PhoneEvent, state: CardState, now: Instant) -> ServerCall {
        let kept = self.kept.iter().find(|kept| kept.unique_id == event.unique_id);
        let answered = kept.map_or(Some(now), |kept| kept.answered.or(Some(now)));
        ServerCall {
            started: kept.map_or(now, |kept| kept.started),
            answered: answered.filter(|_| state.is_answered()),
            event,
            state,
            since: now,
            released: false,
        }
    }

    /// The server says that a call is over. One whose sound is here ends when its dialog does.
    fn released(&mut self, index: usize, now: Instant) {
        let entry = &mut self.list[index];
        if let (Some(_), Some(server)) = (&entry.phone, &mut entry.server) {
            server.released = true;
        } else if entry.phone.is_none() {
            let entry = self.list.remove(index);
            self.mirrored_ended(&entry, now);
        }
    }

    fn mirrored_ended(&mut self, entry: &Entry, now: Instant) {
        let card = entry.card(false, false);
        let outcome = if entry.elsewhere { Outcome::AnsweredElsewhere } else { Outcome::of_mirrored(&card) };
        self.recent.add(PastCall::of(card, outcome, now));
    }

    /// The card of the server's call and that of the softphone's, where the server says only now that the two are one: it
    /// has brought a living call back to a page that was loaded anew, in a new dialog.
    fn join(&mut self, event: &PhoneEvent) -> Option<usize> {
        let servers = self.list.iter().position(|entry| entry.phone.is_none() && entry.is(event))?;
        let phones = self.list.iter().position(|entry| entry.server.is_none() && entry.is(event))?;
        self.list[servers].phone = self.list[phones].phone.take();
        self.list[servers].voice = self.list[phones].voice;
        self.list.remove(phones);
        Some(if phones < servers { servers - 1 } else { servers })
    }

    /// The server lists all of the user's calls: what it does not list and is not here is over.
    pub fn server_listed(&mut self, events: Vec<PhoneEvent>, now: Instant) {
        let goes_on = |entry: &Entry| entry.phone.is_some() || events.iter().any(|event| entry.is(event));
        let (go_on, over) = std::mem::take(&mut self.list).into_iter().partition::<Vec<_>, _>(goes_on);
        self.list = go_on;
        for entry in over {
            self.mirrored_ended(&entry, now);
        }
        for event in events {
            self.server_changed(event, now);
        }
        self.kept.clear();
    }

    /// Nobody is signed in any more.
    pub fn clear(&mut self) {
        self.list.clear();
        self.kept.clear();
        self.recent.clear();
    }

    pub fn get_mut(&mut self, id: CardId) -> Option<&mut Entry> {
        self.list.iter_mut().find(|entry| entry.id == id)
    }

    pub fn of_phone(&mut self, id: PhoneCallId) -> Option<&mut Entry> {
        self.list.iter_mut().find(|entry| entry.phone_id() == Some(id))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    /// The calls as cards, oldest first.
    pub fn cards(&self, phone_up: bool, events_up: bool) -> Vec<CallCard> {
        self.list.iter().map(|entry| entry.card(phone_up, events_up)).collect()
    }

    /// The calls that are over, newest first.
    pub fn recent(&self) -> &[PastCall] {
        self.recent.list()
    }

    /// When the first of the wishes that wait for the server has waited long enough.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.list.iter().filter_map(|entry| entry.asked.map(|asked| asked.until)).min()
    }

    /// Stops waiting for what the server has not done in time; whether there was any.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let mut any = false;
        for entry in &mut self.list {
            if entry.asked.take_if(|asked| asked.until <= now).is_some() {
                any = true;
            }
        }
        any
    }

    fn add(&mut self, phone: Option<PhoneCall>, server: Option<ServerCall>) {
        self.next += 1;
        self.list.push(Entry {
            id: CardId(self.next),
            phone,
            server,
            asked: None,
            voice: Voice::Open,
            elsewhere: false,
            keys: String::new(),
        });
    }
}

/// Whether both ring for one caller. Of several phones that ring the server names the dialog of one alone, and that
/// need not be ours.
fn rings_too(phone: &PhoneCall, event: &PhoneEvent) -> bool {
    phone.state == CallState::Ringing
        && event.event_type == EventType::Ringing
        && phone.remote_user == event.other_dn
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
