//! How the desk's states look: their tones and their icons.

use desk::{CardState, Connection, Control, DeskState, Direction, Level};

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
        Connection::Elsewhere { .. } => Tone::Info,
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
        DeskState::SignedOut | DeskState::NoLine => Glyph::Off,
        DeskState::Connecting => Glyph::Busy,
        DeskState::Ready => Glyph::Ready,
        DeskState::Ringing => Glyph::Bell,
        DeskState::Dialling => Glyph::PhoneOut,
        DeskState::OnCall | DeskState::DeskPhone => Glyph::Phone,
        DeskState::OnHold => Glyph::Hold,
        DeskState::PhoneLost | DeskState::ServerLost => Glyph::Plug,
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
