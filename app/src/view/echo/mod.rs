//! The sound test: one button, one sentence, three lights, and the details for whoever helps. No login.

mod details;
mod lights;
mod scope;

use std::time::Duration;

use leptos::{html, prelude::*};

use self::scope::Trace;
use super::{brand::Brand, page, theme::theme_switch};
use crate::{
    browser::{
        clipboard,
        echo::{EchoTest, Ended, Phase, Verdict},
    },
    ui::{
        announcer::{Announcer, LiveRegions},
        block::Block,
        button::button,
        icon::{self, Glyph, Sprite, changing_icon},
        live::{follow, live, memo},
        tone::Tone,
    },
};

/// A test ends by itself so many seconds after sound can pass: enough to speak a sentence and to see a loss.
const ENOUGH_SECONDS: u32 = 15;

/// Starts the sound test in the page's shell.
pub fn start() {
    page::mount(|| view! { <Page/> });
}

#[component]
fn Page() -> impl IntoView {
    let announcer = Announcer::provide();
    let test = EchoTest::new();
    let trace = Trace::of(test);
    page::name_screen("echo");
    follow(move || {
        if test.elapsed.get() >= ENOUGH_SECONDS {
            test.stop();
        }
    });
    speak(test, announcer);
    let three = memo(move || lights::now(test, trace));
    let begun = memo(move || test.phase.get() != Phase::Idle);
    view! {
        <Sprite symbols=&[icon::SHARED]/>
        <div class="plain">
            <header class="plain-bar">
                <Brand/>
                <nav aria-label="Main">
                    <a href="/">"Desk"</a>
                    <a href="/echo" aria-current="page">"Sound test"</a>
                    {theme_switch()}
                </nav>
            </header>
            <main class="plain-column echo" data-state=live(move || stage(test.phase.get()))>
                {head(test)}
                {actions(test, trace)}
                {lights::lights(three)}
                <div class="echo-figures" hidden=live(move || !begun.get())>
                    {scope::scope(test, trace)}
                    {details::details(test, three)}
                </div>
            </main>
            <footer class="plain-foot">
                "Your voice goes to this server and straight back. It is not recorded, and no other site is asked."
            </footer>
        </div>
        <LiveRegions announcer/>
    }
}

/// The name of the phase for styles and tests.
const fn stage(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "start",
        Phase::Starting | Phase::Running => "running",
        Phase::Done(Ended::Failed) => "failed",
        Phase::Done(_) => "done",
    }
}

/// Says each station once; figures stay silent.
fn speak(test: EchoTest, announcer: Announcer) {
    let mut before = Phase::Idle;
    follow(move || {
        let phase = test.phase.get();
        if before != phase && phase != Phase::Idle {
            announcer.say(untrack(move || sentence(test)));
        }
        before = phase;
    });
}

/// The one plain sentence: what to do now, or the result.
fn sentence(test: EchoTest) -> &'static str {
    match test.phase.get() {
        Phase::Idle => "Find out in fifteen seconds whether calls will sound right from here.",
        Phase::Starting if test.timings.with(|timings| timings.microphone.is_none()) => {
            "Waiting for your microphone. Allow it if the browser asks."
        }
        Phase::Starting => "Connecting to the server…",
        Phase::Running => "Say something: you should hear yourself.",
        Phase::Done(_) => test.verdict.get().map_or("Stopped before there was a result.", Verdict::text),
    }
}

fn verdict_tone(test: EchoTest) -> Tone {
    match (test.phase.get(), test.verdict.get()) {
        (Phase::Idle, _) => Tone::Off,
        (Phase::Starting | Phase::Running, _) => Tone::Busy,
        (_, None) => Tone::Off,
        (_, Some(Verdict::Good)) => Tone::Good,
        (_, Some(Verdict::Fair | Verdict::Quiet)) => Tone::Fair,
        (_, Some(_)) => Tone::Bad,
    }
}

fn head(test: EchoTest) -> impl IntoView {
    let tone = memo(move || verdict_tone(test));
    let heard = move || match test.meters.with(|meters| meters.own_sound) {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    view! {
        <div class="echo-head">
            <h1>"Sound test"</h1>
            <p
                class="echo-result"
                data-tone=live(move || tone.get().slug())
                data-echo=live(heard)
                data-result=live(move || test.verdict.get().map_or("", Verdict::slug))
            >
                {changing_icon(move || tone.get().glyph())}
                <span>{live(move || sentence(test))}</span>
            </p>
        </div>
    }
}

fn actions(test: EchoTest, trace: Trace) -> impl IntoView {
    let running = move || matches!(test.phase.get(), Phase::Starting | Phase::Running);
    let press = move || if untrack(running) { test.stop() } else { test.start() };
    let start = button("Start the test", press)
        .word(move || match test.phase.get() {
            Phase::Idle => "Start the test",
            Phase::Starting | Phase::Running => "Stop",
            Phase::Done(_) => "Run again",
        })
        .glyphs(move || match test.phase.get() {
            Phase::Idle => Glyph::Mic,
            Phase::Starting | Phase::Running => Glyph::Close,
            Phase::Done(_) => Glyph::Again,
        })
        .kind("primary")
        .size("tall")
        .deliberate();
    let field = NodeRef::<html::Textarea>::new();
    let by_hand = RwSignal::new(false);
    let done = move || matches!(test.phase.get(), Phase::Done(_));
    // Selected already: what remains is one press of two keys.
    let offer = move |text: &str| {
        by_hand.set(true);
        if let Some(field) = field.get_untracked() {
            field.set_value(text);
            request_animation_frame(move || {
                let _ = field.focus();
                field.select();
            });
        }
    };
    let hint = move || match test.phase.get() {
        Phase::Idle => {
            "Your browser will ask for the microphone. With a headset the result is clearer.".to_owned()
        }
        Phase::Running => format!("{} s left", ENOUGH_SECONDS.saturating_sub(test.elapsed.get())),
        _ => String::new(),
    };
    view! {
        <div class="echo-actions">
            {start.show()}
            <span hidden=live(move || !done())>{copy_for_support(test, trace, offer)}</span>
            <p class="echo-hint">{live(hint)}</p>
        </div>
        <div class="echo-copy" hidden=live(move || !(by_hand.get() && done()))>
            <label for="support-text">"This page may not copy. Press Ctrl+C to copy the result."</label>
            <textarea node_ref=field id="support-text" readonly rows="8"></textarea>
        </div>
    }
}

/// `offer` gets the text where the browser keeps the clipboard from the page.
fn copy_for_support(test: EchoTest, trace: Trace, offer: impl Fn(&str) + Send + Sync + 'static) -> Block {
    let copied = RwSignal::new(false);
    let announcer = expect_context::<Announcer>();
    let copy = move || {
        let text = untrack(move || details::text(test, trace, sentence(test)));
        if clipboard::copy(&text) {
            copied.set(true);
            announcer.say("Copied");
            set_timeout(move || copied.set(false), Duration::from_secs(2));
        } else {
            offer(&text);
        }
    };
    button("Copy for support", copy)
        .word(move || if copied.get() { "Copied" } else { "Copy for support" })
        .glyphs(move || if copied.get() { Glyph::Good } else { Glyph::Copy })
        .size("tall")
        .show()
}
