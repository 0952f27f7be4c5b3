//! Icons: one sprite per page and small references into it. All are drawn for Hotdesk on a 24-unit grid.

use leptos::prelude::*;

use super::block::{Block, IntoBlock};
use super::live::live;

/// What an icon shows. The name in [`Glyph::address`] is the symbol's in `icons/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Glyph {
    Phone,
    PhoneIn,
    PhoneOut,
    End,
    Mic,
    MicOff,
    Hold,
    Resume,
    Keypad,
    Bell,
    Good,
    Fair,
    Bad,
    Busy,
    Off,
    Ready,
    Info,
    Plug,
    Theme,
    Sun,
    Moon,
    Leave,
    Keyboard,
    Wave,
    Code,
    Desk,
    Eye,
    EyeOff,
    Close,
    Sound,
    SoundOff,
    Again,
    Copy,
    Erase,
    Down,
}

impl Glyph {
    const fn address(self) -> &'static str {
        match self {
            Self::Phone => "#i-phone",
            Self::PhoneIn => "#i-phone-in",
            Self::PhoneOut => "#i-phone-out",
            Self::End => "#i-end",
            Self::Mic => "#i-mic",
            Self::MicOff => "#i-mic-off",
            Self::Hold => "#i-hold",
            Self::Resume => "#i-resume",
            Self::Keypad => "#i-keypad",
            Self::Bell => "#i-bell",
            Self::Good => "#i-good",
            Self::Fair => "#i-fair",
            Self::Bad => "#i-bad",
            Self::Busy => "#i-busy",
            Self::Off => "#i-off",
            Self::Ready => "#i-ready",
            Self::Info => "#i-info",
            Self::Plug => "#i-plug",
            Self::Theme => "#i-theme",
            Self::Sun => "#i-sun",
            Self::Moon => "#i-moon",
            Self::Leave => "#i-leave",
            Self::Keyboard => "#i-keyboard",
            Self::Wave => "#i-wave",
            Self::Code => "#i-code",
            Self::Desk => "#i-desk",
            Self::Eye => "#i-eye",
            Self::EyeOff => "#i-eye-off",
            Self::Close => "#i-close",
            Self::Sound => "#i-sound",
            Self::SoundOff => "#i-sound-off",
            Self::Again => "#i-again",
            Self::Copy => "#i-copy",
            Self::Erase => "#i-erase",
            Self::Down => "#i-down",
        }
    }
}

/// What every page shows.
pub const SHARED: &str = include_str!("icons/shared.svg");

/// What only the desk shows.
pub const DESK: &str = include_str!("icons/desk.svg");

/// The symbols themselves, once per page, before any icon: a page carries only those that it shows.
#[component]
pub fn Sprite(symbols: &'static [&'static str]) -> impl IntoView {
    view! { <svg width="0" height="0" hidden aria-hidden="true" inner_html=symbols.concat()></svg> }
}

/// A drawing beside a word; never the only thing that says something, so it is hidden from screen readers.
pub fn icon(glyph: Glyph) -> Block {
    let class = if glyph == Glyph::Busy { "icon icon-spin" } else { "icon" };
    view! { <svg class=class aria-hidden="true"><use href=glyph.address()></use></svg> }.block()
}

/// The same, for a drawing that changes.
pub fn changing_icon(glyph: impl Fn() -> Glyph + Send + Sync + 'static) -> Block {
    let glyph = live(glyph);
    let shape = glyph.clone();
    let class = live(move || if glyph() == Glyph::Busy { "icon icon-spin" } else { "icon" });
    view! { <svg class=class aria-hidden="true"><use href=live(move || shape().address())></use></svg> }
        .block()
}
