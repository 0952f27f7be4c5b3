/// Puts text on the clipboard. False where the browser has none: it gives one to secure pages only.
pub fn copy(text: &str) -> bool {
    let Some(window) = web_sys::window().filter(web_sys::Window::is_secure_context) else { return false };
    // The answer of the promise is not waited for: from a click it is not refused.
    let _ = window.navigator().clipboard().write_text(text);
    true
}
