//! The middle: one heading that says what the agent is doing, the calls in hand, and the dial field.

use desk::{CardId, DeskState, Tab};
use leptos::prelude::*;

use super::{
    call_card::{call, section_id},
    dial::Dial,
    words::{heading, rings_here, state_glyph},
};
use crate::{
    store::use_store,
    ui::{
        block::IntoBlock,
        icon::changing_icon,
        live::{follow, list, live, memo},
    },
    view::page::catch_focus,
};

/// The main landmark.
#[component]
pub fn Stage() -> impl IntoView {
    let store = use_store();
    let in_hand = move || {
        store.calls.with(|calls| {
            calls.iter().filter(|card| !rings_here(card)).map(|card| card.id.0).collect::<Vec<_>>()
        })
    };
    let talking = memo(move || store.calls.with(|calls| calls.iter().any(|card| !rings_here(card))));
    let title = memo(move || store.calls.with(|calls| heading(store.state.get(), calls)));
    let mut before = None::<Vec<u64>>;
    follow(move || {
        let now = in_hand();
        let before = before.replace(now.clone());
        if before.as_ref() != Some(&now) {
            let known = before.unwrap_or_default();
            // The newest call in hand; where there is none, the heading is to be seen.
            let come = now.iter().find(|id| !known.contains(id)).or(now.last());
            catch_focus(come.map_or_else(|| HEADING.to_owned(), |id| section_id(*id)));
        }
    });
    view! {
        <main class="column" data-column="stage" data-state=live(move || store.state.get().slug())>
            <div class="stage">
                <div class=live(move || if talking.get() { "stage-head unseen" } else { "stage-head" })>
                    <h1 id=HEADING tabindex="-1">
                        {changing_icon(move || state_glyph(store.state.get()))}
                        <span>{live(move || title.get())}</span>
                    </h1>
                    <p class="stage-about">{live(move || about(store.state.get(), store.tab.get()))}</p>
                </div>
                {list(in_hand, move |id| call(store, CardId(id)).block())}
                <Dial/>
            </div>
        </main>
    }
}

/// Where the focus goes when the desk opens, and when the last call has left the hand.
const HEADING: &str = "doing";

/// What can be done now, in one sentence.
const fn about(state: DeskState, tab: Tab) -> &'static str {
    match (state, tab) {
        (DeskState::Ready, Tab::Other) => "Your calls ring in the other tab.",
        (DeskState::Ready, _) => "Calls ring here. Or dial a colleague, a number, or the echo test.",
        (DeskState::Ringing, _) => "Answer or decline it in the card.",
        (DeskState::PhoneLost, _) => "Calls cannot reach you until the phone is connected again.",
        _ => "",
    }
}
