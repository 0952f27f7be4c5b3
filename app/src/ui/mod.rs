//! Furniture: buttons, icons, meters, live regions. Nothing here knows telephony.

pub mod announcer;
pub mod block;
pub mod button;
pub mod icon;
pub mod keypad;
pub mod live;
pub mod meter;
pub mod popover;
pub mod tone;
