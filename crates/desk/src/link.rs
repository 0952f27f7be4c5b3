use std::collections::VecDeque;

use cti::session::{PING_INTERVAL, UNANSWERED_PINGS};
use softphone::Backoff;
use timing::{Deadline, Duration, Instant};

use crate::command::Order;
use crate::connection::Connection;

/// A socket that is not open by then, or a session that the server has not confirmed, never will be.
const OPENING_LIMIT: Duration = Duration::from_secs(15);
/// A question by HTTP that is not answered by then never will be.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// What the server says about a kept session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCheck {
    /// It holds, and its token was renewed for so many seconds.
    Valid {
        /// Seconds from now.
        ttl: Option<u64>,
    },
    /// It no longer holds.
    Expired,
    /// The server could not be asked.
    Unreachable,
}

/// The life of the CTI socket: session check, opening, heartbeat, and coming back after a loss.
///
/// | from | start | check valid | unreachable | opened | logged on | closed, silent | due |
/// |---|---|---|---|---|---|---|---|
/// | Off | Checking | – | – | – | – | – | – |
/// | Checking | – | Opening | Waiting | – | – | – | Waiting |
/// | Opening | – | – | – | Opening | Open | Waiting | Waiting |
/// | Open | – | – | – | – | – | Waiting | ping, or Waiting |
/// | Waiting | – | – | – | – | – | – | Checking |
#[derive(Debug)]
pub(crate) struct Link {
    state: State,
    backoff: Backoff,
    /// It was broken, and is not whole yet: an attempt under way changes nothing for the person.
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Checking { give_up_at: Instant },
    Opening { give_up_at: Instant },
    Open { next_ping: Instant, unanswered: u32 },
    Waiting { retry_at: Instant },
}

impl Link {
    pub fn new(seed: [u8; 32]) -> Self {
        Link { state: State::Off, backoff: Backoff::new(seed), lost: false }
    }

    /// Begins with a fresh token, straight after a login.
    pub fn open(&mut self, orders: &mut VecDeque<Order>, now: Instant) {
        self.state = State::Opening { give_up_at: now + OPENING_LIMIT };
        orders.push_back(Order::OpenEvents);
    }

    /// Begins by asking whether the kept session still holds, which renews its token too.
    pub fn check(&mut self, orders: &mut VecDeque<Order>, now: Instant) {
        self.state = State::Checking { give_up_at: now + ANSWER_LIMIT };
        orders.push_back(Order::CheckSession);
    }

    pub fn checked(&mut self, check: SessionCheck, orders: &mut VecDeque<Order>, now: Instant) {
        if !matches!(self.state, State::Checking { .. }) {
            return;
        }
        match check {
            SessionCheck::Valid { .. } => self.open(orders, now),
            SessionCheck::Unreachable => self.wait(now),
            SessionCheck::Expired => self.state = State::Off,
        }
    }

    pub fn stop(&mut self, orders: &mut VecDeque<Order>) {
        self.lost = false;
        if self.state != State::Off {
            self.state = State::Off;
            orders.push_back(Order::CloseEvents);
        }
    }

    /// The server has confirmed the session.
    pub fn logged_on(&mut self, now: Instant) {
        if matches!(self.state, State::Opening { .. }) {
            self.backoff.reset();
            self.lost = false;
            self.state = State::Open { next_ping: now + PING_INTERVAL, unanswered: 0 };
        }
    }

    /// Any frame proves that the server lives.
    pub fn heard(&mut self) {
        if let State::Open { unanswered, .. } = &mut self.state {
            *unanswered = 0;
        }
    }

    pub fn closed(&mut self, now: Instant) {
        if matches!(self.state, State::Opening { .. } | State::Open { .. }) {
            self.wait(now);
        }
    }

    /// Does not wait any longer, because the network or the person says so.
    /// What is under way may hang on a path that is gone, so it begins anew.
    pub fn hurry(&mut self, orders: &mut VecDeque<Order>, now: Instant) {
        match self.state {
            State::Off | State::Open { .. } => return,
            State::Opening { .. } => orders.push_back(Order::CloseEvents),
            State::Waiting { .. } | State::Checking { .. } => {}
        }
        self.backoff.reset();
        self.check(orders, now);
    }

    pub fn handle_timeout(&mut self, orders: &mut VecDeque<Order>, now: Instant) {
        match self.state {
            State::Checking { give_up_at } if give_up_at <= now => self.wait(now),
            State::Opening { give_up_at } if give_up_at <= now => self.give_up(orders, now),
            State::Open { next_ping, unanswered } if next_ping <= now => {
                if unanswered >= UNANSWERED_PINGS {
                    return self.give_up(orders, now);
                }
                self.state = State::Open { next_ping: now + PING_INTERVAL, unanswered: unanswered + 1 };
                orders.push_back(Order::Cti(cti::Command::Ping));
            }
            State::Waiting { retry_at } if retry_at <= now => self.check(orders, now),
            _ => {}
        }
    }

    pub fn poll_timeout(&self) -> Option<Deadline> {
        match self.state {
            State::Checking { give_up_at } => Some(Deadline::new(give_up_at, "the session check hangs")),
            State::Opening { give_up_at } => Some(Deadline::new(give_up_at, "the CTI socket does not open")),
            State::Open { next_ping, .. } => Some(Deadline::new(next_ping, "CTI heartbeat")),
            State::Waiting { retry_at } => Some(Deadline::new(retry_at, "open the CTI socket again")),
            State::Off => None,
        }
    }

    pub fn connection(&self) -> Connection {
        let retry_at = match self.state {
            State::Off => return Connection::Off,
            State::Open { .. } => return Connection::Up,
            State::Checking { .. } | State::Opening { .. } if !self.lost => return Connection::Connecting,
            State::Checking { .. } | State::Opening { .. } => None,
            State::Waiting { retry_at } => Some(retry_at),
        };
        Connection::Down { retry_at, reason: "The server does not answer." }
    }

    fn give_up(&mut self, orders: &mut VecDeque<Order>, now: Instant) {
        orders.push_back(Order::CloseEvents);
        self.wait(now);
    }

    fn wait(&mut self, now: Instant) {
        self.lost = true;
        self.state = State::Waiting { retry_at: now + self.backoff.next_delay() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (Link, VecDeque<Order>) {
        let (mut link, mut orders) = (Link::new([1; 32]), VecDeque::new());
        link.open(&mut orders, Instant::ORIGIN);
        link.logged_on(Instant::ORIGIN);
        orders.clear();
        (link, orders)
    }

    /// Wakes the link whenever it asks for it, until it has lost its socket.
    fn run_until_lost(link: &mut Link, orders: &mut VecDeque<Order>) -> Instant {
        loop {
            let at = link.poll_timeout().expect("it has something to wait for").at;
            link.handle_timeout(orders, at);
            if orders.back() == Some(&Order::CloseEvents) {
                return at;
            }
        }
    }

    #[test]
    fn three_unanswered_pings_are_noticed_at_the_fourth_tick() {
        let (mut link, mut orders) = open();
        let lost = run_until_lost(&mut link, &mut orders);
        assert_eq!(lost, Instant::ORIGIN + Duration::from_secs(20));
        assert_eq!(orders.iter().filter(|order| **order == Order::Cti(cti::Command::Ping)).count(), 3);
        assert_eq!(link.connection().slug(), "down");
    }

    #[test]
    fn any_frame_keeps_the_link_alive() {
        let (mut link, mut orders) = open();
        for tick in 1..100 {
            link.handle_timeout(&mut orders, Instant::ORIGIN + PING_INTERVAL * tick);
            link.heard();
        }
        assert!(link.connection().is_up());
    }

    #[test]
    fn a_lost_link_asks_for_its_session_before_it_opens_again() {
        let (mut link, mut orders) = open();
        link.closed(Instant::ORIGIN);
        let due = link.poll_timeout().expect("a retry").at;
        assert!(due <= Instant::ORIGIN + Duration::from_millis(500));
        link.handle_timeout(&mut orders, due);
        assert_eq!(orders.pop_front(), Some(Order::CheckSession));
        link.checked(SessionCheck::Unreachable, &mut orders, due);
        assert_eq!(orders.pop_front(), None);
        link.hurry(&mut orders, due);
        assert_eq!(orders.pop_front(), Some(Order::CheckSession));
        link.checked(SessionCheck::Valid { ttl: None }, &mut orders, due);
        assert_eq!(orders.pop_front(), Some(Order::OpenEvents));
    }

    #[test]
    fn an_unconfirmed_session_is_given_up() {
        let (mut link, mut orders) = (Link::new([1; 32]), VecDeque::new());
        link.open(&mut orders, Instant::ORIGIN);
        assert_eq!(run_until_lost(&mut link, &mut orders), Instant::ORIGIN + OPENING_LIMIT);
    }

    #[test]
    fn an_expired_session_is_not_tried_again() {
        let (mut link, mut orders) = (Link::new([1; 32]), VecDeque::new());
        link.check(&mut orders, Instant::ORIGIN);
        link.checked(SessionCheck::Expired, &mut orders, Instant::ORIGIN);
        assert_eq!(link.connection(), Connection::Off);
        assert_eq!(link.poll_timeout(), None);
    }

    #[test]
    fn a_lost_link_is_down_until_the_session_is_confirmed() {
        let (mut link, mut orders) = open();
        link.closed(Instant::ORIGIN);
        let down = |link: &Link, retry_at| {
            assert_eq!(
                link.connection(),
                Connection::Down { retry_at, reason: "The server does not answer." }
            );
        };
        let due = link.poll_timeout().expect("a retry").at;
        down(&link, Some(due));
        link.handle_timeout(&mut orders, due);
        down(&link, None);
        link.checked(SessionCheck::Valid { ttl: None }, &mut orders, due);
        down(&link, None);
        link.logged_on(due);
        assert!(link.connection().is_up());
    }

    #[test]
    fn a_question_that_hangs_is_given_up_and_asked_anew_when_hurried() {
        let (mut link, mut orders) = (Link::new([1; 32]), VecDeque::new());
        link.check(&mut orders, Instant::ORIGIN);
        orders.clear();
        let later = Instant::ORIGIN + Duration::from_secs(3);
        link.hurry(&mut orders, later);
        assert_eq!(orders.pop_front(), Some(Order::CheckSession));
        let due = link.poll_timeout().expect("a deadline").at;
        assert_eq!(due, later + ANSWER_LIMIT);
        link.handle_timeout(&mut orders, due);
        assert_eq!(link.connection().slug(), "down");
        let retry = link.poll_timeout().expect("a retry").at;
        link.handle_timeout(&mut orders, retry);
        assert_eq!(orders.pop_front(), Some(Order::CheckSession));
    }
}
