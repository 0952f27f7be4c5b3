//! New notices and refusals, for a few seconds over the page. Each notice stays in the list at the side.

use std::time::Duration;

use desk::{Level, Notice};
use leptos::{leptos_dom::helpers::TimeoutHandle, prelude::*};

use super::words::notice_tone;
use crate::{
    store::use_store,
    ui::{
        announcer::Announcer,
        block::IntoBlock,
        button::button,
        icon::{Glyph, icon},
        live::{follow, list},
        tone::Tone,
    },
};

/// More than this would hide the desk.
const AT_ONCE: usize = 3;

/// Why a press did nothing is read at once or not at all.
const REFUSAL_STAYS: Duration = Duration::from_secs(4);

/// A line that floats for a while.
#[derive(Clone)]
struct Toast {
    /// Tells notices and refusals apart, and each from the others of its kind.
    key: u64,
    tone: Tone,
    text: String,
    stays: Duration,
}

impl Toast {
    fn of_notice(notice: &Notice) -> Self {
        let (key, tone) = (2 * notice.id, notice_tone(notice.level));
        Self { key, tone, text: notice.text.clone(), stays: stay(notice.level) }
    }

    fn of_refusal(number: u64, text: String) -> Self {
        Self { key: 2 * number + 1, tone: Tone::Fair, text, stays: REFUSAL_STAYS }
    }

    const fn is_refusal(&self) -> bool {
        self.key % 2 == 1
    }
}

/// What floats now, newest first, each with the timer that takes it away.
#[derive(Clone, Copy)]
struct Floating(RwSignal<Vec<(Toast, Option<TimeoutHandle>)>>);

impl Floating {
    fn raise(self, toast: Toast) {
        let key = toast.key;
        self.drop_all(|old| old.key == key || (old.is_refusal() && toast.is_refusal()));
        let timer =
            set_timeout_with_handle(move || self.drop_all(|toast| toast.key == key), toast.stays).ok();
        self.0.update(|all| {
            all.insert(0, (toast, timer));
            for (_, timer) in all.drain(AT_ONCE.min(all.len())..) {
                stop(timer);
            }
        });
    }

    fn drop_all(self, gone: impl Fn(&Toast) -> bool) {
        // The desk may have been left while a timer ran.
        let _ = self.0.try_maybe_update(|all| {
            let before = all.len();
            all.retain(|(toast, timer)| {
                let goes = gone(toast);
                if goes {
                    stop(*timer);
                }
                !goes
            });
            (all.len() != before, ())
        });
    }

    fn find(self, key: u64) -> Option<Toast> {
        self.0.with_untracked(|all| {
            all.iter().find(|(toast, _)| toast.key == key).map(|(toast, _)| toast.clone())
        })
    }
}

fn stop(timer: Option<TimeoutHandle>) {
    if let Some(timer) = timer {
        timer.clear();
    }
}

/// Floats what is new and speaks it to screen readers.
#[component]
pub fn Toasts() -> impl IntoView {
    let store = use_store();
    let announcer = expect_context::<Announcer>();
    let floating = Floating(RwSignal::new(Vec::new()));
    // What was there before this page was looked at is old news.
    let mut seen = store.notices.with_untracked(|notices| newest(notices));
    follow(move || {
        let fresh: Vec<Notice> = store.notices.with(|notices| {
            let fresh = since(notices, seen).cloned().collect();
            seen = seen.max(newest(notices));
            fresh
        });
        for notice in fresh {
            match notice.level {
                Level::Error => announcer.call_out(notice.text.clone()),
                _ => announcer.say(notice.text.clone()),
            }
            floating.raise(Toast::of_notice(&notice));
        }
    });
    let mut refusals = 0;
    follow(move || {
        let refusal = announcer.refusal();
        // The one that is found here at first was for the screen before.
        if refusals > 0 {
            floating.raise(Toast::of_refusal(refusals, refusal));
        }
        refusals += 1;
    });
    let toast = move |key: u64| {
        let Toast { tone, text, .. } = floating.find(key)?;
        let hide = button("Hide", move || floating.drop_all(|toast| toast.key == key));
        Some(view! {
            <div class="toast" data-tone=tone.slug()>
                {icon(tone.glyph())}
                <p class="toast-words">{text}</p>
                {hide.glyph(Glyph::Close).icon_only().show()}
            </div>
        })
    };
    view! {
        <section class="toasts" aria-label="New notices">
            {list(move || floating.0.with(|all| all.iter().map(|(toast, _)| toast.key).collect()), move |key| toast(key).block())}
        </section>
    }
}

/// How far the notices have come: the newest one, and how often it was said.
fn newest(notices: &[Notice]) -> (u64, u32) {
    notices.first().map_or((0, 0), mark)
}

const fn mark(notice: &Notice) -> (u64, u32) {
    (notice.id, notice.times)
}

/// What was said after `seen`, oldest first. The list is newest first.
fn since(notices: &[Notice], seen: (u64, u32)) -> impl Iterator<Item = &Notice> {
    notices.iter().rev().filter(move |notice| mark(notice) > seen)
}

const fn stay(level: Level) -> Duration {
    match level {
        Level::Info => Duration::from_secs(5),
        Level::Warning => Duration::from_secs(8),
        Level::Error => Duration::from_secs(12),
    }
}

#[cfg(test)]
mod tests {
    use timing::Instant;

    use super::*;

    fn notice(id: u64, times: u32) -> Notice {
        Notice { id, at: Instant::ORIGIN, level: Level::Info, text: String::new(), times }
    }

    #[test]
    fn all_that_is_new_is_told_in_the_order_in_which_it_was_said() {
        let notices = [notice(4, 1), notice(3, 2), notice(2, 1), notice(1, 1)];
        let told = |seen| since(&notices, seen).map(|notice| notice.id).collect::<Vec<_>>();
        assert_eq!(told((0, 0)), [1, 2, 3, 4]);
        assert_eq!(told((2, 1)), [3, 4]);
        assert_eq!(told((3, 1)), [3, 4], "what is said again is told again");
        assert!(told(newest(&notices)).is_empty());
    }

    #[test]
    fn notices_and_refusals_never_share_a_key() {
        let refusal = Toast::of_refusal(3, String::new());
        assert!(refusal.is_refusal());
        assert!(!Toast::of_notice(&notice(3, 1)).is_refusal());
    }
}
