//! The sign of the house: a desk bell.

use leptos::prelude::*;

/// The mark alone. It is decoration: the name stands beside it or in a heading.
#[component]
pub fn Mark() -> impl IntoView {
    view! {
        <svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" fill="#f0562e"></rect>
            <path
                fill="#fff"
                d="M7.5 20.5a8.5 8.5 0 0 1 17 0zM6.4 22.2h19.2a1.4 1.4 0 0 1 0 2.8H6.4a1.4 1.4 0 0 1 0-2.800zM14.7 8.800h2.600v3.600h-2.600zM13.9 7h4.200a1.3 1.3 0 0 1 0 2.600h-4.200a1.3 1.3 0 0 1 0-2.600z"
            ></path>
        </svg>
    }
}

/// Mark and name, as the way home.
#[component]
pub fn Brand() -> impl IntoView {
    view! {
        <a class="brand" href="/" aria-label="Hotdesk">
            <Mark/>
            <span class="brand-name">"Hotdesk"</span>
        </a>
    }
}

/// Mark and name on the desk, where there is no way home: following it would let a call go.
pub fn sign() -> impl IntoView {
    view! {
        <span class="brand">
            <Mark/>
            <span class="brand-name">"Hotdesk"</span>
        </span>
    }
}
