//! The button. One that cannot be used now stays where it is, can be reached, and says why.

use leptos::{ev, prelude::*};

use super::{
    announcer::Announcer,
    block::{Block, IntoBlock},
    icon::{Glyph, changing_icon},
    live::{Live, fixed, live},
};

/// Why a button cannot be used now; `None` when it can.
pub type Blocked = Option<&'static str>;

/// A button with a word and, mostly, an icon. Made by [`button`], changed by its methods, shown by [`Button::show`].
pub struct Button {
    label: Live<&'static str>,
    press: Box<dyn Fn() + Send + Sync>,
    glyph: Option<Live<Glyph>>,
    kind: &'static str,
    size: &'static str,
    hint: Blocked,
    icon_only: bool,
    submits: bool,
    deliberate: bool,
    blocked: Live<Blocked>,
    busy: Live<bool>,
    lit: Live<bool>,
    expanded: Live<Option<&'static str>>,
}

/// A button with this word that does this.
pub fn button(label: &'static str, press: impl Fn() + Send + Sync + 'static) -> Button {
    Button {
        label: fixed(label),
        press: Box::new(press),
        glyph: None,
        kind: "",
        size: "",
        hint: None,
        icon_only: false,
        submits: false,
        deliberate: false,
        blocked: fixed(None),
        busy: fixed(false),
        lit: fixed(false),
        expanded: fixed(None),
    }
}

impl Button {
    /// The word changes.
    pub fn word(self, label: impl Fn() -> &'static str + Send + Sync + 'static) -> Self {
        Self { label: live(label), ..self }
    }

    /// The icon before the word.
    pub fn glyph(self, glyph: Glyph) -> Self {
        Self { glyph: Some(fixed(glyph)), ..self }
    }

    /// An icon that changes.
    pub fn glyphs(self, glyph: impl Fn() -> Glyph + Send + Sync + 'static) -> Self {
        Self { glyph: Some(live(glyph)), ..self }
    }

    /// `primary` (one a region), `accept`, `end`, `quiet`.
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind, ..self }
    }

    /// `call`, `tall`, `icon`, `small`.
    pub fn size(self, size: &'static str) -> Self {
        Self { size, ..self }
    }

    /// What it is described by while it can be used: mostly its shortcut.
    pub fn hint(self, hint: &'static str) -> Self {
        Self { hint: Some(hint), ..self }
    }

    /// The icon alone is seen; the word is its name all the same.
    pub fn icon_only(self) -> Self {
        Self {
            icon_only: true,
            kind: "quiet",
            size: if self.size.is_empty() { "icon" } else { self.size },
            ..self
        }
    }

    /// It sends the form it stands in.
    pub fn submits(self) -> Self {
        Self { submits: true, ..self }
    }

    /// The second click of a double click does nothing: what the first one did has made another button of this one.
    pub fn deliberate(self) -> Self {
        Self { deliberate: true, ..self }
    }

    /// It cannot be used while this gives a reason: a press then says the reason and does nothing else.
    pub fn blocked(self, blocked: impl Fn() -> Blocked + Send + Sync + 'static) -> Self {
        Self { blocked: live(blocked), ..self }
    }

    /// What it began is not settled yet.
    pub fn busy(self, busy: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { busy: live(busy), ..self }
    }

    /// What it switches is on.
    pub fn lit(self, lit: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { lit: live(lit), ..self }
    }

    /// It opens something, which is open or not.
    pub fn expanded(self, expanded: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { expanded: live(move || Some(truth(expanded()))), ..self }
    }

    /// The button in the page.
    pub fn show(self) -> Block {
        let Self {
            label,
            press,
            glyph,
            kind,
            size,
            hint,
            icon_only,
            submits,
            deliberate,
            blocked,
            busy,
            lit,
            expanded,
        } = self;
        let announcer = use_context::<Announcer>();
        let (asked, why, off, waits) = (blocked.clone(), blocked.clone(), blocked, busy.clone());
        let click = move |event: ev::MouseEvent| match untrack(|| asked()) {
            Some(reason) => {
                event.prevent_default();
                if let Some(announcer) = announcer {
                    announcer.refuse(reason);
                }
            }
            None if deliberate && event.detail() > 1 => {}
            None => press(),
        };
        view! {
            <button
                class="button"
                type=if submits { "submit" } else { "button" }
                data-kind=kind
                data-size=size
                data-on=live(move || truth(lit()))
                aria-disabled=live(move || (off().is_some() || busy()).then_some("true"))
                aria-busy=live(move || waits().then_some("true"))
                aria-expanded=expanded
                title=live(move || why().or(hint))
                on:click=click
            >
                {glyph.map(|glyph| changing_icon(move || glyph()))}
                <span class=if icon_only { "unseen" } else { "" }>{label}</span>
            </button>
        }
        .block()
    }
}

/// A truth as ARIA writes it.
pub const fn truth(holds: bool) -> &'static str {
    if holds { "true" } else { "false" }
}
