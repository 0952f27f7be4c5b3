//! The incoming card, in the slot that is kept free for it.

use desk::{CallCard, CardId};
use leptos::prelude::*;

use super::{words::blocked, work_list::latest};
use crate::{
    store::{Store, use_store},
    ui::{
        announcer::Announcer,
        block::IntoBlock,
        button::button,
        icon::{Glyph, icon},
        live::{list, live},
    },
    view::elapsed::elapsed,
};

/// The first call that rings, or a line that says where it will be.
#[component]
pub fn IncomingSlot() -> impl IntoView {
    let store = use_store();
    let ringing = move || store.calls.with(|calls| desk::ringing(calls).map(|card| card.id.0));
    view! {
        <div class="slot">
            {list(move || ringing().into_iter().collect(), move |id| incoming(store, CardId(id)).block())}
            <p class="slot-empty" hidden=live(move || ringing().is_some())>
                {icon(Glyph::Bell)}
                "Incoming calls ring here"
            </p>
        </div>
    }
}

/// Who calls, and the two answers. It does not take the focus: a key meant for a text field must never answer.
fn incoming(store: Store, id: CardId) -> impl IntoView {
    let card = latest(store, id);
    expect_context::<Announcer>().call_out(card.with_untracked(spoken));
    let number =
        move || card.with(|card| if card.number == card.name { String::new() } else { card.number.clone() });
    let queue =
        move || card.with(|card| card.queue.as_ref().map_or(String::new(), |queue| format!(" for {queue}")));
    let decline = button("Decline", move || store.decline(id))
        .size("call")
        .blocked(move || card.with(|card| blocked(card.controls.decline)));
    let answer = button("Answer", move || store.answer(id))
        .glyph(Glyph::Phone)
        .kind("accept")
        .size("call")
        .hint("Ctrl+Shift+A")
        .blocked(move || card.with(|card| blocked(card.controls.answer)));
    view! {
        <div class="incoming" role="alertdialog" aria-modal="false" aria-label=live(move || card.with(spoken))>
            <div class="incoming-head">
                <p class="incoming-what">
                    "Incoming call "
                    {elapsed(move || card.with(|card| card.since), store.now, "Ringing for", "figures")}
                </p>
                <p class="incoming-who"><bdi>{live(move || card.with(|card| card.name.clone()))}</bdi></p>
                <p class="incoming-number"><bdi class="figures">{live(number)}</bdi>{live(queue)}</p>
                <span class="incoming-bell" aria-hidden="true">{icon(Glyph::Bell)}</span>
            </div>
            <div class="incoming-actions">
                {decline.show()}
                {answer.show()}
                <p class="incoming-keys"><kbd>"Ctrl"</kbd>" "<kbd>"Shift"</kbd>" "<kbd>"A"</kbd>" answers"</p>
            </div>
        </div>
    }
}

fn spoken(card: &CallCard) -> String {
    match &card.queue {
        Some(queue) => format!("Incoming call from {} for {queue}", card.name),
        None => format!("Incoming call from {}", card.name),
    }
}
