//! Sound levels. A level is 0 (silence) to 1 (full scale) on a scale that is even in decibels.

use leptos::prelude::*;

use super::{
    block::{Block, IntoBlock},
    button::truth,
    live::{live, memo},
};

const BARS: u8 = 5;

/// Five bars, for a narrow place.
pub fn level_bars(name: &'static str, level: impl Fn() -> f32 + Send + Sync + 'static) -> Block {
    let lit = memo(move || (level().clamp(0.0, 1.0) * f32::from(BARS)).ceil() as u32);
    let bars: Vec<_> = (1..=u32::from(BARS))
        .map(|bar| view! { <span class="bars-bar" data-lit=live(move || truth(lit.get() >= bar))></span> })
        .collect();
    view! {
        <span
            class="bars"
            role="meter"
            aria-label=name
            aria-valuemin="0"
            aria-valuemax="5"
            aria-valuenow=live(move || lit.get().to_string())
        >
            {bars}
        </span>
    }
    .block()
}

/// A long bar with a name.
pub fn level_meter(name: &'static str, level: impl Fn() -> f32 + Send + Sync + 'static) -> Block {
    let percent = memo(move || (level().clamp(0.0, 1.0) * 100.0) as u32);
    view! {
        <span
            class="meter"
            role="meter"
            aria-label=name
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=live(move || percent.get().to_string())
        >
            <span class="meter-fill" style:--level=live(move || percent.get().to_string())></span>
        </span>
    }
    .block()
}
