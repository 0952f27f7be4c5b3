//! Attacks a running server over real sockets, and says whether it held.
//!
//! Each attack in [`attacks`] plays its part against a [`Target`] and hands what it saw to the rules in [`rules`],
//! which are plain functions. The target is Hotdesk's own binary with the demo world, started for the purpose on
//! ports of its own. That each rule can fail is shown by the tests, which play the same attacks against
//! [`naive`], a server with every vice that the rules look for.
//!
//! Everything stays on the loopback network, whose many addresses stand for as many sources.

pub mod attacks;
pub mod call;
pub mod crowd;
pub mod mutate;
pub mod naive;
pub mod phone;
pub mod probe;
pub mod report;
pub mod rules;
pub mod target;
pub mod wire;

pub use report::Report;
pub use target::Target;
