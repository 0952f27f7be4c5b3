use softphone::{MediaState, PhoneCallId};
use timing::Instant;

use crate::Controls;

/// One call card; the same for as long as the call lives, and never used twice in one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardId(pub u64);

/// Who called whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// They called us.
    Incoming,
    /// We called them.
    Outgoing,
}

impl Direction {
    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            Direction::Incoming => "incoming",
            Direction::Outgoing => "outgoing",
        }
    }
}

/// Where the call of a card stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardState {
    /// It rings here.
    Ringing,
    /// It is being made.
    Dialling,
    /// It rings there.
    Alerting,
    /// It was answered here and is being connected.
    Connecting,
    /// Both can talk.
    OnCall,
    /// We put it on hold.
    OnHold,
}

impl CardState {
    /// The word on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            CardState::Ringing => "Incoming call",
            CardState::Dialling | CardState::Alerting => "Calling…",
            CardState::Connecting => "Connecting…",
            CardState::OnCall => "On call",
            CardState::OnHold => "On hold",
        }
    }

    /// The name for styles and tests.
    pub const fn slug(self) -> &'static str {
        match self {
            CardState::Ringing => "ringing",
            CardState::Dialling => "dialling",
            CardState::Alerting => "alerting",
            CardState::Connecting => "connecting",
            CardState::OnCall => "on-call",
            CardState::OnHold => "on-hold",
        }
    }

    /// Whether the two sides have met.
    pub const fn is_answered(self) -> bool {
        matches!(self, CardState::OnCall | CardState::OnHold)
    }
}

/// What was clicked and is not settled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The answer.
    Answer,
    /// The hold.
    Hold,
    /// The resume.
    Resume,
    /// The end; a mirror waits for the tab or phone that has the call.
    End,
}

/// One call as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallCard {
    /// Which one.
    pub id: CardId,
    /// The softphone's call, if its sound is in this tab. Audio elements carry this number as `data-call`.
    pub phone: Option<PhoneCallId>,
    /// The other side's number; may be empty.
    pub number: String,
    /// The other side's name, fit to be shown; the number if there is no name.
    pub name: String,
    /// The queue that the call came through.
    pub queue: Option<String>,
    /// Who called whom.
    pub direction: Direction,
    /// Where it stands.
    pub state: CardState,
    /// When that state began.
    pub since: Instant,
    /// When the call began.
    pub started: Instant,
    /// When it was answered.
    pub answered: Option<Instant>,
    /// Whether the other side cannot hear us because we said so.
    pub muted: bool,
    /// Whether the other side has put us on hold.
    pub remote_held: bool,
    /// What was clicked and is not settled yet.
    pub waiting: Option<Waiting>,
    /// The sound's path; none if the sound is elsewhere.
    pub sound: Option<MediaState>,
    /// The keys sent, all but the last four hidden.
    pub keys: String,
    /// What can be clicked.
    pub controls: Controls,
}

impl CallCard {
    /// Whether the sound of this call is in this tab.
    pub fn is_here(&self) -> bool {
        self.phone.is_some()
    }

    /// Whether the call is on hold, or will be.
    pub fn is_held(&self) -> bool {
        match self.waiting {
            Some(Waiting::Hold) => true,
            Some(Waiting::Resume) => false,
            _ => self.state == CardState::OnHold,
        }
    }
}
