//! The calls of this page that are over, newest first: what vanishes from the running calls is kept here.

use desk::{CallCard, CardId, Direction};
use timing::{Duration, Instant};

/// The list keeps this many.
const KEPT: usize = 20;

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    pub id: CardId,
    pub name: String,
    pub number: String,
    pub direction: Direction,
    /// How long the two talked; `None` if they never did.
    pub talked: Option<Duration>,
    pub ended: Instant,
}

impl PastCall {
    /// What became of it, in a word or two.
    pub const fn word(&self) -> &'static str {
        match (self.direction, self.talked) {
            (Direction::Incoming, None) => "Missed",
            (Direction::Outgoing, None) => "Not answered",
            (Direction::Incoming, Some(_)) => "Incoming",
            (Direction::Outgoing, Some(_)) => "Outgoing",
        }
    }

    /// Somebody wanted to talk to the agent and could not.
    pub fn missed(&self) -> bool {
        self.direction == Direction::Incoming && self.talked.is_none()
    }
}

/// Compares the running calls of one moment with those of the next.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    running: Vec<CallCard>,
    past: Vec<PastCall>,
}

impl Recent {
    /// Takes the calls that run now; those that ran before and do not any more are over.
    pub fn take(&mut self, calls: &[CallCard], now: Instant) {
        for card in &self.running {
            if calls.iter().all(|running| running.id != card.id) {
                self.past.insert(0, over(card, now));
            }
        }
        self.past.truncate(KEPT);
        self.running = calls.to_vec();
    }

    /// The one that had this number.
    pub fn find(&self, id: u64) -> Option<&PastCall> {
        self.past.iter().find(|call| call.id.0 == id)
    }

    pub fn list(&self) -> &[PastCall] {
        &self.past
    }
}

fn over(card: &CallCard, now: Instant) -> PastCall {
    PastCall {
        id: card.id,
        name: card.name.clone(),
        number: card.number.clone(),
        direction: card.direction,
        talked: card.answered.map(|answered| now.since(answered)),
        ended: now,
    }
}
