//! What every page does to the document around it.

use leptos::{prelude::*, wasm_bindgen::JsCast, web_sys::HtmlElement};

/// Puts `view` in the place of the shell's skeleton (`#app` of the HTML page).
pub fn mount<F, N>(view: F)
where
    F: FnOnce() -> N + 'static,
    N: IntoView,
{
    let place = document().get_element_by_id("app").expect("the page's shell has a place for the program");
    place.set_inner_html("");
    mount_to(place.unchecked_into(), view).forget();
}

/// Names the screen on `<html>`, for styles and tests.
pub fn name_screen(name: &str) {
    if let Some(root) = document().document_element() {
        let _ = root.set_attribute("data-page", name);
    }
}

/// Moves the focus to an element of the page if what had it is gone: a keyboard must not fall off the page with a
/// button that vanished.
pub fn catch_focus(id: &'static str) {
    request_animation_frame(move || {
        let active = document().active_element();
        if active.is_none_or(|active| active.tag_name() == "BODY") {
            focus_on(id);
        }
    });
}

/// Moves the focus to an element of the page, and the page to it.
pub fn focus_on(id: &str) {
    if let Some(element) = document().get_element_by_id(id) {
        let _ = element.unchecked_into::<HtmlElement>().focus();
    }
}
