//! What stands between the agent and a working desk, each with its cause and one action.

use desk::{Microphone, Tab};
use leptos::prelude::*;

use super::words::blocked;
use crate::{
    store::Store,
    ui::{
        announcer::Announcer,
        block::{Block, IntoBlock},
        button::button,
        icon::{Glyph, icon},
        live::{Live, follow, live, memo},
        tone::Tone,
    },
};

/// All banners, worst first. One takes no room while it has nothing to say.
pub fn banners(store: Store) -> impl IntoView {
    speak_of_sound(store);
    view! {
        <div class="desk-banners">
            {connection(store)}
            {other_tab(store)}
            {microphone(store)}
            {sound(store)}
        </div>
    }
}

/// What happened and what it means; nothing while all is well.
type Says = Live<Option<(&'static str, String)>>;

/// `over` is spoken when all is well again: who does not see the banner hears it come and go.
fn banner(
    name: &'static str,
    tone: Tone,
    glyph: Glyph,
    says: Says,
    over: &'static str,
    action: Block,
) -> Block {
    let said = memo(move || says());
    speak(said, tone, over);
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

/// Speaks when the headline comes, changes or goes; what counts down below it stays silent.
fn speak(said: Memo<Option<(&'static str, String)>>, tone: Tone, over: &'static str) {
    let announcer = expect_context::<Announcer>();
    let headline = memo(move || said.with(|said| said.as_ref().map(|(what, _)| *what)));
    let mut before = None;
    follow(move || {
        let now = headline.get();
        if before == now {
            return;
        }
        before = now;
        match (now, tone) {
            (None, _) => announcer.say(over),
            (Some(what), Tone::Info) => announcer.say(what),
            (Some(what), _) => {
                let means = said.with_untracked(|said| said.as_ref().map(|(_, means)| means.clone()));
                announcer.call_out(format!("{what} {}", means.unwrap_or_default()));
            }
        }
    });
}

/// The sound of a call has no banner: its card shows how it stands. It is spoken all the same.
fn speak_of_sound(store: Store) {
    let announcer = expect_context::<Announcer>();
    let lost = memo(move || store.connections.with(|all| all.audio.reason()));
    let mut before = None;
    follow(move || {
        let now = lost.get();
        match (before, now) {
            (None, Some(reason)) => announcer.call_out(reason),
            (Some(_), None) if store.connections.with_untracked(|all| all.audio.is_up()) => {
                announcer.say("The sound is back.");
            }
            _ => {}
        }
        before = now;
    });
}

/// The server is gone, or the phone is: what still works, when it is tried again.
fn connection(store: Store) -> Block {
    let says = move || {
        let text = store.outage.with(|outage| outage.as_ref().map(|outage| outage.text(store.now.get())))?;
        Some(("Reconnecting…", text))
    };
    let retry = button("Retry now", move || store.retry_now());
    banner("Connection", Tone::Busy, Glyph::Busy, live(says), "Connected again.", retry.show())
}

fn other_tab(store: Store) -> Block {
    let says = move || {
        let means = "This one shows the same calls; they ring and sound over there.";
        (store.tab.get() == Tab::Other).then(|| ("Your phone is in another tab.", means.to_owned()))
    };
    let take =
        button("Use the phone here", move || store.take_phone()).blocked(move || blocked(store.take.get()));
    banner("Other tab", Tone::Info, Glyph::Info, live(says), "The phone is in this tab.", take.show())
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
    banner(
        "Microphone problem",
        Tone::Bad,
        Glyph::MicOff,
        live(says),
        "The microphone can be used.",
        actions.block(),
    )
}

/// Browsers are silent until the first click on a page: the next call would ring unheard.
fn sound(store: Store) -> Block {
    let says = move || {
        let means = "The browser holds back sound until you allow it.";
        store.sound_blocked.get().map(|what| (what, means.to_owned()))
    };
    let allow = button("Sound is blocked – click to allow", move || store.allow_sound()).glyph(Glyph::Sound);
    banner("Sound", Tone::Fair, Glyph::SoundOff, live(says), "Sound is allowed.", allow.show())
}
