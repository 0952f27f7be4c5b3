//! The bar at the top. It never scrolls and never changes place: most silent failures are states one could not see.

use desk::{Connection, Connections};
use leptos::prelude::*;

use super::{
    account::Account,
    words::{connection_tone, state_glyph},
};
use crate::{
    store::{Store, use_store},
    ui::{
        block::{Block, IntoBlock},
        button::button,
        icon::{Glyph, changing_icon},
        live::{live, memo},
        meter::level_bars,
        tone::Tone,
    },
    view::{brand::sign, elapsed::elapsed, page::focus_on, theme::theme_switch},
};

/// State, connections, microphone, and what is about the page itself.
#[component]
pub fn StatusBar(keys_shown: RwSignal<bool>) -> impl IntoView {
    let store = use_store();
    view! {
        <header class="status-bar" aria-label="Status bar">
            {sign()}
            <div class="state-chip" data-state=live(move || store.state.get().slug())>
                {changing_icon(move || state_glyph(store.state.get()))}
                <span>{live(move || store.state.get().word())}</span>
                {elapsed(move || store.state_since.get(), store.now, "Time in this state", "figures")}
            </div>
            <div class="status-space"></div>
            <div class="links" role="group" aria-label="Connections">
                {link(store, "Events", "events", |all| &all.events)}
                {link(store, "Phone", "phone", |all| &all.phone)}
                {link(store, "Audio", "audio", |all| &all.audio)}
                <span class="status-rule"></span>
                {microphone(store)}
            </div>
            <span class="status-rule"></span>
            <div class="status-tools">
                {bell(store)}
                {theme_switch()}
                <Account keys_shown/>
            </div>
        </header>
    }
}

/// One connection: its name, how it stands as icon, colour and word.
fn link(store: Store, name: &'static str, slug: &'static str, of: fn(&Connections) -> &Connection) -> Block {
    let tone = memo(move || store.connections.with(|all| connection_tone(of(all))));
    view! {
        <span
            class="link-state"
            data-link=slug
            data-tone=live(move || tone.get().slug())
            title=live(move || store.connections.with(|all| of(all).reason()))
        >
            {changing_icon(move || tone.get().glyph())}
            <span class="link-name">{name}<span class="unseen">": "</span></span>
            <span class="link-word">{live(move || store.connections.with(|all| of(all).word()))}</span>
        </span>
    }
    .block()
}

/// How loud we are, and whether we can be heard at all.
fn microphone(store: Store) -> impl IntoView {
    let muted = store.muted;
    let tone = memo(move || match (store.microphone.get().problem(), muted.get()) {
        (Some(_), _) => Tone::Bad,
        (None, true) => Tone::Fair,
        (None, false) => Tone::Good,
    });
    view! {
        <span class="mic" data-tone=live(move || tone.get().slug())>
            {changing_icon(move || if tone.get() == Tone::Good { Glyph::Mic } else { Glyph::MicOff })}
            {level_bars("Microphone level", move || store.levels.with(|levels| levels.microphone))}
            <span class="unseen">{live(move || if muted.get() { "Microphone muted" } else { "" })}</span>
        </span>
    }
}

/// Leads to the notices, and counts those that came since one last looked.
fn bell(store: Store) -> impl IntoView {
    let seen = RwSignal::new(0_u64);
    let unread = memo(move || {
        store.notices.with(|notices| notices.iter().filter(|notice| notice.id > seen.get()).count().min(99))
    });
    let look = move || {
        seen.set(store.notices.with_untracked(|notices| notices.first().map_or(0, |notice| notice.id)));
        focus_on("notices");
    };
    view! {
        <span class="bell">
            {button("Notices", look).glyph(Glyph::Bell).icon_only().show()}
            <span class="bell-count" aria-hidden="true" hidden=live(move || unread.get() == 0)>
                {live(move || unread.get().to_string())}
            </span>
        </span>
    }
}
