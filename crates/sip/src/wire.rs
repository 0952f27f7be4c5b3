//! Messages as this crate reads and writes them, over `sipx_sip`.

#[cfg(feature = "server")]
mod multipart;
mod read;
mod source;
mod text;
mod write;

#[cfg(feature = "server")]
pub(crate) use read::{LIMITS, seconds, thousandths};
pub(crate) use read::{
    accepts_sdp, address, allows_update, contacts, cseq, is_encoded, media_type, read, reject_unreadable,
    sdp_of, session_of, tag_of, text_of, tokens, too_many_hops,
};
pub(crate) use source::note_source;
pub use text::same_uri;
pub(crate) use text::{display, quote_name, user_in_uri, user_of};
#[cfg(feature = "server")]
pub(crate) use text::{phrase, unescape};
pub(crate) use write::{Draft, add, add_to_response, bytes_of, response_to, set, set_body};
