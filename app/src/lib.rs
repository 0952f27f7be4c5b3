//! Hotdesk's pages: Leptos, rendered in the browser alone.
//!
//! - `ui`: furniture that knows no telephony
//! - `view`: the screens; they read fields and call actions
//! - `store`: the plain `desk` state as signals, and the actions
//! - `signal`: what the state is kept in
//! - `browser`: sockets, peer connections and audio, the one room with `web_sys`
//!
//! The entries are [`start_desk`] and [`start_echo`]; each stands in a program of its own, so that neither carries the
//! other.

pub mod browser;
pub mod signal;
pub mod store;
pub mod ui;
pub mod view;

pub use view::{desk::start as start_desk, echo::start as start_echo};
