//! The dial field. Enter dials; the keypad fills it in by mouse or touch.

use desk::ECHO_NUMBER;
use leptos::{ev, html, prelude::*};

use super::words::blocked;
use crate::{
    store::{Store, use_store},
    ui::{
        announcer::Announcer,
        button::{button, truth},
        icon::{Glyph, icon},
        keypad::keypad,
        live::{live, memo, when},
    },
};

/// Number, Call, the echo test, and a keypad on request.
#[component]
pub fn Dial() -> impl IntoView {
    let store = use_store();
    let announcer = expect_context::<Announcer>();
    let number = RwSignal::new(String::new());
    let keys = RwSignal::new(false);
    let field = NodeRef::<html::Input>::new();
    // What is not whole yet is wrong only once somebody has tried to dial it.
    let tried = RwSignal::new(false);
    let wrong = memo(move || {
        let check = if tried.get() { Store::check_dial } else { Store::check_typed };
        number.with(|number| check(&store, number).err())
    });
    let cannot = move || blocked(store.dial.get());
    let dial = move || {
        let wrong = number.with_untracked(|number| store.check_dial(number).is_err());
        tried.set(wrong);
        if wrong {
            if let Some(field) = field.get_untracked() {
                let _ = field.focus();
            }
        } else if let Some(reason) = untrack(cannot) {
            announcer.refuse(reason);
        } else if number.with_untracked(|number| store.dial_number(number)) {
            number.set(String::new());
            keys.set(false);
        }
    };
    let submit = move |event: ev::SubmitEvent| {
        event.prevent_default();
        dial();
    };
    let typed = move |event: ev::Event| {
        tried.set(false);
        number.set(event_target_value(&event));
    };
    let erase = move || {
        number.update(|number| {
            number.pop();
        });
    };
    let eraser = button("Erase last digit", erase).glyph(Glyph::Erase).icon_only();
    let call = button("Call", || ()).glyph(Glyph::Phone).kind("primary").submits().blocked(cannot);
    let show_keys = button("Show keypad", move || keys.update(|keys| *keys = !*keys))
        .word(move || if keys.get() { "Hide keypad" } else { "Show keypad" })
        .glyph(Glyph::Keypad)
        .expanded(move || keys.get());
    let test_call = button("Test call", move || {
        store.dial_number(ECHO_NUMBER);
    })
    .glyph(Glyph::Wave)
    .hint("Calls *55: you hear yourself")
    .blocked(cannot);
    view! {
        <section class="panel" aria-label="Dial">
            <form class="dial" on:submit=submit novalidate>
                <div class="dial-row">
                    <div class="field">
                        <label class="field-label" for="number">"Number"</label>
                        <div class="field-frame" data-invalid=live(move || truth(wrong.get().is_some()))>
                            <input
                                node_ref=field
                                class="field-input figures"
                                id="number"
                                type="text"
                                inputmode="tel"
                                autocomplete="off"
                                spellcheck="false"
                                maxlength="64"
                                aria-invalid=live(move || truth(wrong.get().is_some()))
                                aria-describedby="dial-refusal"
                                prop:value=live(move || number.get())
                                on:input=typed
                            />
                            <span hidden=live(move || number.with(String::is_empty))>{eraser.show()}</span>
                        </div>
                    </div>
                    {call.show()}
                </div>
                <p class="dial-refusal" id="dial-refusal" role="status" hidden=live(move || wrong.get().is_none())>
                    {icon(Glyph::Fair)}
                    <span>{live(move || wrong.get())}</span>
                </p>
                <div class="dial-more">
                    {show_keys.show()}
                    {test_call.show()}
                    <p class="dial-hint">"Test call dials *55: you hear yourself."</p>
                </div>
                {when(move || keys.get(), move || keypad("Dial keypad", move |key| number.update(|number| number.push(key))))}
            </form>
        </section>
    }
}
