use model::EndCause;
use softphone::{CallEnd, PhoneCall};
use timing::{Duration, Instant};

use crate::card::{CallCard, CardId, Direction, Waiting};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The two talked.
    Talked,
    /// Somebody called, and nobody took it.
    Missed,
    /// Whoever was called declined.
    Declined,
    /// Another phone of the user took it.
    AnsweredElsewhere,
    /// They were talking already.
    Busy,
    /// Nobody has this number.
    UnknownNumber,
    /// We called, and nobody took it.
    NotAnswered,
    /// It did not come about for another reason.
    Failed,
}

impl Outcome {
    /// Of a call of the softphone.
    pub(crate) fn of(call: &PhoneCall, end: CallEnd, direction: Direction) -> Outcome {
        match (end, direction) {
            _ if call.answered.is_some() => Outcome::Talked,
            (CallEnd::AnsweredElsewhere, _) => Outcome::AnsweredElsewhere,
            (CallEnd::HungUp, Direction::Incoming) => Outcome::Declined,
            (CallEnd::MediaFailed(_), _) => Outcome::Failed,
            (_, Direction::Incoming) => Outcome::Missed,
            (CallEnd::Refused(status), Direction::Outgoing) => match EndCause::from_sip_status(status) {
                EndCause::UnknownNumber => Outcome::UnknownNumber,
                EndCause::Busy => Outcome::Busy,
                EndCause::Declined => Outcome::Declined,
                EndCause::NoAnswer | EndCause::Cancelled | EndCause::Unavailable => Outcome::NotAnswered,
                _ => Outcome::Failed,
            },
            (CallEnd::HungUp | CallEnd::Cancelled, Direction::Outgoing) => Outcome::NotAnswered,
            (CallEnd::RemoteHungUp | CallEnd::NoResponse, Direction::Outgoing) => Outcome::Failed,
        }
    }

    /// Of a call that only the server has told of; it does not tell why a call is over.
    pub(crate) fn of_mirrored(card: &CallCard) -> Outcome {
        match (card.answered, card.direction) {
            (Some(_), _) => Outcome::Talked,
            (None, Direction::Incoming) if card.waiting == Some(Waiting::End) => Outcome::Declined,
            (None, Direction::Incoming) => Outcome::Missed,
            (None, Direction::Outgoing) => Outcome::NotAnswered,
        }
    }
}

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    /// The card that it had.
    pub id: CardId,
    /// The other side's name, fit to be shown; the number if there is no name.
    pub name: String,
    /// The other side's number; may be empty.
    pub number: String,
    /// Who called whom.
    pub direction: Direction,
    /// What became of it.
    pub outcome: Outcome,
    /// How long the two talked.
    pub talked: Option<Duration>,
    /// When it was over.
    pub ended: Instant,
}

impl PastCall {
    pub(crate) fn of(card: CallCard, outcome: Outcome, now: Instant) -> PastCall {
        let answered = card.answered.filter(|_| outcome == Outcome::Talked);
        PastCall {
            id: card.id,
            talked: answered.map(|answered| now.since(answered)),
            name: card.name,
            number: card.number,
            direction: card.direction,
            outcome,
            ended: now,
        }
    }

    /// What became of it, in a word or two.
    pub const fn word(&self) -> &'static str {
        match (self.outcome, self.direction) {
            (Outcome::Talked, Direction::Incoming) => "Incoming",
            (Outcome::Talked, Direction::Outgoing) => "Outgoing",
            (Outcome::Missed, _) => "Missed",
            (Outcome::Declined, _) => "Declined",
            (Outcome::AnsweredElsewhere, _) => "Answered elsewhere",
            (Outcome::Busy, _) => "Busy",
            (Outcome::UnknownNumber, _) => "Unknown number",
            (Outcome::NotAnswered, _) => "Not answered",
            (Outcome::Failed, _) => "Not connected",
        }
    }

    /// Whether somebody wanted to talk to the user and could not.
    pub fn missed(&self) -> bool {
        self.outcome == Outcome::Missed
    }
}

/// The list keeps this many.
const KEPT: usize = 20;

/// The calls of this page that are over, newest first.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    list: Vec<PastCall>,
}

impl Recent {
    pub fn add(&mut self, call: PastCall) {
        self.list.insert(0, call);
        self.list.truncate(KEPT);
    }

    pub fn list(&self) -> &[PastCall] {
        &self.list
    }

    pub fn clear(&mut self) {
        self.list.clear();
    }
}
