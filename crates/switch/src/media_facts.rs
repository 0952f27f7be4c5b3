//! What the media plane tells, and re-INVITEs, whose answers it makes.

use media::sdp::Unsupported;
use media::{Codec, Direction, Fact as MediaFact};
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
                if self.leg_is(leg, LegState::Offering) {
                    self.invite(leg, sdp, now);
                }
            }
            MediaFact::AnswerMade { leg, sdp, codec, direction } => {
                self.media_answered(LegId(leg.0), sdp, codec, direction, now);
            }
            MediaFact::AnswerAccepted { leg, codec, direction } => {
                let leg = LegId(leg.0);
                if self.leg_is(leg, LegState::Agreeing) {
                    self.direction_changed(leg, direction);
                    self.agreed(leg, codec, now);
                }
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
        let Some(offer) = sdp else {
            return self.ua.refuse_offer(dialog, EndCause::NotAcceptable.sip_status(), now);
        };
        if leg.state != LegState::Up {
            // RFC 3261 §14.2: one offer at a time
            return self.ua.refuse_offer(dialog, 491, now);
        }
        leg.state = LegState::Reoffered;
        let call = leg.call;
        self.order(call, media::Order::AcceptReoffer { leg: media::LegId(leg_id.0), offer });
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
        } else {
            self.leg_ended(leg_id, cause, now);
        }
    }
}
