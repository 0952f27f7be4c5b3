//! How calls and legs end: each once, with one cause.

use model::{CallId, EndCause, LegId};
use sip::{DialogId, EndedBy, Reason};
use timing::{Duration, Instant};

use crate::call::{Phase, Side};
use crate::fact::{CallEnded, Fact, PhoneFactKind};
use crate::switch::{Switch, Timer};

/// After how long a caller may try again that we had no room for (RFC 3261 §20.33).
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Switch {
    /// A dialog is over, by its peer or by the network.
    pub(crate) fn dialog_ended(
        &mut self,
        dialog: DialogId,
        by: &EndedBy,
        reason: Option<&str>,
        now: Instant,
    ) {
        let Some(leg_id) = self.dialogs.remove(&dialog) else { return };
        let Some(leg) = self.legs.get_mut(&leg_id) else { return };
        leg.dialog = None;
        let up = leg.state.is_up();
        if let EndedBy::Refused { contacts, .. } = by
            && !contacts.is_empty()
            && self.redirected(leg_id, contacts, now)
        {
            return;
        }
        if self.trunk_refused(leg_id, by, now) {
            return;
        }
        let cause = match by {
            EndedBy::Local => EndCause::Normal,
            EndedBy::Remote if up => EndCause::Normal,
            EndedBy::Remote | EndedBy::Cancelled => EndCause::Cancelled,
            EndedBy::Timeout if up => EndCause::ConnectionLost,
            EndedBy::Timeout => EndCause::Unavailable,
            EndedBy::NoAck => EndCause::ConnectionLost,
            EndedBy::Refused { status, .. } => {
                EndCause::from_sip(*status, reason.and_then(|reason| Reason::cause_in(reason, "Q.850")))
            }
        };
        self.leg_ended(leg_id, cause, now);
    }

    /// A leg is over, or cannot go on: its call ends too, unless other phones still ring.
    pub(crate) fn leg_ended(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let id = leg.call;
        if leg.replaces.is_some() {
            return self.replacement_ended(leg_id, cause, now);
        }
        let Some(call) = self.calls.get(&id) else { return };
        // also between an answer and its sound the caller need not lose what the callee has spoilt
        let is_branch = leg.side == Side::Callee && matches!(call.phase, Phase::Ringing | Phase::Answering);
        if is_branch { self.end_branch(leg_id, cause, now) } else { self.end_call(id, cause, now) }
    }

    /// One of the called phones does not take the call; when it was the last one, the caller is told why.
    pub(crate) fn end_branch(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        let (id, sip_call_id) = (leg.call, leg.sip_call_id.clone());
        self.drop_leg(leg_id, cause, now);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.branches.retain(|branch| *branch != leg_id);
        let worst = worse(call.refused, cause);
        call.refused = Some(worst);
        // 6xx speaks for the whole user (RFC 3261 §21.6)
        if call.branches.is_empty() || cause == EndCause::Declined {
            self.callee_failed(id, worst, now);
        } else if sip_call_id.is_some() && call.callee.sip_call_id == sip_call_id {
            self.tell_of_another_phone(id);
        }
    }

    /// The phone that the user was told of rings no more, but another one does.
    fn tell_of_another_phone(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let mut ringing = call.branches.iter().filter_map(|branch| self.legs.get(branch));
        call.callee.sip_call_id = ringing.find_map(|leg| leg.sip_call_id.clone());
        if call.callee.sip_call_id.is_some() {
            self.tell(id, Side::Callee, PhoneFactKind::Ringing);
        }
    }

    /// Ends a call for `cause`, and all its legs.
    pub(crate) fn end_call(&mut self, id: CallId, cause: EndCause, now: Instant) {
        let Some(call) = self.calls.get(&id) else { return };
        if call.phase == Phase::CallingBack && call.caller.told.is_none() {
            // who has dialled by command has seen nothing of it yet
            self.tell(id, Side::Caller, PhoneFactKind::Dialling);
        }
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
            self.drop_leg(leg, cause, now);
        }
        self.timers.cancel(&Timer::NoAnswer(id));
        self.timers.cancel(&Timer::Forward(id));
        self.timers.cancel(&Timer::ServiceOver(id));
        self.timers.cancel(&Timer::TooLong(id));
        let Some(call) = self.calls.remove(&id) else { return };
        self.leave_behind(&call);
        self.settle_tolls(&call.tolls);
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
        if !self.calls.values().any(|other| other.home == call.home) {
            self.facts.push_back(Fact::WorkerFree { home: call.home });
        }
    }

    /// Ends one leg's dialog, if it has not ended by itself, in the way its state asks for, and its media.
    pub(crate) fn drop_leg(&mut self, leg_id: LegId, cause: EndCause, now: Instant) {
        let Some(leg) = self.legs.get(&leg_id) else { return };
        if let Some(dialog) = leg.dialog {
            self.dialogs.remove(&dialog);
            match leg.state {
                state if state.is_unanswered() => self.refuse(dialog, cause, now),
                _ => self.ua.bye(dialog, Some(reason_of(cause)), now),
            }
        }
        self.forget_leg(leg_id);
    }

    pub(crate) fn refuse(&mut self, dialog: DialogId, cause: EndCause, now: Instant) {
        let mut headers = vec![("Reason".to_owned(), reason_of(cause).to_string())];
        if cause == EndCause::Overloaded {
            headers.push(("Retry-After".to_owned(), RETRY_AFTER.as_secs().to_string()));
        }
        self.ua.refuse_with(dialog, cause.sip_status(), None, headers, now);
    }

    fn forget_leg(&mut self, leg_id: LegId) {
        let Some(leg) = self.legs.remove(&leg_id) else { return };
        if let Some(dialog) = leg.dialog {
            self.dialogs.remove(&dialog);
        }
        self.timers.cancel(&Timer::Detached(leg_id));
        self.timers.cancel(&Timer::Orphaned(leg_id));
        self.timers.cancel(&Timer::NoSound(leg_id));
        self.leave_trunk(leg_id, &leg);
        self.order(leg.call, media::Order::Close { leg: media::LegId(leg_id.0) });
    }
}

/// Why a leg is being ended, as its peer reads it (RFC 3326).
fn reason_of(cause: EndCause) -> Reason {
    match cause {
        EndCause::AnsweredElsewhere => {
            Reason { protocol: "SIP".into(), cause: 200, text: Some("Call completed elsewhere".into()) }
        }
        _ => Reason { protocol: "Q.850".into(), cause: cause.q850().into(), text: None },
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
