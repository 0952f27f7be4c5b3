//! The loop round the switch: SIP flows, media workers, call records, and the echo page's sessions.

mod echo;
mod flows;
mod journal;
mod listen;
mod outgoing;
mod records;
mod run;
mod services;
mod sip_socket;
mod stream;
mod trunks;
mod udp;

pub use echo::{EchoTests, close_echo, echo_figures, open_echo};
pub use flows::Outbox;
pub use listen::{Listening, Names, OwnPorts, SipLimits, UdpPorts, listen};
pub use outgoing::{Callers, Connection, Dns, House, SystemDns, Trust, keep as keep_trunk};
pub use records::{Kept, NotStored, Records, keep as keep_records};
pub use run::{Setup, Signalling, Wish, spawn};
pub use services::{ServicesKeeper, keep_services};
pub use sip_socket::sip_socket;
pub use udp::UdpPort;
