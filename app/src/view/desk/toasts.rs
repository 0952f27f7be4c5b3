//! New notices, for a few seconds over the page. Each stays in the list at the side.

use std::time::Duration;

use desk::{Level, Notice};
use leptos::prelude::*;

use super::words::notice_tone;
use crate::{
    store::use_store,
    ui::{
        announcer::Announcer,
        block::IntoBlock,
        button::button,
        icon::{Glyph, icon},
        live::{follow, list},
    },
};

/// More than this would hide the desk.
const AT_ONCE: usize = 3;

/// Floats the newest notices and speaks them to screen readers.
#[component]
pub fn Toasts() -> impl IntoView {
    let store = use_store();
    let announcer = expect_context::<Announcer>();
    let shown = RwSignal::new(Vec::<Notice>::new());
    let drop_one = move |id| shown.update(|shown| shown.retain(|notice| notice.id != id));
    // What was there before this page was looked at is old news.
    let mut seen = store.notices.with_untracked(|notices| mark(notices));
    follow(move || {
        store.notices.with(|notices| {
            let newest = notices.first().filter(|_| mark(notices) > seen);
            seen = seen.max(mark(notices));
            let Some(newest) = newest else { return };
            match newest.level {
                Level::Error => announcer.call_out(newest.text.clone()),
                _ => announcer.say(newest.text.clone()),
            }
            shown.update(|shown| {
                shown.retain(|notice| notice.id != newest.id);
                shown.insert(0, newest.clone());
                shown.truncate(AT_ONCE);
            });
            let id = newest.id;
            set_timeout(move || drop_one(id), stay(newest.level));
        });
    });
    let toast = move |id: u64| {
        let find = |shown: &Vec<Notice>| shown.iter().find(|notice| notice.id == id).cloned();
        let notice = shown.with_untracked(find)?;
        let tone = notice_tone(notice.level);
        let hide = button("Hide", move || drop_one(id)).glyph(Glyph::Close).icon_only();
        Some(view! {
            <div class="toast" data-tone=tone.slug()>
                {icon(tone.glyph())}
                <p class="toast-words">{notice.text}</p>
                {hide.show()}
            </div>
        })
    };
    view! {
        <section class="toasts" aria-label="New notices">
            {list(move || shown.with(|shown| shown.iter().map(|notice| notice.id).collect()), move |id| toast(id).block())}
        </section>
    }
}

/// How far the notices have come: the newest one, and how often it was said.
fn mark(notices: &[Notice]) -> (u64, u32) {
    notices.first().map_or((0, 0), |newest| (newest.id, newest.times))
}

const fn stay(level: Level) -> Duration {
    match level {
        Level::Info => Duration::from_secs(5),
        Level::Warning => Duration::from_secs(8),
        Level::Error => Duration::from_secs(12),
    }
}
