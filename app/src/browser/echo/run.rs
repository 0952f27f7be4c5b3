use std::cell::{Cell, RefCell};
use std::rc::Rc;

use softphone::{MediaFailure, PhoneCallId};
use timing::{Duration, Instant};

use super::figures::Collector;
use super::likeness::{BINS, Likeness};
use super::session::{self, Session};
use super::{EchoProblem, Ended, LIMIT_SECONDS, Meters, Phase, Shown, Timings, Verdict};
use crate::browser::clock::{Every, every, now};
use crate::browser::page::{PageHide, is_secure};
use crate::browser::peer::{IceServers, Peer, PeerEvent};
use crate::browser::{sound, spawn_local};

/// How often the ears listen.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two questions for the network's figures.
const LOOKS_PER_SECOND: u32 = 10;
/// A path that is not open by then never will be.
const PATH_LIMIT: Duration = Duration::from_secs(10);
/// After so long without a sound we say that the microphone is silent.
const QUIET_AFTER: u32 = 5;

/// One run of the test; dropping it ends it.
pub(super) struct Run {
    state: Rc<State>,
}

struct State {
    shown: Shown,
    started: Instant,
    /// The offer is out, the answer is in, sound can pass: each since when.
    offered: Cell<Option<Instant>>,
    answered: Cell<Option<Instant>>,
    connected: Cell<Option<Instant>>,
    over: Cell<bool>,
    looks: Cell<u32>,
    timings: Cell<Timings>,
    figures: RefCell<Collector>,
    likeness: RefCell<Likeness>,
    peer: RefCell<Option<Peer>>,
    session: RefCell<Option<Session>>,
    page_hide: RefCell<Option<PageHide>>,
    clock: RefCell<Option<Every>>,
}

impl Run {
    pub fn start(shown: Shown) -> Run {
        let state = Rc::new(State {
            shown,
            started: now(),
            offered: Cell::new(None),
            answered: Cell::new(None),
            connected: Cell::new(None),
            over: Cell::new(false),
            looks: Cell::new(0),
            timings: Cell::default(),
            figures: RefCell::default(),
            likeness: RefCell::new(Likeness::new()),
            peer: RefCell::new(None),
            session: RefCell::new(None),
            page_hide: RefCell::new(None),
            clock: RefCell::new(None),
        });
        state.begin();
        Run { state }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.state.close();
    }
}

impl State {
    fn begin(self: &Rc<Self>) {
        if !is_secure() {
            return self.fail(EchoProblem::Insecure);
        }
        spawn_local(async {
            sound::allow().await;
        });
        let weak = Rc::downgrade(self);
        let peer = Peer::new(PhoneCallId(0), &IceServers::default(), move |event| {
            if let Some(state) = weak.upgrade() {
                state.peer_says(event);
            }
        });
        let Some(peer) = peer else { return self.fail(EchoProblem::NoSoundPath) };
        peer.offer();
        self.peer.replace(Some(peer));
        let state = self.clone();
        spawn_local(async move {
            if session::reach().await {
                state.time(|timings, state| timings.reached = Some(since(state.started)));
            } else {
                state.fail(EchoProblem::Unreachable);
            }
        });
        let weak = Rc::downgrade(self);
        self.page_hide.replace(Some(PageHide::new(move || {
            if let Some(state) = weak.upgrade() {
                state.end(Ended::Finished);
            }
        })));
        let weak = Rc::downgrade(self);
        self.clock.replace(Some(every(LOOK, move || {
            if let Some(state) = weak.upgrade() {
                state.look();
            }
        })));
    }

    fn peer_says(self: &Rc<Self>, event: PeerEvent) {
        if self.over.get() {
            return;
        }
        match event {
            PeerEvent::MicrophoneOpen if self.timings.get().microphone.is_none() => {
                self.time(|timings, state| timings.microphone = Some(since(state.started)));
            }
            PeerEvent::Described(offer) => self.open_session(offer),
            PeerEvent::Up if self.connected.get().is_none() => {
                self.connected.set(Some(now()));
                self.time(|timings, state| timings.connected = state.answered.get().map(since));
                self.shown.phase.set(Phase::Running);
            }
            // The server ends a test by letting its path go.
            PeerEvent::Lost if self.is_time_up() => self.end(Ended::TimeUp),
            PeerEvent::Lost if self.connected.get().is_some() => self.path_lost(),
            PeerEvent::Lost => self.fail(EchoProblem::NoSoundPath),
            PeerEvent::Failed(failure) | PeerEvent::MicrophoneLost(failure) => self.fail(match failure {
                MediaFailure::MicrophoneRefused => EchoProblem::MicrophoneRefused,
                MediaFailure::MicrophoneMissing => EchoProblem::MicrophoneMissing,
                MediaFailure::MicrophoneBusy => EchoProblem::MicrophoneBusy,
                MediaFailure::InsecurePage => EchoProblem::Insecure,
                MediaFailure::Negotiation => EchoProblem::Server,
            }),
            PeerEvent::Up
            | PeerEvent::ToneFailed(_)
            | PeerEvent::Blocked(_)
            | PeerEvent::MicrophoneAsked
            | PeerEvent::MicrophoneOpen
            | PeerEvent::MicrophoneChanged { .. }
            | PeerEvent::MicrophoneSilent => {}
        }
    }

    /// Sound passed, and does no more: the network's fault only if the server still answers.
    fn path_lost(self: &Rc<Self>) {
        let state = self.clone();
        spawn_local(async move {
            state.fail(match session::reach().await {
                true => EchoProblem::NoSoundPath,
                false => EchoProblem::Unreachable,
            });
        });
    }

    fn open_session(self: &Rc<Self>, offer: String) {
        self.offered.set(Some(now()));
        let state = self.clone();
        spawn_local(async move {
            match Session::open(offer).await {
                // Stopped meanwhile: dropping the session ends it at the server.
                Ok(_) if state.over.get() => {}
                Ok((session, answer)) => {
                    state.answered.set(Some(now()));
                    state.time(|timings, state| timings.answer = state.offered.get().map(since));
                    state.session.replace(Some(session));
                    if let Some(peer) = &*state.peer.borrow() {
                        peer.set_answer(answer, false);
                    }
                }
                Err(problem) => state.fail(problem),
            }
        });
    }

    /// Ten times a second.
    fn look(self: &Rc<Self>) {
        let looks = self.looks.get() + 1;
        self.looks.set(looks);
        let Some(connected) = self.connected.get() else {
            if self.answered.get().is_some_and(|answered| now().since(answered) > PATH_LIMIT) {
                self.fail(EchoProblem::NoSoundPath);
            }
            return;
        };
        self.listen(connected);
        let elapsed = u32::try_from(now().since(connected).as_secs()).unwrap_or(u32::MAX);
        if looks.is_multiple_of(LOOKS_PER_SECOND) {
            self.shown.elapsed.set(elapsed.min(LIMIT_SECONDS));
            self.measure();
        }
        if elapsed >= LIMIT_SECONDS {
            self.end(Ended::TimeUp);
        }
    }

    fn listen(&self, connected: Instant) {
        let (mut sent, mut returned) = ([0.0; BINS], [0.0; BINS]);
        let peer = self.peer.borrow();
        let Some((sent_rms, returned_rms)) = peer.as_ref().map(|peer| peer.hear(&mut sent, &mut returned))
        else {
            return;
        };
        let mut likeness = self.likeness.borrow_mut();
        likeness.look((sent_rms, &sent), (returned_rms, &returned));
        if likeness.hears() && self.timings.get().first_sound.is_none() {
            self.time(|timings, _| timings.first_sound = Some(since(connected)));
        }
        let meters = Meters {
            sent: crate::browser::levels::meter(sent_rms),
            returned: crate::browser::levels::meter(returned_rms),
            matches: likeness.matches(),
            own_sound: likeness.is_own(),
        };
        self.shown.meters.set(meters);
        let quiet = !likeness.spoke() && now().since(connected).as_secs() >= u64::from(QUIET_AFTER);
        let verdict = Verdict::of(meters, &self.figures.borrow().figures).or(quiet.then_some(Verdict::Quiet));
        self.shown.verdict.set(verdict);
    }

    /// Asks the browser and the server for their figures.
    fn measure(self: &Rc<Self>) {
        let Some(report) = self.peer.borrow().as_ref().map(Peer::stats) else { return };
        let state = self.clone();
        spawn_local(async move {
            if let Some(report) = report.await {
                state.figures.borrow_mut().add_report(&report);
            }
            // Asked for only now: the test may have ended meanwhile.
            let counters = state.session.borrow().as_ref().map(Session::counters);
            if let Some(counters) = counters
                && let Some(counters) = counters.await
            {
                state.figures.borrow_mut().add_counters(&counters);
            }
            if !state.over.get() {
                let figures = state.figures.borrow().figures.clone();
                state.shown.figures.set(figures);
            }
        });
    }

    /// The server counts from our offer; what it does arrives a little later.
    fn is_time_up(&self) -> bool {
        let limit = Duration::from_secs(u64::from(LIMIT_SECONDS) - 2);
        self.offered.get().is_some_and(|offered| now().since(offered) >= limit)
    }

    fn time(&self, note: impl FnOnce(&mut Timings, &State)) {
        let mut timings = self.timings.get();
        note(&mut timings, self);
        self.timings.set(timings);
        self.shown.timings.set(timings);
    }

    fn fail(&self, problem: EchoProblem) {
        if !self.over.get() {
            self.close();
            self.shown.fail(problem);
        }
    }

    fn end(&self, ended: Ended) {
        if !self.over.get() {
            self.close();
            self.shown.phase.set(Phase::Done(ended));
        }
    }

    /// Gives everything back, the server's part too.
    fn close(&self) {
        self.over.set(true);
        self.clock.take();
        let peer = self.peer.take();
        if let Some(session) = self.session.take() {
            session.end(peer);
        }
    }
}

fn since(start: Instant) -> u32 {
    u32::try_from(now().since(start).as_millis()).unwrap_or(u32::MAX)
}
