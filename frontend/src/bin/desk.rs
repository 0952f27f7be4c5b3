//! The desk's program: `/`.

fn main() {
    #[cfg(debug_assertions)]
    console_error_panic_hook::set_once();
    app::start_desk();
}
