use timing::{Duration, Instant};

use super::Desk;
use crate::command::Order;
use crate::link::SessionCheck;
use crate::notice::Level;
use crate::session::{Session, SignInProblem, Tab, UserCard};

/// A token without a stated life is renewed after half of this.
const DEFAULT_TTL_SECONDS: u64 = 3600;

/// The session.
impl Desk {
    pub(super) fn is_signed_in(&self) -> bool {
        matches!(self.session, Session::SignedIn { .. })
    }

    pub(super) fn sign_in(&mut self, login: String, now: Instant) {
        self.sign_in_until = None;
        self.notices.clear();
        self.user = Some(UserCard { login: login.clone(), full_name: login.clone(), is_agent: false });
        self.session = Session::SignedIn { login: login.clone() };
        self.tab = Tab::Asking;
        self.orders.push_back(Order::ClaimPhone { login, steal: false });
        self.note_state(now);
    }

    pub(super) fn sign_in_failed(&mut self, problem: SignInProblem) {
        self.sign_in_until = None;
        if self.session == Session::SigningIn {
            self.session = Session::SignedOut { problem: Some(problem) };
        }
    }

    pub(super) fn sign_out(&mut self, problem: Option<SignInProblem>) {
        self.orders.push_back(Order::Phone(softphone::Command::Stop));
        self.orders.push_back(Order::ReleasePhone);
        self.link.stop(&mut self.orders);
        self.orders.push_back(Order::ForgetSession);
        self.session = Session::SignedOut { problem };
        (self.user, self.line, self.account, self.renew_at) = (None, None, None, None);
        self.tab = Tab::Asking;
        (self.no_line, self.calls_listed) = (false, false);
        self.phone_lost = None;
        self.calls.clear();
    }

    pub(super) fn session_checked(&mut self, check: SessionCheck, now: Instant) {
        if !self.is_signed_in() {
            return;
        }
        match check {
            SessionCheck::Valid { ttl } => self.renew_after(ttl, now),
            SessionCheck::Expired => return self.sign_out(Some(SignInProblem::SessionExpired)),
            SessionCheck::Unreachable if self.renew_at.is_none() => {
                self.renew_at = Some(now + Duration::from_secs(60));
            }
            SessionCheck::Unreachable => {}
        }
        self.link.checked(check, &mut self.orders, now);
    }

    pub(super) fn renew_after(&mut self, ttl: Option<u64>, now: Instant) {
        self.renew_at = Some(now + Duration::from_secs(ttl.unwrap_or(DEFAULT_TTL_SECONDS).max(20) / 2));
    }

    pub(super) fn tab_changed(&mut self, tab: Tab, now: Instant) {
        let had_it = self.tab == Tab::Owner;
        self.tab = tab;
        match tab {
            Tab::Owner => self.start_phone(),
            Tab::Asking | Tab::Other if had_it => {
                self.orders.push_back(Order::Phone(softphone::Command::Stop));
                self.notices.say(Level::Info, "The phone is now in another tab.", now);
            }
            Tab::Asking | Tab::Other => {}
        }
    }

    pub(super) fn start_phone(&mut self) {
        if let Some(account) = self.account.clone().filter(|_| self.tab == Tab::Owner) {
            self.orders.push_back(Order::Phone(softphone::Command::Start(account)));
        }
    }
}
