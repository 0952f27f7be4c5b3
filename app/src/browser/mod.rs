//! The one room with `web_sys`: sockets, login, peer connections, microphone, sound, timers and the tab that has the
//! phone. It decides nothing about telephony; it does what orders say and tells what the browser said.

pub(crate) mod clipboard;
mod clock;
pub mod echo;
mod levels;
mod login;
mod microphone;
mod page;
mod peer;
mod question;
mod ring;
mod socket;
mod sound;
mod tab;
mod task;

pub(crate) use clock::{Timer, every, now};
pub(crate) use login::{Check, login};
pub(crate) use microphone::{Microphone, look as look_for_microphones, on_devices};
pub(crate) use page::{
    forget_session, is_secure, is_tls, keep_calls, kept_calls, kept_session, on_gesture, on_network, seed,
    socket_url, token,
};
pub(crate) use peer::{IceServers, Peer, PeerEvent};
pub(crate) use ring::Ring;
pub(crate) use socket::{Socket, SocketEvent};
pub(crate) use sound::allow as allow_sound;
pub(crate) use tab::Claim;
pub(crate) use task::spawn_local;
