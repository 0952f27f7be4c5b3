//! Session timers, for both roles: whether the peer still keeps a call (RFC 4028).
//!
//! Where the RFC ends a call by BYE we tell [`Event::Stale`], since media may flow all the same.

use sipx_sip::HeaderName;
use sipx_sip::message::{Headers, Method, Request, Response};
use sipx_sip::session::{self, Answer, MinSe, Refresher, Session, SessionExpires};
use timing::{Deadline, Duration, Instant};

use super::super::UserAgent;
use super::super::exchange::{Exchange, PATIENCE, Wake};
use super::super::leg::{Leg, NextOffer, OutgoingOffer};
use super::{Extensions, ServerWake};
use crate::config::DialogId;
use crate::dialog::DialogState;
use crate::event::Event;
use crate::wire::{self, Draft};

/// What we ask for, and the least we take (RFC 4028 §4, §5).
const USUAL: Duration = Duration::from_secs(1_800);
const LEAST: Duration = Duration::from_secs(90);
/// A session that is refreshed more seldom than that is as good as one that is not.
const MOST: Duration = Duration::from_secs(86_400);
/// When to try again where another exchange is in the way of a refresh.
const BUSY: Duration = Duration::from_secs(5);
const OPTION_TAG: &str = "timer";

/// The timer of one session.
#[derive(Debug)]
pub(super) struct SessionTimer {
    terms: Session,
    /// Whether the application knows that it has run out.
    is_stale: bool,
}

impl Extensions {
    /// Notes what we have described last, for a refresh to say again.
    pub(in crate::ua) fn describe(&mut self, sdp: &str) {
        sdp.clone_into(&mut self.sdp);
    }

    fn least(&self) -> Duration {
        self.min_se.unwrap_or(LEAST)
    }
}

impl Leg {
    /// Adds to an INVITE or UPDATE what it says about the session's timer: that we want one at first, and the
    /// terms from then on.
    pub(in crate::ua) fn with_session(&self, exchange: &Exchange, draft: Draft) -> Draft {
        let is_first = self.info.state == DialogState::Calling;
        let expires = match &self.server.session {
            _ if !exchange.is_server() => return draft,
            Some(SessionTimer { terms, .. }) => SessionExpires {
                interval: terms.interval.max(self.server.least()),
                refresher: Some(if terms.we_refresh { Refresher::Uac } else { Refresher::Uas }),
            },
            None if is_first => SessionExpires { interval: USUAL.max(self.server.least()), refresher: None },
            None => return draft,
        };
        draft
            .header(HeaderName::SessionExpires, expires.to_string())
            .header(HeaderName::MinSe, self.server.least().as_secs().to_string())
    }
}

/// Where we answer.
impl UserAgent {
    /// The `Min-SE` of a 422, where a request would have us refresh too often.
    pub(in crate::ua) fn session_refusal(&self, request: &Request) -> Option<String> {
        let has_timer = has_timer(&request.headers);
        match asked(&request.headers, None) {
            Answer::TooBrief(least) if has_timer && self.exchange.is_server() => {
                Some(least.as_secs().to_string())
            }
            _ => None,
        }
    }

    /// Writes the terms of the session's timer into a 2xx of ours, and keeps them.
    pub(in crate::ua) fn agree_session(
        &mut self,
        dialog: DialogId,
        request: &Request,
        response: &mut Response,
        now: Instant,
    ) {
        let is_refresh = matches!(request.method, Method::Invite | Method::Update);
        let Some(leg) = self.legs.get_mut(&dialog).filter(|_| is_refresh && self.exchange.is_server()) else {
            return;
        };
        let Answer::Accept(accepted) = asked(&request.headers, leg.server.session.as_ref()) else { return };
        let interval = accepted.interval.min(MOST);
        let expires = SessionExpires { interval, refresher: Some(accepted.refresher) };
        wire::set(&mut response.headers, HeaderName::SessionExpires, expires.to_string());
        if accepted.require {
            wire::set(&mut response.headers, HeaderName::Require, OPTION_TAG);
        }
        let terms = Session { interval, we_refresh: accepted.refresher == Refresher::Uas };
        self.start_session(dialog, Some(terms), now);
        self.forget_refresh(dialog);
    }
}

/// Where we have asked.
impl UserAgent {
    /// Takes the terms out of a 2xx to an INVITE or UPDATE of ours.
    pub(in crate::ua) fn adopt_session(&mut self, dialog: DialogId, response: &Response, now: Instant) {
        if !self.exchange.is_server() {
            return;
        }
        let agreed = response.headers.typed::<SessionExpires>().and_then(Result::ok);
        let ours = self.legs.get(&dialog).and_then(|leg| leg.server.session.as_ref());
        // who refreshes may go on doing so for its own sake (RFC 4028 §7.2)
        let interval = ours.filter(|timer| timer.terms.we_refresh).map(|timer| timer.terms.interval);
        let terms = session::adopt(agreed, interval);
        let terms = terms.filter(|terms| terms.we_refresh || terms.interval <= MOST);
        let terms = terms.map(|terms| Session { interval: terms.interval.min(MOST), ..terms });
        self.start_session(dialog, terms, now);
    }

    /// A 422 that names a longer interval: says whether the request is to be sent again, which has it now.
    pub(in crate::ua) fn longer_session(
        &mut self,
        dialog: DialogId,
        request: &mut Request,
        response: &Response,
    ) -> bool {
        let Some(Ok(MinSe(least))) = response.headers.typed::<MinSe>() else { return false };
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return false };
        if response.status.code() != 422 || least <= leg.server.least() || least > MOST {
            return false;
        }
        leg.server.min_se = Some(least);
        let Some(Ok(expires)) = request.headers.typed::<SessionExpires>() else { return false };
        let expires = SessionExpires { interval: expires.interval.max(least), ..expires };
        wire::set(&mut request.headers, HeaderName::SessionExpires, expires.to_string());
        wire::set(&mut request.headers, HeaderName::MinSe, least.as_secs().to_string());
        true
    }

    /// A refresh of ours has failed: without a response the session is stale, with one it is not refreshed.
    pub(in crate::ua) fn refresh_failed(&mut self, dialog: DialogId, status: u16, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        let Some(timer) = leg.server.session.as_mut().filter(|timer| timer.terms.we_refresh) else { return };
        let terms = timer.terms;
        if matches!(status, 405 | 501) && std::mem::take(&mut leg.peer_allows_update) {
            return self.refresh_session(dialog, now);
        }
        let is_lost = matches!(status, 408 | 503);
        if is_lost {
            self.session_lapses(dialog);
        }
        self.arm_session(dialog, if is_lost { PATIENCE } else { terms.act_after() / 2 }, now);
    }
}

impl UserAgent {
    /// It is time to refresh, or the peer has not.
    pub(super) fn session_is_due(&mut self, dialog: DialogId, now: Instant) {
        let Some(leg) = self.legs.get(&dialog).filter(|leg| !leg.ended) else { return };
        match &leg.server.session {
            Some(SessionTimer { terms: Session { we_refresh: true, .. }, .. }) => {
                self.refresh_session(dialog, now);
            }
            Some(_) => self.session_lapses(dialog),
            None => {}
        }
    }

    fn refresh_session(&mut self, dialog: DialogId, now: Instant) {
        let states = [DialogState::Answered, DialogState::Confirmed];
        let Some(leg) = self.live_leg(dialog, &states) else { return };
        let is_busy = leg.incoming.is_some()
            || leg.outgoing.is_some()
            || leg.unacked.is_some()
            || leg.unsent_ack.is_some();
        if is_busy {
            return self.arm_session(dialog, BUSY, now);
        }
        if !leg.peer_allows_update {
            let offer = NextOffer { sdp: leg.server.sdp.clone(), headers: Vec::new() };
            return self.send_reinvite(dialog, &offer, true, now);
        }
        if !self.send_update(dialog, &[], now) {
            self.refresh_failed(dialog, 503, now);
        }
    }

    fn session_lapses(&mut self, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let Some(timer) = &mut leg.server.session else { return };
        if !std::mem::replace(&mut timer.is_stale, true) {
            self.events.push_back(Event::Stale { dialog });
        }
    }

    /// The session has just been refreshed, on these terms.
    fn start_session(&mut self, dialog: DialogId, terms: Option<Session>, now: Instant) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| !leg.ended) else { return };
        leg.server.session = terms.map(|terms| SessionTimer { terms, is_stale: false });
        match terms {
            Some(terms) => self.arm_session(dialog, terms.act_after(), now),
            None => self.exchange.wakes.cancel(&Wake::Server(ServerWake::Session(dialog))),
        }
    }

    /// The peer has been faster: a refresh of ours that waits out glare has nothing to do, and its description may
    /// be one that the peer has just changed.
    fn forget_refresh(&mut self, dialog: DialogId) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let waiting =
            |outgoing: &mut OutgoingOffer| matches!(outgoing, OutgoingOffer::Glare { is_refresh: true, .. });
        if leg.outgoing.take_if(waiting).is_some() {
            self.exchange.wakes.cancel(&Wake::Glare(dialog));
        }
    }

    fn arm_session(&mut self, dialog: DialogId, after: Duration, now: Instant) {
        let deadline = Deadline::new(now + after, "session timer");
        self.exchange.wakes.set(Wake::Server(ServerWake::Session(dialog)), deadline);
    }
}

/// What a request asks for. One that says nothing of the timer leaves running terms as they are.
fn asked(headers: &Headers, running: Option<&SessionTimer>) -> Answer {
    let requested = headers.typed::<SessionExpires>().and_then(Result::ok);
    let least = headers.typed::<MinSe>().and_then(Result::ok).map(|MinSe(least)| least);
    let requested = requested.or(running.map(|timer| SessionExpires {
        interval: timer.terms.interval,
        refresher: Some(if timer.terms.we_refresh { Refresher::Uas } else { Refresher::Uac }),
    }));
    session::answer(has_timer(headers), requested, least, LEAST)
}

fn has_timer(headers: &Headers) -> bool {
    let options = [HeaderName::Supported, HeaderName::Require];
    options
        .iter()
        .flat_map(|name| wire::tokens(headers, name))
        .any(|option| option.eq_ignore_ascii_case(OPTION_TAG))
}
