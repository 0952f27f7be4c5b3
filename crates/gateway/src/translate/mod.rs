//! The one place where the words of the CTI wire and those of the house meet.

mod command;
mod event;

pub(crate) use command::{Meaning, command};
pub(crate) use event::{greeting, ice_config, line_config, phone_act, phone_event, phone_status, services};
