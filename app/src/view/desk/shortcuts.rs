//! Keys that work from anywhere on the desk.

use desk::{CallCard, CardId, Control};
use leptos::{ev, html, prelude::*, web_sys::Element};

use super::{account::ACCOUNT, call_card::OpenPad};
use crate::{
    store::Store,
    ui::{announcer::Announcer, button::button, icon::Glyph, live::follow},
    view::page::catch_focus,
};

/// What a chord does. Each is Ctrl+Shift or Alt+Shift with the letter: some browsers keep one of the two for themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chord {
    Answer,
    End,
    Mute,
    Hold,
    Keypad,
}

impl Chord {
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Answer, "A", "Answer"),
        (Self::End, "E", "End"),
        (Self::Mute, "M", "Mute or unmute"),
        (Self::Hold, "H", "Hold or resume"),
        (Self::Keypad, "K", "Keypad"),
    ];

    /// By the key's place, so that Shift and other layouts' letters do not matter.
    fn of(event: &ev::KeyboardEvent) -> Option<Self> {
        let chord = event.shift_key() && (event.ctrl_key() != event.alt_key()) && !event.meta_key();
        let code = event.code();
        let letter = code.strip_prefix("Key").filter(|_| chord)?;
        Self::ALL.iter().find(|(_, key, _)| *key == letter).map(|(chord, ..)| *chord)
    }

    /// Which call it means, and whether it may.
    fn target(self, calls: &[CallCard]) -> Option<(CardId, Control)> {
        let card = if self == Self::Answer { desk::ringing(calls) } else { desk::in_hand(calls) }?;
        let control = match self {
            Self::Answer => card.controls.answer,
            Self::End => card.controls.end,
            Self::Mute => card.controls.mute,
            Self::Hold => card.controls.hold,
            Self::Keypad => card.controls.keypad,
        };
        Some((card.id, control))
    }
}

/// Listens on the window for as long as the desk is shown.
pub fn listen(store: Store, list_shown: RwSignal<bool>) {
    let announcer = expect_context::<Announcer>();
    let pad = expect_context::<OpenPad>();
    let listener = window_event_listener(ev::keydown, move |event| {
        if event.ctrl_key() && event.key() == "/" {
            event.prevent_default();
            list_shown.set(true);
            return;
        }
        let Some(chord) = Chord::of(&event) else { return };
        event.prevent_default();
        if event.repeat() {
            return;
        }
        match store.calls.with_untracked(|calls| chord.target(calls)) {
            None => announcer.refuse("There is no call for that."),
            Some((_, control)) if !control.enabled() => announcer.refuse(control.reason()),
            Some((id, _)) => match chord {
                Chord::Answer => store.answer(id),
                Chord::End => store.end(id),
                Chord::Mute => store.toggle_mute(id),
                Chord::Hold => store.toggle_hold(id),
                Chord::Keypad => pad.toggle(id),
            },
        }
    });
    on_cleanup(move || listener.remove());
}

/// The list of shortcuts, over the page.
#[component]
pub fn ShortcutList(shown: RwSignal<bool>) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    follow(move || {
        let Some(dialog) = dialog.get() else { return };
        match (shown.get(), dialog.open()) {
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let closed = move |_| {
        shown.set(false);
        // The menu item that opened the list is gone.
        catch_focus(ACCOUNT);
    };
    let chords = Chord::ALL.map(|(_, key, what)| (what, vec!["Ctrl", "Shift", key]));
    let others = [("Dial the number in the field", vec!["Enter"]), ("This list", vec!["Ctrl", "/"])];
    let rows: Vec<_> = chords.into_iter().chain(others).map(|(what, keys)| row(what, keys)).collect();
    view! {
        <dialog node_ref=dialog class="dialog" aria-labelledby="shortcuts-head" on:close=closed>
            <div class="dialog-head">
                <h2 id="shortcuts-head">"Keyboard shortcuts"</h2>
                {button("Close", move || shown.set(false)).glyph(Glyph::Close).icon_only().show()}
            </div>
            <dl class="shortcuts">{rows}</dl>
            <p class="shortcuts-note">
                "Where the browser keeps a combination for itself, press "<kbd>"Alt"</kbd>" instead of "<kbd>"Ctrl"</kbd>"."
            </p>
        </dialog>
    }
}

fn row(what: &'static str, keys: Vec<&'static str>) -> impl IntoView {
    let keys: Vec<_> = keys.into_iter().map(|key| view! { <kbd>{key}</kbd>" " }).collect();
    view! { <div><dt>{what}</dt><dd>{keys}</dd></div> }
}
