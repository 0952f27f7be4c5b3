use desk::{Desk, DeskState};
use timing::Instant;

use super::{Levels, Store};
use crate::browser::now;
use crate::signal::{WriteSignal, signal};

/// The signals that the wiring writes.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) session: WriteSignal<desk::Session>,
    pub(super) state: WriteSignal<DeskState>,
    pub(super) state_since: WriteSignal<Instant>,
    pub(super) connections: WriteSignal<desk::Connections>,
    pub(super) user: WriteSignal<Option<desk::UserCard>>,
    pub(super) line: WriteSignal<Option<desk::LineCard>>,
    pub(super) calls: WriteSignal<Vec<desk::CallCard>>,
    pub(super) dial: WriteSignal<desk::Control>,
    pub(super) tab: WriteSignal<desk::Tab>,
    pub(super) take: WriteSignal<desk::Control>,
    pub(super) microphone: WriteSignal<desk::Microphone>,
    pub(super) outage: WriteSignal<Option<desk::Outage>>,
    pub(super) recent: WriteSignal<Vec<desk::PastCall>>,
    pub(super) muted: WriteSignal<bool>,
    pub(super) sound_blocked: WriteSignal<Option<&'static str>>,
    pub(super) notices: WriteSignal<Vec<desk::Notice>>,
    pub(super) levels: WriteSignal<Levels>,
    pub(super) now: WriteSignal<Instant>,
}

impl Shown {
    pub(super) fn new() -> (Shown, Store) {
        let desk = Desk::new([0; 32]);
        let (state, since) = desk.state();
        let session = signal(desk.session().clone());
        let state = signal(state);
        let state_since = signal(since);
        let connections = signal(desk.connections());
        let user = signal(None);
        let line = signal(None);
        let calls = signal(Vec::new());
        let dial = signal(desk.can_dial());
        let tab = signal(desk.tab());
        let take = signal(desk.can_take_phone());
        let microphone = signal(desk.microphone());
        let outage = signal(None);
        let recent = signal(Vec::new());
        let muted = signal(false);
        let sound_blocked = signal(None);
        let notices = signal(Vec::new());
        let levels = signal(Levels::default());
        let clock = signal(now());
        let shown = Shown {
            session: session.1,
            state: state.1,
            state_since: state_since.1,
            connections: connections.1,
            user: user.1,
            line: line.1,
            calls: calls.1,
            dial: dial.1,
            tab: tab.1,
            take: take.1,
            microphone: microphone.1,
            outage: outage.1,
            recent: recent.1,
            muted: muted.1,
            sound_blocked: sound_blocked.1,
            notices: notices.1,
            levels: levels.1,
            now: clock.1,
        };
        let store = Store {
            session: session.0,
            state: state.0,
            state_since: state_since.0,
            connections: connections.0,
            user: user.0,
            line: line.0,
            calls: calls.0,
            dial: dial.0,
            tab: tab.0,
            take: take.0,
            microphone: microphone.0,
            outage: outage.0,
            recent: recent.0,
            muted: muted.0,
            sound_blocked: sound_blocked.0,
            notices: notices.0,
            levels: levels.0,
            now: clock.0,
        };
        (shown, store)
    }

    pub(super) fn show(&self, desk: &Desk) {
        let (state, since) = desk.state();
        self.session.show(desk.session().clone());
        self.state.show(state);
        self.state_since.show(since);
        self.connections.show(desk.connections());
        self.user.show(desk.user().cloned());
        self.line.show(desk.line().cloned());
        self.calls.show(desk.calls());
        self.dial.show(desk.can_dial());
        self.tab.show(desk.tab());
        self.take.show(desk.can_take_phone());
        self.microphone.show(desk.microphone());
        self.outage.show(desk.outage());
        self.recent.show(desk.recent().to_vec());
        self.muted.show(desk.muted());
        self.sound_blocked.show(desk.sound_blocked());
        self.notices.show(desk.notices().to_vec());
    }
}
