//! An address that leads nowhere.

use leptos::prelude::*;

use super::{brand::Brand, page::name_screen};

/// Says so, and shows the way back.
#[component]
pub fn Lost() -> impl IntoView {
    name_screen("lost");
    view! {
        <div class="plain">
            <header class="plain-bar"><Brand/></header>
            <main class="plain-column">
                <h1>"There is no such page"</h1>
                <p class="plain-lead">"The address may be mistyped, or the page has moved."</p>
                <p class="plain-lead"><a href="/">"Go to the desk"</a></p>
            </main>
        </div>
    }
}
