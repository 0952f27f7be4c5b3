//! From the first 200 to two parties who hear each other.

use media::{Codec, CodecPreference};
use model::{CallId, EndCause, LegId};
use sip::DialogId;
use timing::{Deadline, Duration, Instant};

use crate::call::{LegState, Phase, Side};
use crate::directory::Destination;
use crate::fact::Fact;
use crate::flows::Offers;
use crate::setup::and_all_others;
use crate::switch::{Switch, Timer};

/// From a phone's 200 to agreed media on both sides.
const AGREE_WITHIN: Duration = Duration::from_secs(10);
/// From the answer to the first sound: ICE and DTLS take a fraction of a second where the path is open.
pub(crate) const SOUND_WITHIN: Duration = Duration::from_secs(30);

impl Switch {
    /// A phone that we invited was answered.
    pub(crate) fn answered(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else {
            return self.ua.bye(dialog, None, now);
        };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let id = leg.call;
        let early = matches!(leg.state, LegState::EarlyAgreeing | LegState::EarlyUp).then_some(leg.state);
        let known = leg.early_sdp.take();
        if sdp.is_none() && early.is_none() {
            return self.leg_ended(leg_id, EndCause::NotAcceptable, now);
        }
        // the answer is the one that came before (RFC 3261 §13.2.1), unless another branch of a call that has forked
        // answers than was heard (§13.2.2.4); a page never forks
        let answer = sdp.filter(|sdp| early.is_none() || !leg.is_page && known.as_ref() != Some(sdp));
        if early != Some(LegState::EarlyAgreeing) {
            leg.state = LegState::Agreeing;
        } else {
            leg.early_sdp.clone_from(&answer);
        }
        let is_callee = leg.side == Side::Callee && leg.replaces.is_none();
        if is_callee && !self.win(id, leg_id, now) {
            return self.drop_leg(leg_id, EndCause::AnsweredElsewhere, now);
        }
        match (early, answer) {
            (Some(LegState::EarlyAgreeing), _) => {}
            (_, Some(answer)) => {
                self.order(id, media::Order::AcceptAnswer { leg: media::LegId(leg_id.0), answer });
            }
            (_, None) => {
                let codec = self.calls.get(&id).and_then(|call| call.codecs.first().copied());
                self.agreed(leg_id, codec.unwrap_or(Codec::Pcmu), now);
            }
        }
    }

    /// The first phone that answers takes the call; the others stop ringing.
    fn win(&mut self, id: CallId, winner: LegId, now: Instant) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        if call.phase != Phase::Ringing {
            return false;
        }
        call.phase = Phase::Answering;
        let losers: Vec<LegId> = call.branches.iter().copied().filter(|leg| *leg != winner).collect();
        call.branches = vec![winner];
        call.callee.sip_call_id = self.legs.get(&winner).and_then(|leg| leg.sip_call_id.clone());
        for loser in losers {
            self.drop_leg(loser, EndCause::AnsweredElsewhere, now);
        }
        // media answers in milliseconds; a call is not to hang on it
        self.await_media(id, now);
        true
    }

    /// An answered call is given up when its media is not agreed on soon.
    pub(crate) fn await_media(&mut self, id: CallId, now: Instant) {
        self.timers.set(Timer::NoAnswer(id), Deadline::new(now + AGREE_WITHIN, "media does not answer"));
    }

    /// The dialog of a caller who waits for his answer.
    pub(crate) fn waiting_caller(&self, id: CallId) -> Option<DialogId> {
        let leg = self.legs.get(&self.calls.get(&id)?.caller_leg)?;
        leg.dialog.filter(|_| leg.state == LegState::Incoming)
    }

    /// Tells a phone with whom it is connected now (RFC 3311, RFC 3325); a page learns it by CTI.
    pub(crate) fn tell_identity(&mut self, id: CallId, side: Side, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let other = call.party(side.other());
        let leg = call.leg_of(side).and_then(|leg| self.legs.get(&leg)).filter(|leg| !leg.is_page);
        let Some((leg, dialog)) = leg.and_then(|leg| Some((leg, leg.dialog?))) else { return };
        let headers = match leg.trunk {
            Some(trunk) => self.connected_for_trunk(trunk, call, other),
            None => {
                let name = other.name.replace(['"', '\\'], "");
                let identity = format!("\"{name}\" <sip:{}@{}>", other.shown(), self.config.domain);
                vec![("P-Asserted-Identity".to_owned(), identity)]
            }
        };
        if !headers.is_empty() {
            self.ua.update(dialog, headers, now);
        }
    }

    /// Media has taken the answer of a phone that we invited.
    pub(crate) fn agreed(&mut self, leg_id: LegId, codec: Codec, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::Up;
        let (id, side) = (leg.call, leg.side);
        if leg.replaces.is_some() {
            return self.take_over(leg_id, now);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.codecs = vec![codec];
        let caller = self.legs.get(&call.caller_leg).map(|leg| leg.state);
        match (side, caller) {
            (Side::Caller, _) if call.phase == Phase::Answering => self.connect(id, now),
            (Side::Caller, _) => self.place(id, now),
            (Side::Callee, Some(state)) if state.is_up() => self.connect(id, now),
            (Side::Callee, _) => self.answer_caller(id, vec![codec], now),
        }
    }

    /// Has the caller answered, with one of these codecs if he has one of them.
    pub(crate) fn answer_caller(&mut self, id: CallId, wanted: Vec<Codec>, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if !wanted.is_empty() {
            call.codecs = wanted;
        }
        let caller = call.caller_leg;
        match self.legs.get(&caller).map(|leg| leg.state) {
            Some(LegState::EarlyAnswered) => self.answer_early_caller(id, now),
            // media's answer for him is on its way
            Some(LegState::EarlyAnswering) => {}
            _ => self.answer_leg(caller),
        }
    }

    /// Asks media for the answer to a phone's offer, or for an offer where it made none.
    pub(crate) fn answer_leg(&mut self, leg_id: LegId) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let (id, flow, offer) = (leg.call, leg.flow, leg.offer.take());
        leg.state = if offer.is_some() { LegState::Answering } else { LegState::LateOffering };
        let Some(call) = self.calls.get(&id) else { return };
        let leg = media::LegId(leg_id.0);
        let codecs = CodecPreference::Only(and_all_others(&call.codecs));
        let order = match offer {
            Some(offer) => {
                let style = self.style_on(flow, Offers::Theirs);
                media::Order::AcceptOffer { leg, offer, codecs, style }
            }
            None => media::Order::MakeOffer { leg, codecs, style: self.style_on(flow, Offers::Ours) },
        };
        self.order(id, order);
    }

    /// Media has answered the caller's offer: 200 OK, and the parties are joined.
    pub(crate) fn answer_made(&mut self, leg_id: LegId, sdp: String, codec: Codec, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::Up;
        let (id, dialog, side, replaces) = (leg.call, leg.dialog, leg.side, leg.replaces);
        // else he has just cancelled, and his `Ended` is on its way
        if dialog.is_none_or(|dialog| self.ua.answer(dialog, sdp, now).is_err()) {
            return;
        }
        if replaces.is_none() && side == Side::Callee {
            return self.picked_up(leg_id, codec, now);
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.codecs = vec![codec];
        }
        if replaces.is_some() { self.take_over(leg_id, now) } else { self.connect(id, now) }
    }

    /// Both sides are up: join them.
    pub(crate) fn connect(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.phase = Phase::Talking;
        call.answered_at = Some(now);
        self.facts.push_back(Fact::CallAnswered { call: id });
        if matches!(call.destination, Destination::Feature(_)) {
            self.end_service_soon(id, now);
        }
        self.limit_time(id, now);
        self.join_sound(id);
        self.timers.cancel(&Timer::NoAnswer(id));
        self.await_sound(id, now + SOUND_WITHIN);
        let is_other = self.calls.get(&id).is_some_and(|call| call.is_other);
        for side in [Side::Caller, Side::Callee] {
            self.tell_talking(id, side);
            if is_other {
                self.tell_identity(id, side, now);
            }
        }
    }
}
