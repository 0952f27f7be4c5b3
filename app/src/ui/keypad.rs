//! The twelve keys of a telephone.

use std::sync::Arc;

use leptos::{html, prelude::*, wasm_bindgen::JsCast, web_sys::HtmlElement};

use super::{
    block::{Block, IntoBlock},
    live::follow,
};

const KEYS: [(char, &str, &str); 12] = [
    ('1', "1", ""),
    ('2', "2", "ABC"),
    ('3', "3", "DEF"),
    ('4', "4", "GHI"),
    ('5', "5", "JKL"),
    ('6', "6", "MNO"),
    ('7', "7", "PQRS"),
    ('8', "8", "TUV"),
    ('9', "9", "WXYZ"),
    ('*', "star", ""),
    ('0', "0", "+"),
    ('#', "hash", ""),
];

/// Whether a typed character is a key of the telephone.
pub fn is_key(character: char) -> bool {
    KEYS.iter().any(|(key, ..)| *key == character)
}

/// A group of twelve buttons; `press` gets the character of the one pressed. The first takes the focus: a keypad is
/// opened to be used.
pub fn keypad(name: &'static str, press: impl Fn(char) + Send + Sync + 'static) -> Block {
    let press: Arc<dyn Fn(char) + Send + Sync> = Arc::new(press);
    let keys: Vec<_> = KEYS
        .into_iter()
        .map(|(key, spoken, letters)| {
            let press = Arc::clone(&press);
            view! {
                <button type="button" class="keypad-key" aria-label=spoken on:click=move |_| press(key)>
                    <span aria-hidden="true">{key}</span>
                    <span class="keypad-letters" data-letters=letters></span>
                </button>
            }
        })
        .collect();
    let pad = NodeRef::<html::Div>::new();
    follow(move || {
        let first = pad.get().and_then(|pad| pad.query_selector("button").ok().flatten());
        if let Some(first) = first {
            let _ = first.unchecked_into::<HtmlElement>().focus();
        }
    });
    view! { <div node_ref=pad class="keypad" role="group" aria-label=name>{keys}</div> }.block()
}
