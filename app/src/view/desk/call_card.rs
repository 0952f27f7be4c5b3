//! A call in hand: who, how long, what is heard in each direction, and what can be done with it.

use desk::{CallCard, CardId, Control, Waiting};
use leptos::{ev, prelude::*};

use super::{
    words::{blocked, card_glyph, notice_tone},
    work_list::latest,
};
use crate::{
    store::{Levels, Store},
    ui::{
        block::IntoBlock,
        button::{Blocked, button, truth},
        icon::{Glyph, changing_icon},
        keypad::{is_key, keypad},
        live::{live, memo, when},
        meter::level_meter,
        tone::Tone,
    },
    view::elapsed::elapsed,
};

/// Which call has its keypad open; at most one has.
#[derive(Clone, Copy)]
pub struct OpenPad(RwSignal<Option<CardId>>);

impl OpenPad {
    /// Makes it and offers it to the call cards and the shortcuts.
    pub fn provide() {
        provide_context(Self(RwSignal::new(None)));
    }

    /// Opens this call's keypad, or closes it.
    pub fn toggle(self, id: CardId) {
        self.0.update(|open| *open = (*open != Some(id)).then_some(id));
    }

    fn is_of(self, id: CardId) -> bool {
        self.0.get() == Some(id)
    }
}

/// The id of a call's section in the page: the focus goes there when the call comes into hand.
pub fn section_id(call: u64) -> String {
    format!("call-{call}")
}

/// One call.
pub fn call(store: Store, id: CardId) -> impl IntoView {
    let card = latest(store, id);
    let pad = expect_context::<OpenPad>();
    let has_sound = memo(move || card.with(CallCard::has_sound));
    // The keypad goes with the sound: what is on hold hears no digits.
    let pad_shown = memo(move || pad.is_of(id) && card.with(|card| card.controls.keypad.enabled()));
    view! {
        <section
            class="panel call"
            id=section_id(id.0)
            tabindex="-1"
            data-call-card=id.0.to_string()
            data-state=live(move || card.with(|card| card.state.slug()))
            aria-label=live(move || card.with(|card| format!("Call with {}", card.name)))
        >
            {head(store, card)}
            <div class="call-levels" data-idle=live(move || truth(!has_sound.get()))>{levels(store, card, has_sound)}</div>
            {bar(store, id, card, pad, pad_shown)}
            {note(store, card)}
            {when(move || pad_shown.get(), move || dtmf_pad(store, id, card).block())}
        </section>
    }
}

fn head(store: Store, card: Memo<CallCard>) -> impl IntoView {
    let about = move || {
        card.with(|card| {
            let number = (card.number != card.name).then(|| card.number.clone());
            let queue = card.queue.as_ref().map(|queue| format!("for {queue}"));
            [number, queue].into_iter().flatten().collect::<Vec<_>>().join(" · ")
        })
    };
    // The large clock runs from the answer on, before it from the first ring.
    let from = move || card.with(|card| card.answered.unwrap_or(card.started));
    view! {
        <div class="call-head">
            <p class="call-what">
                {changing_icon(move || card.with(|card| card_glyph(card.state, card.direction)))}
                <span>{live(move || card.with(|card| card.state.word()))}</span>
            </p>
            <h2 class="call-who"><bdi>{live(move || card.with(|card| card.name.clone()))}</bdi></h2>
            <p class="call-number"><bdi class="figures">{live(about)}</bdi></p>
            <div class="call-times">
                {elapsed(from, store.now, "Call time", "figures call-time")}
                <p class="call-total" hidden=live(move || !card.with(CallCard::is_held))>
                    "on hold "
                    {elapsed(move || card.with(|card| card.since), store.now, "Time on hold", "figures")}
                </p>
            </div>
        </div>
    }
}

/// Both directions, so that one-way sound is seen at once. They keep their place while there is no sound: the bar
/// below must not move under the pointer.
fn levels(store: Store, card: Memo<CallCard>, has_sound: Memo<bool>) -> impl IntoView {
    let muted = memo(move || card.with(|card| card.muted));
    let level = move |of: fn(&Levels) -> f32| if has_sound.get() { store.levels.with(of) } else { 0.0 };
    let you = move || if muted.get() { 0.0 } else { level(|levels| levels.microphone) };
    let them = move || level(|levels| levels.remote);
    view! {
        <div class="call-level">
            <span>"You"</span>
            {level_meter("Your voice", you)}
            <span class="call-level-word">{live(move || if muted.get() { "muted" } else { "" })}</span>
        </div>
        <div class="call-level">
            <span>"Other side"</span>
            {level_meter("Other side's voice", them)}
        </div>
    }
}

/// What one has to know about this call and cannot hear.
fn note(store: Store, card: Memo<CallCard>) -> impl IntoView {
    let note = memo(move || card.with(|card| card.note(store.now.get())));
    let tone = move || note.get().map_or(Tone::Info, |(level, _)| notice_tone(level));
    view! {
        <p class="call-note" data-tone=live(move || tone().slug()) hidden=live(move || note.get().is_none())>
            {changing_icon(move || tone().glyph())}
            <span>{live(move || note.get().map_or("", |(_, text)| text))}</span>
        </p>
    }
}

/// The call bar. Nothing in it moves: what cannot be used stays and says why.
fn bar(store: Store, id: CardId, card: Memo<CallCard>, pad: OpenPad, pad_shown: Memo<bool>) -> impl IntoView {
    let held = move || card.with(CallCard::is_held);
    let muted = move || card.with(|card| card.muted);
    let rule = move |of: fn(&CallCard) -> Control| move || -> Blocked { card.with(|card| blocked(of(card))) };
    let waits = move |what: fn(Waiting) -> bool| move || card.with(|card| card.waiting.is_some_and(what));
    let mute = button("Mute", move || store.toggle_mute(id))
        .word(move || if muted() { "Unmute" } else { "Mute" })
        .glyphs(move || if muted() { Glyph::MicOff } else { Glyph::Mic })
        .size("call")
        .hint("Ctrl+Shift+M")
        .lit(muted)
        .blocked(rule(|card| card.controls.mute));
    let hold = button("Hold", move || store.toggle_hold(id))
        .word(move || if held() { "Resume" } else { "Hold" })
        .glyphs(move || if held() { Glyph::Resume } else { Glyph::Hold })
        .size("call")
        .hint("Ctrl+Shift+H")
        .lit(held)
        .busy(waits(|waiting| matches!(waiting, Waiting::Hold | Waiting::Resume)))
        .blocked(rule(|card| card.controls.hold));
    let keypad = button("Keypad", move || pad.toggle(id))
        .glyph(Glyph::Keypad)
        .size("call")
        .hint("Ctrl+Shift+K")
        .expanded(move || pad_shown.get())
        .blocked(rule(|card| card.controls.keypad));
    let end = button("End", move || store.end(id))
        .glyph(Glyph::End)
        .kind("end")
        .size("call")
        .hint("Ctrl+Shift+E")
        .busy(waits(|waiting| waiting == Waiting::End))
        .blocked(rule(|card| card.controls.end));
    view! {
        <div class="call-bar" role="group" aria-label="Call controls">
            {mute.show()}
            {hold.show()}
            {keypad.show()}
            <span class="call-bar-end">{end.show()}</span>
        </div>
    }
}

/// Keys for the machines at the other end. Typed keys count too while the focus is in here.
fn dtmf_pad(store: Store, id: CardId, card: Memo<CallCard>) -> impl IntoView {
    let type_key = move |event: ev::KeyboardEvent| {
        let key = event.key();
        if let (Some(key), false) =
            (single(&key).filter(|key| is_key(*key)), event.ctrl_key() || event.alt_key())
        {
            event.prevent_default();
            store.send_dtmf(id, key);
        }
    };
    view! {
        <div class="call-pad" on:keydown=type_key>
            <p class="call-sent">
                <span class="overline" id="digits-sent">"Digits sent"</span>
                <output aria-labelledby="digits-sent">{live(move || card.with(|card| card.keys.clone()))}</output>
            </p>
            {keypad("Call keypad", move |key| store.send_dtmf(id, key))}
        </div>
    }
}

fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}
