use softphone::{MediaState, PhoneCallId};
use timing::{Duration, Instant};

use crate::control::Controls;
use crate::notice::Level;
use crate::session::DeskState;

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

/// How the microphone of a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Nothing is known to be wrong with it.
    Open,
    /// The browser was asked for it, and may be asking the person.
    Asked {
        /// Since when.
        since: Instant,
    },
    /// It was taken away, and the call goes on.
    Lost,
    /// It is there, and gives nothing.
    Silent,
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
    /// The microphone of this call.
    pub voice: Voice,
    /// The keys sent, all but the last four hidden.
    pub keys: String,
    /// What can be clicked.
    pub controls: Controls,
}

/// A browser that has the person's leave opens the microphone sooner than this.
const ASKING_AFTER: Duration = Duration::from_secs(1);
/// A path that is there sooner than this is not worth a word.
const CONNECTING_AFTER: Duration = Duration::from_secs(2);

impl CallCard {
    /// Whether the sound of this call is in this tab.
    pub fn is_here(&self) -> bool {
        self.phone.is_some()
    }

    /// Whether the two talk, in whatever tab.
    pub fn is_live(&self) -> bool {
        self.state == CardState::OnCall
    }

    /// Whether it has the sound of this tab: what is on hold is not heard.
    pub fn has_sound(&self) -> bool {
        self.is_here() && self.is_live()
    }

    /// Whether it waits for our answer.
    pub fn rings(&self) -> bool {
        self.state == CardState::Ringing && self.direction == Direction::Incoming
    }

    /// Whether the call is on hold, or will be.
    pub fn is_held(&self) -> bool {
        match self.waiting {
            Some(Waiting::Hold) => true,
            Some(Waiting::Resume) => false,
            _ => self.state == CardState::OnHold,
        }
    }

    /// What one has to know about this call and cannot hear, the worst first.
    pub fn note(&self, now: Instant) -> Option<(Level, &'static str)> {
        if !self.is_here() {
            return Some((Level::Info, "The sound of this call is in another tab or on another phone."));
        }
        match self.voice {
            Voice::Lost => return Some((Level::Error, "They cannot hear you – plug a microphone in.")),
            Voice::Silent => {
                return Some((
                    Level::Error,
                    "They cannot hear you – the microphone gives no sound. Check its switch.",
                ));
            }
            Voice::Asked { since } if now.since(since) >= ASKING_AFTER => {
                return Some((Level::Warning, "Allow the microphone in the browser's question."));
            }
            Voice::Asked { .. } | Voice::Open => {}
        }
        let answered = self.state.is_answered();
        match self.sound {
            Some(MediaState::Lost) if answered => {
                Some((Level::Warning, "The sound is interrupted – repairing."))
            }
            Some(MediaState::Connecting) if answered && now.since(self.since) >= CONNECTING_AFTER => {
                Some((Level::Info, "Connecting the sound…"))
            }
            _ if self.muted && answered => {
                Some((Level::Warning, "You are muted: the other side cannot hear you."))
            }
            _ if self.remote_held => Some((Level::Info, "The other side has put you on hold.")),
            _ => None,
        }
    }
}

/// The first call that waits for our answer.
pub fn ringing(calls: &[CallCard]) -> Option<&CallCard> {
    calls.iter().find(|card| card.rings())
}

/// The call that a key means: the one we talk in, else the first that does not ring.
pub fn in_hand(calls: &[CallCard]) -> Option<&CallCard> {
    calls.iter().find(|card| card.is_live()).or_else(|| calls.iter().find(|card| !card.rings()))
}

/// What the user is doing, in one line.
pub fn heading(state: DeskState, calls: &[CallCard]) -> String {
    let (words, with): (_, fn(&CallCard) -> bool) = match state {
        DeskState::Ringing => ("Incoming call from ", |card| card.state == CardState::Ringing),
        DeskState::Dialling => ("Calling ", |card| !card.state.is_answered()),
        DeskState::OnCall => ("On call with ", CallCard::is_live),
        DeskState::OnHold => ("On hold with ", |card| card.state == CardState::OnHold),
        _ => return state.word().to_owned(),
    };
    match calls.iter().find(|card| with(card)) {
        Some(card) => [words, &card.name].concat(),
        None => state.word().to_owned(),
    }
}
