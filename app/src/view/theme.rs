//! Light, dark, or as the system has it. `public/theme.js` reads the same key before the first paint.

use leptos::{prelude::*, web_sys::Storage};

use crate::ui::{
    block::{Block, IntoBlock},
    button::button,
    icon::Glyph,
    live::live,
};

const KEY: &str = "hotdesk.theme";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    fn chosen() -> Self {
        match storage().and_then(|kept| kept.get_item(KEY).ok().flatten()).as_deref() {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::System,
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    const fn slug(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::System => "Theme: as the system",
            Self::Light => "Theme: light",
            Self::Dark => "Theme: dark",
        }
    }

    const fn glyph(self) -> Glyph {
        match self {
            Self::System => Glyph::Theme,
            Self::Light => Glyph::Sun,
            Self::Dark => Glyph::Moon,
        }
    }

    fn choose(self) {
        if let Some(root) = document().document_element() {
            let _ = match self {
                Self::System => root.remove_attribute("data-theme"),
                chosen => root.set_attribute("data-theme", chosen.slug()),
            };
        }
        // A browser that keeps nothing shows the system's theme again next time.
        if let Some(kept) = storage() {
            let _ = match self {
                Self::System => kept.remove_item(KEY),
                chosen => kept.set_item(KEY, chosen.slug()),
            };
        }
    }
}

/// One button that goes round: system, light, dark.
pub fn theme_switch() -> Block {
    let theme = RwSignal::new(Theme::chosen());
    let turn = move || {
        theme.update(|theme| *theme = theme.next());
        theme.get_untracked().choose();
    };
    let switch = button("Theme", turn)
        .word(move || theme.get().word())
        .glyphs(move || theme.get().glyph())
        .hint("System, light or dark")
        .icon_only();
    view! { <span data-theme-choice=live(move || theme.get().slug())>{switch.show()}</span> }.block()
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}
