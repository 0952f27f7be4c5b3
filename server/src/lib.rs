//! The Hotdesk server: configuration, storage, logins, HTTP, and the loops round the engines.
//!
//! [`app::start`] is the one entry: it takes a [`config::Config`] and gives a running server. Nothing here decides
//! about calls; that is done by the engines in `crates/`, which the loops in `signalling`, `cti` and `media` feed.
#![warn(missing_docs)]

pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod cti;
pub mod engines;
pub mod http;
mod limits;
mod lines;
pub mod logging;
pub mod media;
mod outside;
pub mod shutdown;
pub mod signalling;
pub mod socket;
pub mod storage;
pub mod tls;
