//! Time on the screen: always computed from instants, never counted, so that a tab that slept shows the right value.

use leptos::prelude::*;
use timing::{Duration, Instant};

use crate::signal::ReadSignal;
use crate::ui::block::{Block, IntoBlock};
use crate::ui::live::live;

/// `m:ss` below an hour, `h:mm:ss` above.
pub fn clock_face(span: Duration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// How long ago, in words.
pub fn ago(span: Duration) -> String {
    match span.as_secs() {
        0..60 => "just now".into(),
        seconds @ 60..3600 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

/// The time since an instant. Not in a live region: a screen reader asks for it when it wants it.
pub fn elapsed(
    since: impl Fn() -> Instant + Send + Sync + 'static,
    now: ReadSignal<Instant>,
    name: &'static str,
    class: &'static str,
) -> Block {
    let face = live(move || clock_face(now.get().since(since())));
    view! { <span class=class role="timer" aria-label=name>{face}</span> }.block()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_grow_into_hours() {
        let face = |seconds| clock_face(Duration::from_secs(seconds));
        assert_eq!(face(0), "0:00");
        assert_eq!(face(134), "2:14");
        assert_eq!(face(3600 + 65), "1:01:05");
    }

    #[test]
    fn the_past_is_rounded_down() {
        assert_eq!(ago(Duration::from_secs(59)), "just now");
        assert_eq!(ago(Duration::from_secs(125)), "2 min ago");
        assert_eq!(ago(Duration::from_secs(7300)), "2 h ago");
    }
}
