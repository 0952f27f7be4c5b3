//! What goes out and what comes back, on one time axis: a delay can be seen, and so can a gap.

use crate::signal::RwSignal;
use leptos::prelude::*;

use super::lights::whole;
use crate::{
    browser::echo::{EchoTest, Phase},
    ui::{
        block::{Block, IntoBlock},
        live::{Live, follow, live},
        meter::level_meter,
    },
};

/// Moments shown: ten a second.
const WIDTH: usize = 150;
/// Height of each half, in units of the drawing.
const HALF: i32 = 48;

/// The levels of a run, oldest first.
#[derive(Clone, Copy)]
pub struct Trace {
    levels: RwSignal<Vec<(f32, f32)>>,
}

impl Trace {
    /// Follows a test: each new run begins an empty trace.
    pub fn of(test: EchoTest) -> Self {
        let levels = RwSignal::new(Vec::new());
        follow(move || {
            if test.phase.get() == Phase::Starting {
                levels.set(Vec::new());
            }
        });
        follow(move || {
            let meters = test.meters.get();
            if test.phase.get_untracked() == Phase::Running {
                levels.update(|levels| levels.push((meters.sent, meters.returned)));
            }
        });
        Self { levels }
    }

    /// The loudest moment of each direction.
    pub fn loudest(self) -> (f32, f32) {
        self.levels.with(|levels| levels.iter().fold((0.0, 0.0), |(a, b), (x, y)| (x.max(a), y.max(b))))
    }
}

/// The drawing, with two meters beside it that say the same to a screen reader.
pub fn scope(test: EchoTest, trace: Trace) -> impl IntoView {
    let sent = move || test.meters.with(|meters| meters.sent);
    let returned = move || test.meters.with(|meters| meters.returned);
    view! {
        <section class="panel scope" aria-label="Levels">
            <p class="scope-legend">
                <span class="overline">"Last 15 s"</span>
                <span class="scope-key" data-trace="sent">"Sent"</span>
                <span class="scope-key" data-trace="returned">"Returned"</span>
            </p>
            <svg class="scope-screen" viewBox=format!("0 0 {WIDTH} {}", 2 * HALF) preserveAspectRatio="none" aria-hidden="true">
                <path class="scope-sent" d=live(move || trace.levels.with(|levels| bars(levels, |(sent, _)| -sent)))></path>
                <path class="scope-returned" d=live(move || trace.levels.with(|levels| bars(levels, |(_, returned)| *returned)))></path>
                <line class="scope-axis" x1="0" x2=WIDTH.to_string() y1=HALF.to_string() y2=HALF.to_string()></line>
            </svg>
            <div class="scope-meters">
                {meter("Sent", "sent", "Sent level", live(sent))}
                {meter("Returned", "returned", "Returned level", live(returned))}
            </div>
        </section>
    }
}

fn meter(word: &'static str, slug: &'static str, name: &'static str, level: Live<f32>) -> Block {
    let shown = level.clone();
    let decibels = move || format!("{} dB", whole(f64::from(level()) * 60.0 - 60.0));
    view! {
        <div class="scope-meter" data-trace=slug>
            <span>{word}</span>
            {level_meter(name, move || shown())}
            <span class="figures">{live(decibels)}</span>
        </div>
    }
    .block()
}

/// One bar a moment from the axis on, up for negative heights; the newest at the right.
fn bars(levels: &[(f32, f32)], height: fn(&(f32, f32)) -> f32) -> String {
    let shown = &levels[levels.len().saturating_sub(WIDTH)..];
    let mut path = String::with_capacity(shown.len() * 20);
    for (at, level) in shown.iter().enumerate() {
        let x = WIDTH - shown.len() + at;
        let y = (height(level) * (HALF - 2) as f32).round() as i32;
        if y != 0 {
            path.push_str(&format!("M{x}.15 {HALF}h.7v{y}h-.7z"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_from_the_axis_and_the_newest_is_at_the_right() {
        assert_eq!(bars(&[(0.0, 0.0), (1.0, 0.5)], |(sent, _)| -sent), "M149.15 48h.7v-46h-.7z");
        assert_eq!(bars(&[], |(sent, _)| *sent), "");
        assert_eq!(bars(&vec![(1.0, 0.0); 400], |(sent, _)| -sent).matches('M').count(), WIDTH);
    }
}
