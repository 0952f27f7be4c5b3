//! What every page does to the document around it.

use leptos::{
    prelude::*,
    wasm_bindgen::JsCast,
    web_sys::{Element, HtmlElement},
};

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
/// button that vanished. A heading or section that was given the focus so gives it on.
pub fn catch_focus(id: impl Into<String>) {
    let id = id.into();
    request_animation_frame(move || {
        let active = document().active_element();
        let parked = |active: &Element| active.get_attribute("tabindex").as_deref() == Some("-1");
        if active.is_none_or(|active| active.tag_name() == "BODY" || parked(&active)) {
            focus_on(&id);
        }
    });
}

/// Moves the focus to an element of the page, and the page to it.
pub fn focus_on(id: &str) {
    if let Some(element) = document().get_element_by_id(id) {
        let _ = element.unchecked_into::<HtmlElement>().focus();
    }
}
