//! The sound test's program: `/echo`. It carries nothing of the desk.

fn main() {
    #[cfg(debug_assertions)]
    console_error_panic_hook::set_once();
    app::start_echo();
}
