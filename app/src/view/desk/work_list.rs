//! The work list: the slot for a ringing call, the calls that run, and those that are over.

use desk::{CallCard, CardId, CardState, PastCall};
use leptos::prelude::*;

use super::{
    incoming::IncomingSlot,
    words::{blocked, card_glyph},
};
use crate::{
    store::{Store, use_store},
    ui::{
        block::IntoBlock,
        icon::{Glyph, changing_icon, icon},
        live::{list, live, memo},
    },
    view::elapsed::{ago, clock_face, elapsed},
};

/// The first column.
#[component]
pub fn WorkList() -> impl IntoView {
    let store = use_store();
    let calls = store.calls;
    view! {
        <section class="column" data-column="work" aria-label="Work list">
            <div class="work">
                <IncomingSlot/>
                <div>
                    <div class="work-head"><h2 class="overline" id="calls-head">"Calls"</h2></div>
                    <p class="teach" hidden=live(move || calls.with(|calls| !calls.is_empty()))>"No call is running."</p>
                    <ul class="work-list" aria-labelledby="calls-head" hidden=live(move || calls.with(Vec::is_empty))>
                        {list(move || calls.with(|calls| calls.iter().map(|card| card.id.0).collect()), move |id| running(store, id).block())}
                    </ul>
                </div>
                <RecentCalls/>
            </div>
        </section>
    }
}

/// The latest of one running call, for as long as its card is shown.
///
/// # Panics
/// If it is asked for a call that does not run.
pub fn latest(store: Store, id: CardId) -> Memo<CallCard> {
    let find = move || store.calls.with(|calls| calls.iter().find(|card| card.id == id).cloned());
    let last = StoredValue::new(untrack(find).expect("a card is made for a running call"));
    memo(move || {
        if let Some(now) = find() {
            last.set_value(now);
        }
        last.get_value()
    })
}

fn running(store: Store, id: u64) -> impl IntoView {
    let card = latest(store, CardId(id));
    let note = move || {
        card.with(|card| match &card.queue {
            Some(queue) => format!("{} · {queue}", card.state.word()),
            None if card.name != card.number => format!("{} · {}", card.state.word(), card.number),
            None => card.state.word().to_owned(),
        })
    };
    view! {
        <li class="work-item" data-current="true" data-state=live(move || card.with(|card| card.state.slug()))>
            {changing_icon(move || card.with(|card| card_glyph(card.state, card.direction)))}
            <div>
                <p class="work-name"><bdi>{live(move || card.with(|card| card.name.clone()))}</bdi></p>
                <p class="work-note">{live(note)}</p>
            </div>
            {elapsed(move || card.with(|card| card.since), store.now, "Time in this state", "figures work-side")}
        </li>
    }
}

#[component]
fn RecentCalls() -> impl IntoView {
    let store = use_store();
    let empty = memo(move || store.recent.with(Vec::is_empty));
    view! {
        <div>
            <div class="work-head"><h2 class="overline" id="recent-head">"Recent calls"</h2></div>
            <p class="teach" hidden=live(move || !empty.get())>{TEACH}</p>
            <ul class="work-list" aria-labelledby="recent-head" hidden=live(move || empty.get())>
                {list(
                    move || store.recent.with(|recent| recent.iter().map(|call| call.id.0).collect()),
                    move |id| past_of(store, id).block(),
                )}
            </ul>
        </div>
    }
}

const TEACH: &str = "Calls of this session are kept here, with one click to call back. Press Test call to make your first one.";

fn past_of(store: Store, id: u64) -> Option<impl IntoView> {
    store
        .recent
        .with_untracked(|recent| recent.iter().find(|call| call.id.0 == id).map(|call| past(store, call)))
}

fn past(store: Store, call: &PastCall) -> impl IntoView + use<> {
    let glyph =
        if call.missed() { Glyph::PhoneIn } else { card_glyph(CardState::Connecting, call.direction) };
    let length = call.talked.map(|span| format!(" · {}", clock_face(span))).unwrap_or_default();
    let note = format!("{}{length}", call.word());
    let ended = call.ended;
    let number = call.number.clone();
    view! {
        <li>
            <button
                type="button"
                class="work-item"
                data-state=if call.missed() { "phone-lost" } else { "" }
                aria-disabled=live(move || blocked(store.dial.get()).map(|_| "true"))
                title=live(move || blocked(store.dial.get()).unwrap_or("Call again"))
                on:click=move |_| {
                    store.dial_number(&number);
                }
            >
                {icon(glyph)}
                <span>
                    <span class="unseen">"Call again: "</span>
                    <span class="work-name work-line"><bdi>{call.name.clone()}</bdi></span>
                    <span class="work-note work-line">{note}</span>
                </span>
                <span class="work-side">{live(move || ago(store.now.get().since(ended)))}</span>
            </button>
        </li>
    }
}
