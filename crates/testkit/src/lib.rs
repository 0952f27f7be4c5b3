//! The whole of a call in one process: simulated time, a network without delay, the real engines on both sides.
//!
//! [`World`] joins the server's engines ([`switch::Switch`], [`media::Plane`]) with browsers, each a real
//! [`softphone::Softphone`] and a full-ICE WebRTC peer that says its own name every 20 ms. Nothing sleeps and
//! nothing opens a socket; time is a number that the story advances. For tests only.
//!
//! ```
//! use testkit::World;
//!
//! let mut world = World::new().line("alice", "1001");
//! world.opens_page("alice");
//! world.dials("alice", "*55");
//! world.run_until(|world| world.hears("alice", "alice"));
//! ```
//!
//! Left to others: sockets and HTTP (`server/tests`), what a person does (`end2end/`).
#![warn(missing_docs)]

mod browser;
mod carrier;
mod desk_phone;
mod peer;
mod senses;
mod sip_phone;
mod world;

pub use browser::Browser;
pub use desk_phone::DeskPhone;
pub use sip_phone::{SipPhone, credentials};
pub use world::World;
