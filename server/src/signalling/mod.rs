//! The loop round the switch: SIP flows, media workers, call records, and the echo page's sessions.

mod echo;
mod journal;
mod records;
mod run;
mod sip_socket;

pub use echo::{EchoTests, close_echo, echo_figures, open_echo};
pub use records::{Kept, NotStored, Records, keep as keep_records};
pub use run::{Setup, Signalling, Wish, spawn};
pub use sip_socket::sip_socket;
