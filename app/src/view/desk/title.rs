//! The tab's title and icon: a call rings there too, for whoever looks at another page.

use leptos::prelude::*;

use crate::{
    store::Store,
    ui::live::{follow, memo},
};

/// Keeps title and icon in step with the desk until it is left.
pub fn follow_calls(store: Store) {
    let caller = memo(move || store.calls.with(|calls| desk::ringing(calls).map(|card| card.name.clone())));
    follow(move || {
        let title = match caller.get() {
            // Twice a title, once a second: a tab in the corner of the eye is seen to move.
            Some(name) if store.now.with(|now| now.as_micros() / 1_000_000 % 2 == 0) => format!("(☎) {name}"),
            Some(_) => "Incoming call".to_owned(),
            None => {
                let muted = store.muted.get();
                let doing = store.calls.with(|calls| desk::heading(store.state.get(), calls));
                format!("{}{doing} · Hotdesk", if muted { "Muted · " } else { "" })
            }
        };
        document().set_title(&title);
    });
    let mut calm = None::<String>;
    follow(move || {
        let rings = caller.with(Option::is_some);
        let Some(icon) = document().get_element_by_id("favicon") else { return };
        let calm = calm.get_or_insert_with(|| icon.get_attribute("href").unwrap_or_default());
        let ringing = icon.get_attribute("data-ringing").filter(|_| rings);
        let _ = icon.set_attribute("href", ringing.as_deref().unwrap_or(calm));
    });
    on_cleanup(|| document().set_title("Hotdesk"));
}
