//! How calls and legs end: each once, with one cause.

use model::{CallId, EndCause, LegId};
use sip::{DialogId, EndedBy};
use timing::Instant;

use crate::call::{LegState, Phase, Side};
use crate::fact::{CallEnded, Fact, PhoneFactKind};
use crate::setup::reason_of;
use crate::switch::{Switch, Timer};

impl Switch {
    /// A dialog is over, by its peer or by the network.
    pub(crate) fn dialog_ended(&mut self, dialog: DialogId, by: &EndedBy, now: Instant) {
        let Some(leg_id) = self.dialogs.remove(&dialog) else { return };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.dialog = None;
        let up = leg.state.is_up();
        let cause = match by {
            EndedBy::Local => EndCause::Normal,
            EndedBy::Remote if up => EndCause::Normal,
            EndedBy::Remote | EndedBy::Cancelled => EndCause::Cancelled,
            EndedBy::Timeout if up => EndCause::ConnectionLost,
            EndedBy::Timeout => EndCause::Unavailable,
            EndedBy::NoAck => EndCause::ConnectionLost,
            EndedBy::Refused { status, .. } => EndCause::from_sip_status(*status),
        };
        self.leg_ended(leg_id, cause, now);
    }

    /// A leg is over: its call too, unless other phones still ring.
    pub(crate) fn leg_ended(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let id = leg.call;
        if leg.replaces.is_some() {
            return self.replacement_ended(leg_id, cause, now);
        }
        let Some(call) = self.calls.get(&id) else { return };
        let is_branch = leg.side == Side::Callee && call.phase == Phase::Ringing;
        if is_branch {
            self.end_branch(leg_id, cause, now)
        } else {
            self.end_call(id, cause, Some(leg_id), now)
        }
    }

    /// One of the called phones does not take the call; when it was the last one, the caller is told why.
    pub(crate) fn end_branch(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(id) = self.legs.get(&leg_id).map(|leg| leg.call) else { return };
        self.drop_leg(leg_id, cause, now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.branches.retain(|branch| *branch != leg_id);
        let worst = worse(call.refused, cause);
        call.refused = Some(worst);
        // 6xx speaks for the whole user (RFC 3261 §21.6)
        if call.branches.is_empty() || cause == EndCause::Declined {
            self.end_call(id, worst, None, now);
        }
    }

    /// Ends a call for `cause`; `gone` is a leg that has ended already.
    pub(crate) fn end_call(&mut self, id: CallId, cause: EndCause, gone: Option<LegId>, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        let legs: Vec<LegId> =
            self.legs.iter().filter(|(_, leg)| leg.call == call.id).map(|(id, _)| *id).collect();
        let told = [Side::Caller, Side::Callee].map(|side| (side, call.party(side).told));
        for (side, told) in told {
            if told.is_some() {
                self.tell(id, side, PhoneFactKind::Released(cause));
            }
        }
        for leg in legs {
            if Some(leg) == gone {
                self.forget_leg(leg);
            } else {
                self.drop_leg(leg, cause, now);
            }
        }
        self.timers.cancel(&Timer::NoAnswer(id));
        let Some(call) = self.calls.remove(&id) else { return };
        for party in [&call.caller, &call.callee] {
            if let Some(account) = &party.account {
                self.touched.insert(account.clone());
            }
        }
        self.facts.push_back(Fact::CallEnded(CallEnded {
            call: id,
            linked_id: call.linked_id,
            caller: call.caller.info(),
            callee: call.callee.info(),
            started_at: self.unix_ms(call.started_at),
            answered_at: call.answered_at.map(|at| self.unix_ms(at)),
            ended_at: self.unix_ms(now),
            cause,
        }));
    }

    /// Ends one leg's dialog in the way its state asks for, and its media.
    pub(crate) fn drop_leg(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        if let Some(dialog) = leg.dialog {
            self.dialogs.remove(&dialog);
            match leg.state {
                LegState::Incoming | LegState::Answering => {
                    self.ua.refuse(dialog, cause.sip_status(), None, now)
                }
                _ => self.ua.bye(dialog, Some(reason_of(cause)), now),
            }
        }
        self.forget_leg(leg_id);
    }

    fn forget_leg(&mut self, leg_id: LegId) {
        let Some(leg) = self.legs.remove(&leg_id) else { return };
        if let Some(dialog) = leg.dialog {
            self.dialogs.remove(&dialog);
        }
        self.timers.cancel(&Timer::Detached(leg_id));
        self.timers.cancel(&Timer::NoSound(leg_id));
        self.order(leg.call, media::Order::Close { leg: media::LegId(leg_id.0) });
    }
}

/// Of two reasons why nobody answered, the one that tells the caller more.
fn worse(old: Option<EndCause>, new: EndCause) -> EndCause {
    let weight = |cause: EndCause| match cause {
        EndCause::Declined => 4,
        EndCause::Busy => 3,
        EndCause::NotAcceptable => 2,
        EndCause::NoAnswer => 1,
        _ => 0,
    };
    match old {
        Some(old) if weight(old) >= weight(new) => old,
        _ => new,
    }
}
