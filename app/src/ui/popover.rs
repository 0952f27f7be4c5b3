//! A small panel that hangs from its button. Escape and a click elsewhere close it.

use crate::signal::RwSignal;
use leptos::{
    ev, html,
    prelude::*,
    wasm_bindgen::JsCast,
    web_sys::{HtmlElement, Node},
};

use super::block::{Block, IntoBlock};
use super::live::when;

/// `opener` is the button; the panel comes right after it, so that Tab reaches it next.
pub fn popover(
    open: RwSignal<bool>,
    name: &'static str,
    opener: Block,
    panel: impl Fn() -> Block + Send + 'static,
) -> impl IntoView {
    let anchor = NodeRef::<html::Div>::new();
    let outside = window_event_listener(ev::pointerdown, move |event| {
        let inside =
            anchor.get_untracked().is_some_and(|anchor| anchor.contains(Some(&event_target::<Node>(&event))));
        if !inside {
            open.set(false);
        }
    });
    on_cleanup(move || outside.remove());
    let close = move |event: ev::KeyboardEvent| {
        if event.key() == "Escape" && open.get_untracked() {
            event.stop_propagation();
            open.set(false);
            if let Some(Ok(Some(opener))) =
                anchor.get_untracked().map(|anchor| anchor.query_selector("button"))
            {
                let _ = opener.unchecked_into::<HtmlElement>().focus();
            }
        }
    };
    view! {
        <div class="popover-anchor" node_ref=anchor on:keydown=close>
            {opener}
            {when(
                move || open.get(),
                move || view! { <div class="popover" role="region" aria-label=name>{panel()}</div> }.block(),
            )}
        </div>
    }
}
