use std::cell::RefCell;

use timing::Duration;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AudioContext, AudioContextState, Element, HtmlAudioElement, MediaStream};

use super::clock::sleep;
use super::page::window;

/// Where the elements with the remote sound stand in the document.
const PLACE: &str = "sounds";

/// A browser that agrees starts the audio within a third of a second.
const STEP: Duration = Duration::from_millis(30);
const PATIENCE: u32 = 10;

thread_local! {
    static CONTEXT: RefCell<Option<AudioContext>> = const { RefCell::new(None) };
}

/// The page's one audio context; none where the browser has no Web Audio.
pub(crate) fn context() -> Option<AudioContext> {
    CONTEXT.with_borrow_mut(|context| {
        if context.is_none() {
            *context = AudioContext::new().ok();
        }
        context.clone()
    })
}

/// Whether Web Audio is heard, as far as it was ever needed.
pub(crate) fn is_running() -> bool {
    CONTEXT.with_borrow(|context| {
        context.as_ref().is_none_or(|context| context.state() == AudioContextState::Running)
    })
}

/// What the browser lets out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// The bell, by Web Audio.
    pub bell: bool,
    /// The voices of all calls.
    pub voices: bool,
}

/// Lets sound out. Only a click makes browsers agree, so this is called from one.
pub(crate) fn allow() -> impl Future<Output = Allowed> {
    // At once, while the click lasts.
    if let Some(context) = context() {
        let _ = context.resume();
    }
    async {
        // A browser that does not agree leaves the promise open instead of rejecting it.
        for _ in 0..PATIENCE {
            if is_running() {
                break;
            }
            sleep(STEP).await;
        }
        Allowed { voices: play_all().await, bell: is_running() }
    }
}

async fn play_all() -> bool {
    let Some(place) = place() else { return true };
    let elements = place.children();
    let mut all = true;
    for index in 0..elements.length() {
        let element = elements.item(index).and_then(|element| element.dyn_into::<HtmlAudioElement>().ok());
        if let Some(element) = element {
            all &= play(&element).await;
        }
    }
    all
}

/// The remote sound of one call: an `<audio data-call="N">` in the document. Dropping it takes it out.
pub(crate) struct RemoteSound {
    element: HtmlAudioElement,
}

impl RemoteSound {
    pub fn new(call: &str, stream: &MediaStream) -> Option<RemoteSound> {
        let element = HtmlAudioElement::new().ok()?;
        element.set_autoplay(true);
        element.set_src_object(Some(stream));
        let _ = element.set_attribute("data-call", call);
        let _ = place()?.append_child(&element);
        Some(RemoteSound { element })
    }

    pub fn element(&self) -> &HtmlAudioElement {
        &self.element
    }
}

impl Drop for RemoteSound {
    fn drop(&mut self) {
        let _ = self.element.pause();
        self.element.set_src_object(None);
        self.element.remove();
    }
}

/// Plays, or tells that the browser does not want to without a click.
pub(crate) async fn play(element: &HtmlAudioElement) -> bool {
    match element.play() {
        Ok(playing) => match JsFuture::from(playing).await {
            Ok(_) => true,
            // Taken out of the page meanwhile is not blocked.
            Err(error) => {
                error.dyn_ref::<web_sys::DomException>().is_none_or(|e| e.name() != "NotAllowedError")
            }
        },
        Err(_) => false,
    }
}

fn place() -> Option<Element> {
    let document = window().document()?;
    if let Some(place) = document.get_element_by_id(PLACE) {
        return Some(place);
    }
    let place = document.create_element("div").ok()?;
    place.set_id(PLACE);
    let _ = place.set_attribute("hidden", "");
    document.body()?.append_child(&place).ok()?;
    Some(place)
}
