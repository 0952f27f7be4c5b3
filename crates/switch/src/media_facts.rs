//! What the media plane tells, and re-INVITEs, whose answers it makes.

use media::sdp::Unsupported;
use media::{Codec, CodecPreference, Direction, Fact as MediaFact};
use model::{EndCause, LegId};
use sip::DialogId;
use timing::Instant;

use crate::call::{Call, LegState, Phase};
use crate::switch::Switch;

impl Switch {
    pub(crate) fn handle_media_fact(&mut self, fact: MediaFact, now: Instant) {
        match fact {
            MediaFact::OfferMade { leg, sdp } => {
                let leg = LegId(leg.0);
                self.offer_made(leg, sdp, now);
            }
            MediaFact::AnswerMade { leg, sdp, codec, direction } => {
                self.media_answered(LegId(leg.0), sdp, codec, direction, now);
            }
            MediaFact::AnswerAccepted { leg, codec, direction } => {
                let leg = LegId(leg.0);
                self.answer_taken(leg, codec, direction, now);
            }
            MediaFact::Refused { leg, why } => self.media_refused(LegId(leg.0), &why, now),
            MediaFact::Crashed { leg } => self.leg_ended(LegId(leg.0), EndCause::Internal, now),
            MediaFact::Lost { leg } => self.sound_lost(LegId(leg.0), now),
            MediaFact::Connected { leg } => self.sound_back(LegId(leg.0)),
            // keys pass through the relay, but for a trunk that wants them otherwise
            MediaFact::Dtmf { leg, key } => self.key_pressed(LegId(leg.0), key, now),
            MediaFact::Silent { .. } | MediaFact::Audible { .. } | MediaFact::Figures { .. } => {}
        }
    }

    fn media_answered(
        &mut self,
        leg_id: LegId,
        sdp: String,
        codec: Codec,
        direction: Direction,
        now: Instant,
    ) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        match leg.state {
            LegState::EarlyAnswering => self.early_answer_made(leg_id, sdp, now),
            LegState::Answering => {
                self.direction_changed(leg_id, direction);
                self.answer_made(leg_id, sdp, codec, now);
            }
            LegState::Reoffered => {
                leg.state = LegState::Up;
                if let Some(dialog) = leg.dialog {
                    self.ua.answer_offer(dialog, sdp, now);
                }
                self.direction_changed(leg_id, direction);
            }
            _ => {}
        }
    }

    /// The phone wants to change the session: hold, resume, another address, another fingerprint.
    pub(crate) fn reoffered(&mut self, dialog: DialogId, sdp: Option<String>, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else {
            return self.ua.refuse_offer(dialog, 481, now);
        };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        if leg.state != LegState::Up {
            // RFC 3261 §14.2: one offer at a time
            return self.ua.refuse_offer(dialog, 491, now);
        }
        leg.state = if sdp.is_some() { LegState::Reoffered } else { LegState::Asked };
        let (call, leg) = (leg.call, media::LegId(leg_id.0));
        let order = match sdp {
            Some(offer) => media::Order::AcceptReoffer { leg, offer },
            // RFC 3261 §14.2, RFC 3264 §8: all that we could do, so that a hold can end by it
            None => media::Order::MakeReoffer {
                leg,
                direction: Direction::SendRecv,
                codecs: CodecPreference::Any,
            },
        };
        self.order(call, order);
    }

    /// Media has made an offer of ours: for an INVITE, or for a 200 to one that came without.
    fn offer_made(&mut self, leg_id: LegId, sdp: String, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        match (leg.state, leg.dialog) {
            (LegState::Offering, _) => self.invite(leg_id, sdp, now),
            (LegState::LateOffering, Some(dialog)) => {
                leg.state = LegState::LateAnswering;
                // else he has just cancelled, and his `Ended` is on its way
                let _ = self.ua.answer(dialog, sdp, now);
            }
            (LegState::Asked, Some(dialog)) => {
                leg.state = LegState::AskedAnswering;
                self.ua.answer_offer(dialog, sdp, now);
            }
            _ => {}
        }
    }

    /// The answer to an offer of ours has come in an ACK.
    pub(crate) fn late_answer(&mut self, dialog: DialogId, answer: String) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else { return };
        let Some(leg) = self.legs.get(&leg_id) else { return };
        if matches!(leg.state, LegState::LateAnswering | LegState::AskedAnswering) {
            let call = leg.call;
            self.order(call, media::Order::AcceptAnswer { leg: media::LegId(leg_id.0), answer });
        }
    }

    /// The ACK brought no answer.
    pub(crate) fn late_refusal(&mut self, dialog: DialogId, status: u16, now: Instant) {
        let Some(leg_id) = self.leg_of_dialog(dialog) else { return };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let call = leg.call;
        match leg.state {
            LegState::LateAnswering => self.leg_ended(leg_id, EndCause::from_sip_status(status), now),
            LegState::AskedAnswering => {
                leg.state = LegState::Up;
                self.order(call, media::Order::Retract { leg: media::LegId(leg_id.0) });
            }
            _ => {}
        }
    }

    /// Media has taken the answer of a phone.
    fn answer_taken(&mut self, leg_id: LegId, codec: Codec, direction: Direction, now: Instant) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        match leg.state {
            LegState::Agreeing | LegState::LateAnswering => {
                self.direction_changed(leg_id, direction);
                self.agreed(leg_id, codec, now);
            }
            LegState::EarlyAgreeing => self.early_agreed(leg_id, codec, now),
            LegState::AskedAnswering => {
                leg.state = LegState::Up;
                self.direction_changed(leg_id, direction);
            }
            _ => {}
        }
    }

    /// Who only listens (`recvonly`) holds nobody.
    fn direction_changed(&mut self, leg_id: LegId, direction: Direction) {
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        let held = matches!(direction, Direction::SendOnly | Direction::Inactive);
        if leg.held == held {
            return;
        }
        leg.held = held;
        let (id, side) = (leg.call, leg.side);
        let speaks = |call: &Call| call.phase == Phase::Talking && call.leg_of(side) == Some(leg_id);
        if self.calls.get(&id).is_some_and(speaks) {
            self.join_sound(id);
            self.tell_talking(id, side);
        }
    }

    fn media_refused(&mut self, leg_id: LegId, why: &Unsupported, now: Instant) {
        let cause = match why {
            Unsupported::Overloaded => EndCause::Overloaded,
            _ => EndCause::NotAcceptable,
        };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        if leg.state == LegState::Reoffered {
            leg.state = LegState::Up;
            if let Some(dialog) = leg.dialog {
                self.ua.refuse_offer(dialog, cause.sip_status(), now);
            }
        } else if matches!(leg.state, LegState::Asked | LegState::AskedAnswering) {
            let was_asked = leg.state == LegState::Asked;
            leg.state = LegState::Up;
            if let Some(dialog) = leg.dialog.filter(|_| was_asked) {
                self.ua.refuse_offer(dialog, cause.sip_status(), now);
            }
        } else {
            self.leg_ended(leg_id, cause, now);
        }
    }
}
