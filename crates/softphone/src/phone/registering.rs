use sip::FlowId;
use timing::{Duration, Instant};

use super::Softphone;
use crate::call::CallEnd;
use crate::link::{Link, Registration, RegistrationProblem};
use crate::{Fact, LineAccount, Order};

/// A socket that is not open by then never will be.
const OPENING_LIMIT: Duration = Duration::from_secs(10);

/// The registration and its socket.
impl Softphone {
    pub(super) fn start(&mut self, account: LineAccount, now: Instant) {
        if self.account.as_ref() == Some(&account) {
            return;
        }
        if self.account.is_some() {
            self.stop(now);
        }
        self.account = Some(account);
        self.backoff.reset();
        self.open_socket(now);
    }

    pub(super) fn stop(&mut self, now: Instant) {
        for id in self.ids() {
            self.end(id, CallEnd::HungUp, now);
        }
        self.say_farewells(now);
        if let Some(registration) = self.registration.take() {
            self.agent.unregister(registration, now);
        }
        if self.account.take().is_some() && matches!(self.link, Link::Open { .. } | Link::Opening { .. }) {
            self.orders.push_back(Order::CloseSocket);
        }
        self.closing = self.flow();
        self.registered = false;
        self.link = Link::Closed;
        self.show_registration();
    }

    pub(super) fn open_socket(&mut self, now: Instant) {
        self.link = Link::Opening { give_up_at: now + OPENING_LIMIT };
        self.orders.push_back(Order::OpenSocket);
        self.show_registration();
    }

    pub(super) fn leave_flow(&mut self, now: Instant) {
        if let Some(flow) = self.flow() {
            self.agent.close_flow(flow, now);
        }
        self.registered = false;
        self.registration = None;
        for id in self.ids() {
            let Some(call) = self.calls.get(&id).filter(|call| !call.outlives_its_socket()) else { continue };
            if let Some(dialog) = call.dialog {
                // an answer that is on its way all the same finds nobody, and is ended
                self.agent.bye(dialog, None, now);
            }
            self.forget(id, CallEnd::NoResponse);
        }
    }

    pub(super) fn retry_later(&mut self, problem: RegistrationProblem, now: Instant) {
        self.link = Link::Waiting { retry_at: now + self.backoff.next_delay(), problem };
        self.show_registration();
    }

    pub(super) fn registered(&mut self, now: Instant) {
        let first = !self.registered;
        self.registered = true;
        self.backoff.reset();
        self.show_registration();
        if !first {
            return;
        }
        self.say_farewells(now);
        for id in self.ids() {
            // A request of ours tells the other side where the dialog lives now, and us whether it still does.
            self.refresh(id, false);
            let call = self.calls.get(&id).filter(|call| !call.is_answered());
            if let Some(dialog) = call.and_then(|call| call.dialog) {
                self.agent.probe(dialog, now);
            }
        }
    }

    fn say_farewells(&mut self, now: Instant) {
        for dialog in std::mem::take(&mut self.farewells) {
            self.agent.bye(dialog, None, now);
        }
    }

    pub(super) fn registration_failed(&mut self, status: Option<u16>, now: Instant) {
        if self.account.is_none() {
            return;
        }
        self.leave_flow(now);
        self.orders.push_back(Order::CloseSocket);
        self.retry_later(status.map_or(RegistrationProblem::NoAnswer, RegistrationProblem::Refused), now);
    }

    pub(super) fn show_registration(&mut self) {
        let registration = match self.link {
            _ if self.account.is_none() => Registration::Off,
            Link::Waiting { retry_at, problem } => Registration::Waiting { retry_at, problem },
            Link::Open { .. } if self.registered => Registration::Registered,
            Link::Closed | Link::Opening { .. } | Link::Open { .. } => Registration::Connecting,
        };
        if registration != self.shown {
            self.shown = registration;
            self.facts.push_back(Fact::RegistrationChanged(registration));
        }
    }

    pub(super) fn flow(&self) -> Option<FlowId> {
        if let Link::Open { flow } = self.link { Some(flow) } else { None }
    }
}
