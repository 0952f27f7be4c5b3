//! Sound before the answer: announcements and ringing tones of the far side (RFC 3960), for a caller who hears them
//! by a 183 of ours (RFC 3261 §13.2.1, RFC 3262).

use media::Codec;
use model::{CallId, LegId};
use sip::DialogId;
use timing::Instant;

use crate::call::{LegState, Phase, Side};
use crate::switch::Switch;

impl Switch {
    /// A phone or an exchange that we invited gives a sign of life, perhaps with a description of its sound.
    pub(crate) fn progress(&mut self, dialog: DialogId, status: u16, sdp: Option<String>, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else { return };
        let Some(leg) = self.legs.get_mut(&leg_id).filter(|leg| leg.side == Side::Callee) else { return };
        let Some(call) = self.calls.get(&leg.call).filter(|call| call.phase == Phase::Ringing) else {
            return;
        };
        let (id, caller) = (call.id, call.caller_leg);
        // of several that ring each may have its own tone
        let alone = call.branches == [leg_id];
        if let Some(answer) = sdp.filter(|_| alone && leg.state == LegState::Inviting) {
            leg.state = LegState::EarlyAgreeing;
            leg.early_sdp = Some(answer.clone());
            return self.order(id, media::Order::AcceptAnswer { leg: media::LegId(leg_id.0), answer });
        }
        let waits = self.legs.get(&caller).filter(|caller| caller.state == LegState::Incoming);
        if let Some(dialog) = waits.and_then(|caller| caller.dialog).filter(|_| (180..=189).contains(&status))
        {
            self.ua.progress(dialog, 180, None, now);
        }
    }

    /// Media has taken the description that came before the answer.
    pub(crate) fn early_agreed(&mut self, leg_id: LegId, codec: Codec, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::EarlyUp;
        let id = leg.call;
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.codecs = vec![codec];
        if call.phase == Phase::Answering {
            // it was answered meanwhile
            return match leg.early_sdp.take() {
                Some(answer) => {
                    leg.state = LegState::Agreeing;
                    self.order(id, media::Order::AcceptAnswer { leg: media::LegId(leg_id.0), answer });
                }
                None => self.agreed(leg_id, codec, now),
            };
        }
        let caller = call.caller_leg;
        match self.legs.get_mut(&caller) {
            Some(caller) if caller.state.hears() => self.join_early(id),
            Some(leg) if leg.state == LegState::Incoming && leg.offer.is_some() => {
                self.answer_leg(caller);
                if let Some(leg) = self.legs.get_mut(&caller) {
                    leg.state = LegState::EarlyAnswering;
                }
            }
            // who has made no offer hears nothing before he has answered ours
            _ => {}
        }
    }

    /// Media has answered the caller's offer before anybody has answered him.
    pub(crate) fn early_answer_made(&mut self, leg_id: LegId, sdp: String, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.state = LegState::EarlyAnswered;
        leg.early_answer = Some(sdp.clone());
        let (id, dialog) = (leg.call, leg.dialog);
        if let Some(call) = self.calls.get(&id).filter(|call| call.phase == Phase::Answering) {
            // else media has not yet taken what the callee answered
            let is_agreed = call.leg_of(Side::Callee).and_then(|leg| self.legs.get(&leg));
            if is_agreed.is_none_or(|callee| callee.state.is_up()) {
                self.answer_early_caller(id, now);
            }
            return;
        }
        if let Some(dialog) = dialog {
            self.ua.progress(dialog, 183, Some(sdp), now);
        }
        self.join_early(id);
    }

    /// A caller who has heard the far side before gets the same answer again, which now counts.
    pub(crate) fn answer_early_caller(&mut self, id: CallId, now: Instant) {
        let Some(caller) = self.calls.get(&id).map(|call| call.caller_leg) else { return };
        let Some(leg) = self.legs.get_mut(&caller) else { return };
        let (dialog, sdp) = (leg.dialog, leg.early_answer.take());
        leg.state = LegState::Up;
        // else he has just cancelled, and his `Ended` is on its way
        if let (Some(dialog), Some(sdp)) = (dialog, sdp)
            && self.ua.answer(dialog, sdp, now).is_ok()
        {
            self.connect(id, now);
        }
    }

    fn join_early(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(callee) = call.branches.first() else { return };
        let (a, b) = (media::LegId(call.caller_leg.0), media::LegId(callee.0));
        let heard = self.legs.get(callee).is_some_and(|leg| leg.state == LegState::EarlyUp);
        if heard {
            self.order(id, media::Order::Bridge { a, b });
        }
    }
}
