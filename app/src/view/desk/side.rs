//! The side: everything that was said lately, and what the line and its three connections say.

use desk::{Connection, Connections, Microphone, Notice};
use leptos::prelude::*;

use super::words::{connection_tone, notice_tone};
use crate::{
    store::{Store, use_store},
    ui::{
        block::{Block, IntoBlock},
        button::button,
        icon::{Glyph, changing_icon, icon},
        live::{Live, list, live, memo},
        tone::Tone,
    },
    view::{elapsed::ago, page::catch_focus},
};

/// The complementary landmark.
#[component]
pub fn Side() -> impl IntoView {
    let store = use_store();
    let line = move || {
        store.line.with(|line| match line {
            Some(line) if !line.number.is_empty() => format!("Line {}", line.number),
            Some(line) => format!("Line {}", line.account),
            None => "Line".to_owned(),
        })
    };
    // Opens by itself when something is wrong, and closes when it is mended; between the two the reader decides.
    let calm = memo(move || {
        let links = store.connections.with(|all| [&all.events, &all.phone, &all.audio].map(connection_tone));
        let calm = |tone: &Tone| matches!(tone, Tone::Good | Tone::Off);
        links.iter().all(calm) && store.microphone.get().problem().is_none()
    });
    let quiet = memo(move || store.notices.with(Vec::is_empty));
    view! {
        <aside class="column" data-column="side" aria-label="Line and notices">
            <div class="side">
                <section id="notices" tabindex="-1" aria-labelledby="notices-head">
                    <h2 class="overline" id="notices-head">"Notices"</h2>
                    <p class="teach" hidden=live(move || !quiet.get())>{TEACH}</p>
                    <ul class="notices" aria-labelledby="notices-head" hidden=live(move || quiet.get())>
                        {list(
                            move || store.notices.with(|notices| notices.iter().map(|notice| notice.id).collect()),
                            move |id| line_of(store, id).block(),
                        )}
                    </ul>
                </section>
                <section aria-label="Line">
                    <details class="line" prop:open=live(move || !calm.get())>
                        <summary>
                            {icon(Glyph::Down)}
                            <h2 class="overline">{live(line)}</h2>
                            <span class="line-word" hidden=live(move || !calm.get())>"All is well"</span>
                        </summary>
                        <ul class="facts">
                            {link(store, "Events", "The server tells this page what happens.", |all| &all.events)}
                            {link(store, "Phone", "Calls reach you.", |all| &all.phone)}
                            {link(store, "Audio", "Sound flows both ways.", |all| &all.audio)}
                            {microphone(store)}
                        </ul>
                    </details>
                </section>
            </div>
        </aside>
    }
}

const TEACH: &str =
    "Nothing to tell. What needs your attention is kept here, also after it has left the screen.";

/// One line of the list: how it stands, and what that means.
fn fact(name: &'static str, tone: Live<Tone>, word: Live<&'static str>, says: Live<&'static str>) -> Block {
    let shape = tone.clone();
    view! {
        <li class="fact" data-tone=live(move || tone().slug())>
            {changing_icon(move || shape().glyph())}
            <p class="fact-name"><span>{name}</span>" "<span class="fact-word">{word}</span></p>
            <p class="fact-says">{says}</p>
        </li>
    }
    .block()
}

fn link(store: Store, name: &'static str, works: &'static str, of: fn(&Connections) -> &Connection) -> Block {
    let says = move |all: &Connections| match of(all) {
        Connection::Up => works,
        Connection::Off if name == "Audio" => "Opens with the next call.",
        Connection::Off => "Not in use.",
        other => other.reason().unwrap_or_default(),
    };
    fact(
        name,
        live(move || store.connections.with(|all| connection_tone(of(all)))),
        live(move || store.connections.with(|all| of(all).word())),
        live(move || store.connections.with(says)),
    )
}

fn microphone(store: Store) -> Block {
    let stands = |microphone: Microphone| match (microphone.problem(), microphone) {
        (Some(problem), _) => (Tone::Bad, "Not available", problem),
        (None, Microphone::Ready) => (Tone::Good, "Ready", "The browser may use it."),
        (None, _) => (Tone::Off, "Not asked yet", "The browser asks at the first call."),
    };
    fact(
        "Microphone",
        live(move || stands(store.microphone.get()).0),
        live(move || stands(store.microphone.get()).1),
        live(move || stands(store.microphone.get()).2),
    )
}

/// The number of a notice stays when it is said again; text and time follow.
fn line_of(store: Store, id: u64) -> impl IntoView {
    let find = move || store.notices.with(|notices| notices.iter().find(|notice| notice.id == id).cloned());
    let tone = untrack(find).map_or(Tone::Info, |notice| notice_tone(notice.level));
    let text = move || {
        find().map_or(String::new(), |Notice { text, times, .. }| match times {
            1 => text,
            times => format!("{text} ({times}×)"),
        })
    };
    let dismiss = move || {
        store.dismiss_notice(id);
        catch_focus("notices");
    };
    let when = move || find().map_or(String::new(), |notice| ago(store.now.get().since(notice.at)));
    view! {
        <li class="notice" data-tone=tone.slug()>
            {icon(tone.glyph())}
            <div>
                <p>{live(text)}</p>
                <p class="notice-when">{live(when)}</p>
            </div>
            {button("Dismiss", dismiss).glyph(Glyph::Close).size("small").icon_only().show()}
        </li>
    }
}
