//! What stands between the agent and a working desk, each with its cause and one action.

use desk::{Microphone, Tab};
use leptos::prelude::*;

use super::words::blocked;
use crate::{
    store::Store,
    ui::{
        block::{Block, IntoBlock},
        button::button,
        icon::{Glyph, icon},
        live::{Live, live, memo},
        tone::Tone,
    },
};

/// All banners, worst first. One takes no room while it has nothing to say.
pub fn banners(store: Store) -> impl IntoView {
    view! {
        <div class="desk-banners">
            {connection(store)}
            {other_tab(store)}
            {microphone(store)}
            {sound(store)}
        </div>
    }
}

/// `says` gives what happened and what it means, or nothing while all is well.
fn banner(
    name: &'static str,
    tone: Tone,
    glyph: Glyph,
    says: Live<Option<(&'static str, String)>>,
    action: Block,
) -> Block {
    let said = memo(move || says());
    view! {
        <section class="banner" data-tone=tone.slug() aria-label=name hidden=live(move || said.with(Option::is_none))>
            {icon(glyph)}
            <p class="banner-words">
                <strong>{live(move || said.with(|said| said.as_ref().map_or("", |(what, _)| what)))}</strong>
                " "
                {live(move || said.with(|said| said.as_ref().map_or(String::new(), |(_, means)| means.clone())))}
            </p>
            {action}
        </section>
    }
    .block()
}

/// The server is gone, or the phone is: what still works, when it is tried again.
fn connection(store: Store) -> Block {
    let says = move || {
        let text = store.outage.with(|outage| outage.as_ref().map(|outage| outage.text(store.now.get())))?;
        Some(("Reconnecting…", text))
    };
    let retry = button("Retry now", move || store.retry_now());
    banner("Connection", Tone::Busy, Glyph::Busy, live(says), retry.show())
}

fn other_tab(store: Store) -> Block {
    let says = move || {
        let means = "This one shows the same calls; they ring and sound over there.";
        (store.tab.get() == Tab::Other).then(|| ("Your phone is in another tab.", means.to_owned()))
    };
    let take =
        button("Use the phone here", move || store.take_phone()).blocked(move || blocked(store.take.get()));
    banner("Other tab", Tone::Info, Glyph::Info, live(says), take.show())
}

fn microphone(store: Store) -> Block {
    let says = move || {
        let microphone = store.microphone.get();
        let what = match microphone {
            Microphone::Insecure => "This page gets no microphone.",
            _ => "Callers cannot hear you.",
        };
        microphone.problem().map(|text| (what, text.to_owned()))
    };
    let again = button("Try again", move || store.try_microphone());
    let actions = view! {
        {again.show()}
        <a class="button" href="/echo" target="_blank" rel="noopener">"Test your sound"</a>
    };
    banner("Microphone problem", Tone::Bad, Glyph::MicOff, live(says), actions.block())
}

/// Browsers are silent until the first click on a page: the next call would ring unheard.
fn sound(store: Store) -> Block {
    let says = move || {
        let means = "The browser holds back sound until you allow it.";
        store.sound_blocked.get().map(|what| (what, means.to_owned()))
    };
    let allow = button("Sound is blocked – click to allow", move || store.allow_sound()).glyph(Glyph::Sound);
    banner("Sound", Tone::Fair, Glyph::SoundOff, live(says), allow.show())
}
