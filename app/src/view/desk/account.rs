//! Who is signed in, and the way out.

use leptos::prelude::*;

use crate::{
    store::{Store, use_store},
    ui::{
        announcer::Announcer,
        block::IntoBlock,
        button::truth,
        icon::{Glyph, icon},
        live::{live, memo},
        popover::popover,
    },
};

/// The account button: what the menu opens gives the focus back to it.
pub const ACCOUNT: &str = "account";

/// The account button and its menu.
#[component]
pub fn Account(keys_shown: RwSignal<bool>) -> impl IntoView {
    let store = use_store();
    let open = RwSignal::new(false);
    let name =
        move || store.user.with(|user| user.as_ref().map(|user| user.full_name.clone()).unwrap_or_default());
    let opener = view! {
        <button
            type="button"
            id=ACCOUNT
            class="button account"
            data-kind="quiet"
            aria-expanded=live(move || truth(open.get()))
            on:click=move |_| open.update(|open| *open = !*open)
        >
            <span class="account-face" data-initials=live(move || initials(&name()))></span>
            <span class="unseen">"Account "</span>
            <span class="account-name">{live(name)}</span>
            {icon(Glyph::Down)}
        </button>
    };
    popover(open, "Account", opener.block(), move || menu(store, open, keys_shown).block())
}

fn menu(store: Store, open: RwSignal<bool>, keys_shown: RwSignal<bool>) -> impl IntoView {
    let announcer = expect_context::<Announcer>();
    let busy = memo(move || store.calls.with(|calls| !calls.is_empty()));
    let leave = move |_| match busy.get_untracked() {
        true => announcer.refuse(STAY),
        false => store.sign_out(),
    };
    let name =
        move || store.user.with(|user| user.as_ref().map(|user| user.full_name.clone()).unwrap_or_default());
    let about = move || {
        let line = store.line.with(|line| line.as_ref().map(|line| format!("Line {}", line.number)));
        let login = store.user.with(|user| user.as_ref().map(|user| user.login.clone()));
        [login, line].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    };
    let show_keys = move |_| {
        open.set(false);
        keys_shown.set(true);
    };
    view! {
        <div class="account-about">
            <strong>{live(name)}</strong>
            <p>{live(about)}</p>
        </div>
        <hr class="popover-rule"/>
        <button type="button" class="popover-item" on:click=show_keys>
            {icon(Glyph::Keyboard)}
            "Keyboard shortcuts"
            <kbd aria-hidden="true">"Ctrl /"</kbd>
        </button>
        <button
            type="button"
            class="popover-item"
            aria-disabled=live(move || busy.get().then_some("true"))
            title=live(move || busy.get().then_some(STAY))
            on:click=leave
        >
            {icon(Glyph::Leave)}
            "Sign out"
        </button>
    }
}

const STAY: &str = "You are on a call. End it first.";

fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::initials;

    #[test]
    fn at_most_two_letters_stand_for_a_name() {
        assert_eq!(initials("Alice van Dyk"), "AV");
        assert_eq!(initials("élodie"), "É");
        assert_eq!(initials(""), "");
    }
}
