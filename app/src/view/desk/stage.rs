//! The middle: one heading that says what the agent is doing, the calls in hand, and the dial field.

use desk::CardId;
use leptos::prelude::*;

use super::{
    call_card::{call, section_id},
    dial::Dial,
    words::state_glyph,
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
        store
            .calls
            .with(|calls| calls.iter().filter(|card| !card.rings()).map(|card| card.id.0).collect::<Vec<_>>())
    };
    let talking = memo(move || store.calls.with(|calls| calls.iter().any(|card| !card.rings())));
    let title = memo(move || store.calls.with(|calls| desk::heading(store.state.get(), calls)));
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
                    <p class="stage-about">{live(move || store.state.get().about(store.tab.get()))}</p>
                </div>
                {list(in_hand, move |id| call(store, CardId(id)).block())}
                <Dial/>
            </div>
        </main>
    }
}

/// Where the focus goes when the desk opens, and when the last call has left the hand.
const HEADING: &str = "doing";
