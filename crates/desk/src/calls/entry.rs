use cti::PhoneEvent;
use softphone::{CallDirection, CallState, MediaState, Pending, PhoneCall, PhoneCallId};
use timing::{Duration, Instant};

use crate::card::{CallCard, CardId, CardState, Direction, Voice, Waiting};
use crate::control::{Circumstances, controls};
use crate::text::readable;

/// What the server has not done by then, it has not heard or does not want to do.
const SERVER_LIMIT: Duration = Duration::from_secs(5);

/// One call.
#[derive(Debug)]
pub(crate) struct Entry {
    pub id: CardId,
    pub phone: Option<PhoneCall>,
    pub server: Option<ServerCall>,
    /// What the server was asked to do and has not done.
    pub asked: Option<Asked>,
    pub voice: Voice,
    /// It rang here and was answered at another phone.
    pub elsewhere: bool,
    pub keys: String,
}

#[derive(Debug)]
pub(crate) struct ServerCall {
    pub event: PhoneEvent,
    pub state: CardState,
    pub since: Instant,
    pub started: Instant,
    pub answered: Option<Instant>,
    /// It is over for the server; its name and number stay.
    pub released: bool,
}

/// A wish that waits for the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub what: Waiting,
    pub until: Instant,
}

impl Asked {
    pub fn now(what: Waiting, now: Instant) -> Self {
        Asked { what, until: now + SERVER_LIMIT }
    }
}

impl Entry {
    pub fn is(&self, event: &PhoneEvent) -> bool {
        let same_dialog = || {
            let here = self.phone.as_ref().and_then(|phone| phone.sip_call_id.as_deref());
            here.is_some() && here == event.sip_call_id()
        };
        match &self.server {
            Some(server) if server.released => same_dialog(),
            Some(server) if !event.unique_id.is_empty() => server.event.unique_id == event.unique_id,
            Some(server) => server.event.linked_id == event.linked_id,
            None => same_dialog(),
        }
    }

    /// The server's name for it, which its commands take.
    pub fn unique_id(&self) -> Option<String> {
        let server = self.server.as_ref().filter(|server| !server.released)?;
        Some(server.event.unique_id.clone()).filter(|id| !id.is_empty())
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
        if let Some(asked) = self.asked {
            return Some(asked.what);
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

    /// When its state began, when the call began, and when it was answered. What the server knows may be older than
    /// the dialog: a call that was brought back to a reloaded page has a new one.
    pub fn times(&self) -> (Instant, Instant, Option<Instant>) {
        let server = self.server.as_ref();
        match (&self.phone, server) {
            (Some(phone), server) => {
                let started = server.map_or(phone.started, |server| server.started.min(phone.started));
                let known = server.and_then(|server| server.answered);
                let answered = phone.answered.map(|here| known.map_or(here, |known| known.min(here)));
                (phone.since, started, answered)
            }
            (None, Some(server)) => (server.since, server.started, server.answered),
            (None, None) => (Instant::ORIGIN, Instant::ORIGIN, None),
        }
    }

    /// The server tells how the call is now.
    pub fn server_told(&mut self, told: ServerCall) {
        let Some(server) = self.server.as_mut().filter(|server| !server.released) else {
            self.server = Some(told);
            return;
        };
        if server.state != told.state {
            (server.state, server.since) = (told.state, told.since);
            // Whatever was asked for, this is what came of it. An end is the end of the entry.
            self.asked = self.asked.filter(|asked| asked.what == Waiting::End);
        }
        server.answered = server.answered.or(told.answered);
        server.event = told.event;
    }

    pub fn card(&self, phone_up: bool, events_up: bool) -> CallCard {
        let (state, waiting) = (self.state(), self.waiting());
        let here = self.phone.is_some();
        let server = self.server.as_ref();
        let (since, started, answered) = self.times();
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
            voice: self.voice,
            keys: self.keys.clone(),
            controls: controls(state, Circumstances { here, phone_up, events_up, waiting }),
        }
    }

    /// Whether it has the sound of this tab.
    pub fn has_sound(&self) -> bool {
        self.phone.is_some() && self.state() == CardState::OnCall
    }

    pub fn sound(&self) -> Option<MediaState> {
        self.phone.as_ref().map(|phone| phone.media)
    }

    pub fn direction(&self) -> Direction {
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
