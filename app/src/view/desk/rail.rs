//! Where else one can go. The other pages open beside the desk: leaving it would let a call go.

use leptos::prelude::*;

use crate::ui::icon::{Glyph, icon};

/// The navigation: a column at the side, a bar at the bottom of a telephone.
#[component]
pub fn Rail() -> impl IntoView {
    view! {
        <nav class="rail" aria-label="Main">
            <a class="rail-link" href="/" aria-current="page" on:click=|event| event.prevent_default()>
                {icon(Glyph::Desk)}
                "Desk"
            </a>
            <a class="rail-link" href="/echo" target="_blank" rel="noopener">
                {icon(Glyph::Wave)}
                "Sound test"
                <span class="unseen">" (new tab)"</span>
            </a>
            <a class="rail-link" href="/sample" target="_blank" rel="noopener">
                {icon(Glyph::Code)}
                "API"
                <span class="unseen">" (new tab)"</span>
            </a>
        </nav>
    }
}
