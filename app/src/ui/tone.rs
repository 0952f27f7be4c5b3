//! How well something is: one attribute for the colour, one icon shape of its own.

use super::icon::Glyph;

/// From worst to unknown. A view shows it as `data-tone`, an icon and a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    Good,
    Fair,
    Busy,
    Bad,
    Off,
    Info,
}

impl Tone {
    /// The value of the `data-tone` attribute.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Busy => "busy",
            Self::Bad => "bad",
            Self::Off => "off",
            Self::Info => "info",
        }
    }

    /// The icon that says the same without colour.
    pub const fn glyph(self) -> Glyph {
        match self {
            Self::Good => Glyph::Good,
            Self::Fair => Glyph::Fair,
            Self::Busy => Glyph::Busy,
            Self::Bad => Glyph::Bad,
            Self::Off => Glyph::Off,
            Self::Info => Glyph::Info,
        }
    }
}
