//! Calls that go on to another number: forwards, 3xx from a phone (RFC 3261 §21.3), and back to who transferred.

use model::{CallId, EndCause, PhoneNumber, UserServices};
use timing::Instant;

use crate::call::{Party, Phase, Side};
use crate::directory::Destination;
use crate::fact::{CallDirection, PhoneFactKind};
use crate::outward::Led;
use crate::switch::{Switch, Timer};
use crate::trunk::{MOST_REDIRECTS, numbers_of};

/// A call is sent on no more often than that: beyond it somebody forwards to somebody who forwards back.
const MOST_DIVERSIONS: u8 = 5;

impl Switch {
    /// What the user of a line has chosen.
    pub(crate) fn services_of(&self, account: &str) -> UserServices {
        let user = self.directory.line(account).map(|line| line.user);
        user.and_then(|user| self.services.get(&user)).cloned().unwrap_or_default()
    }

    /// Nobody takes a call whose caller is still there: it goes on where its user wants it to, or back to who has
    /// transferred it, or it ends.
    pub(crate) fn callee_failed(&mut self, id: CallId, cause: EndCause, now: Instant) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        // what was answered already is forwarded no more
        let rang = std::mem::replace(&mut call.phase, Phase::Ringing) == Phase::Ringing;
        if let Destination::Line(account) = &call.destination
            && rang
        {
            let account = account.clone();
            let services = self.services_of(&account);
            let chosen = match cause {
                EndCause::Busy | EndCause::Declined => services.busy,
                _ => services.no_answer,
            };
            if let Some(target) = chosen.target()
                && self.divert(id, target, cause, now)
            {
                return;
            }
        }
        if !self.ring_back(id, cause, now) {
            self.end_call(id, cause, now);
        }
    }

    /// A call has rung for so long that it goes where its user wants it to; if that leads nowhere it rings on.
    pub(crate) fn forward_unanswered(&mut self, id: CallId, now: Instant) {
        let Some(call) = self.calls.get(&id).filter(|call| call.phase == Phase::Ringing) else { return };
        let Destination::Line(account) = &call.destination else { return };
        if let Some(target) = self.services_of(account).no_answer.target() {
            self.divert(id, target, EndCause::NoAnswer, now);
        }
    }

    /// Sends a call on to a number, in the name of whom it was for; `false` if that leads nowhere.
    pub(crate) fn divert(&mut self, id: CallId, number: &PhoneNumber, cause: EndCause, now: Instant) -> bool {
        let Some(call) = self.calls.get(&id) else { return false };
        if call.diverted >= MOST_DIVERSIONS {
            return false;
        }
        let origin = self.origin_of(id, call.callee.account.as_ref().or(call.payer.as_ref()));
        let Some(Led { destination, outward }) =
            origin.and_then(|origin| self.lead_on(number, origin, now).ok())
        else {
            return false;
        };
        let Some(call) = self.calls.get(&id) else { return false };
        let linked_id = call.linked_id.clone();
        let channel = self.new_channel_id(now);
        let callee = self.callee(&destination, number, linked_id, channel);
        let forwarder = self.leave_callee(id, cause, now);
        let Some(call) = self.calls.get_mut(&id) else { return false };
        call.diverted += 1;
        call.is_other = true;
        call.callee = callee;
        call.destination = destination;
        call.refused = None;
        if let Some(forwarder) = forwarder {
            call.payer = Some(forwarder);
        }
        self.set_outward(id, outward, now);
        if let Some(dialog) = self.waiting_caller(id) {
            self.ua.progress(dialog, 181, None, now);
        }
        self.place(id, now);
        true
    }

    /// Nobody took a transferred caller: whoever transferred him gets him back.
    fn ring_back(&mut self, id: CallId, cause: EndCause, now: Instant) -> bool {
        let Some(call) = self.calls.get_mut(&id) else { return false };
        let Some(account) = call.recall.take() else { return false };
        let Some(line) = self.directory.line(&account).cloned() else { return false };
        let linked_id = call.linked_id.clone();
        let channel = self.new_channel_id(now);
        self.leave_callee(id, cause, now);
        let Some(call) = self.calls.get_mut(&id) else { return false };
        call.callee = Party::of_line(&line, linked_id, channel, CallDirection::Incoming);
        call.destination = Destination::Line(account);
        call.refused = None;
        call.is_other = true;
        // it is no call to the outside any more
        self.set_outward(id, None, now);
        self.place(id, now);
        true
    }

    /// Ends all that rings for the callee; gives his account.
    pub(crate) fn leave_callee(&mut self, id: CallId, cause: EndCause, now: Instant) -> Option<String> {
        self.timers.cancel(&Timer::Forward(id));
        let call = self.calls.get_mut(&id)?;
        let branches = std::mem::take(&mut call.branches);
        let (told, account) = (call.callee.told, call.callee.account.clone());
        if told.is_some() {
            self.tell(id, Side::Callee, PhoneFactKind::Released(cause));
        }
        for branch in branches {
            self.drop_leg(branch, cause, now);
        }
        if let Some(account) = &account {
            self.touch(account);
        }
        account
    }

    /// A phone or a trunk sends its caller elsewhere. Its word counts as much as its user's own dialling, a trunk's as
    /// much as the caller's, and no more.
    pub(crate) fn redirected(&mut self, leg: model::LegId, contacts: &[String], now: Instant) -> bool {
        let Some(call) = self.legs.get(&leg).and_then(|leg| self.calls.get(&leg.call)) else { return false };
        let (id, one_branch) = (call.id, call.branches == [leg] && call.phase == Phase::Ringing);
        if call.redirects >= MOST_REDIRECTS {
            return false;
        }
        if let Some(call) = self.calls.get_mut(&id) {
            call.redirects += 1;
        }
        match numbers_of(contacts).into_iter().next() {
            // of several phones one does not speak for the others
            Some(number) if one_branch => self.divert(id, &number, EndCause::Declined, now),
            _ => false,
        }
    }
}
