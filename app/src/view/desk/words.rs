//! How the desk's states look: their tones, their icons, and the sentences that need a name in them.

use desk::{CallCard, CardState, Connection, Control, DeskState, Direction, Level};

use crate::ui::{button::Blocked, icon::Glyph, tone::Tone};

/// A rule of the desk as a button takes it.
pub fn blocked(control: Control) -> Blocked {
    (!control.enabled()).then(|| control.reason())
}

/// The tone of one of the three connections.
pub const fn connection_tone(connection: &Connection) -> Tone {
    match connection {
        Connection::Off => Tone::Off,
        Connection::Connecting => Tone::Busy,
        Connection::Up => Tone::Good,
        Connection::Down { .. } | Connection::Blocked { .. } => Tone::Bad,
    }
}

/// The tone of a notice.
pub const fn notice_tone(level: Level) -> Tone {
    match level {
        Level::Info => Tone::Info,
        Level::Warning => Tone::Fair,
        Level::Error => Tone::Bad,
    }
}

/// The icon of what the agent is doing; each has a shape of its own.
pub const fn state_glyph(state: DeskState) -> Glyph {
    match state {
        DeskState::SignedOut => Glyph::Off,
        DeskState::Ready => Glyph::Ready,
        DeskState::Ringing => Glyph::Bell,
        DeskState::Dialling => Glyph::PhoneOut,
        DeskState::OnCall => Glyph::Phone,
        DeskState::OnHold => Glyph::Hold,
        DeskState::PhoneLost => Glyph::Plug,
    }
}

/// The icon of a call.
pub const fn card_glyph(state: CardState, direction: Direction) -> Glyph {
    match (state, direction) {
        (CardState::Ringing, _) => Glyph::Bell,
        (CardState::OnHold, _) => Glyph::Hold,
        (CardState::OnCall, _) => Glyph::Phone,
        (_, Direction::Incoming) => Glyph::PhoneIn,
        (_, Direction::Outgoing) => Glyph::PhoneOut,
    }
}

/// What the agent is doing, in one line: the page's heading.
pub fn heading(state: DeskState, calls: &[CallCard]) -> String {
    let with =
        |sought: fn(&CallCard) -> bool| calls.iter().find(|card| sought(card)).map(|card| card.name.as_str());
    let named = |words: &str, name: Option<&str>| match name {
        Some(name) => format!("{words} {name}"),
        None => state.word().to_owned(),
    };
    match state {
        DeskState::Ringing => named("Incoming call from", with(|card| card.state == CardState::Ringing)),
        DeskState::Dialling => named("Calling", with(|card| !card.state.is_answered())),
        DeskState::OnCall => named("On call with", with(|card| card.state == CardState::OnCall)),
        DeskState::OnHold => named("On hold with", with(|card| card.state == CardState::OnHold)),
        state => state.word().to_owned(),
    }
}

/// Whether the call still waits for an answer here.
pub fn rings_here(card: &CallCard) -> bool {
    card.state == CardState::Ringing && card.direction == Direction::Incoming
}
