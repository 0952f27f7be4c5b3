//! The screens. One component a file; every rule about telephony stands in the `desk` crate.

pub mod brand;
pub mod desk;
pub mod echo;
pub mod elapsed;
pub mod login;
pub mod lost;
pub mod page;
pub mod route;
pub mod theme;
