//! What an application may know about a dialog.

use crate::config::{DialogId, FlowId};

/// Who sent the INVITE that made a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer did.
    Inbound,
    /// We did.
    Outbound,
}

/// How far a dialog has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogState {
    /// Outbound: nothing but 100 has come back.
    Calling,
    /// Outbound: a provisional response has come back (RFC 3261 §12.1).
    Early,
    /// Inbound: the application has not answered yet.
    Offered,
    /// Inbound: our 2xx is out and its ACK is not in.
    Answered,
    /// Both sides agree that there is a call.
    Confirmed,
}

/// A dialog as its application sees it (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogInfo {
    /// Our handle.
    pub id: DialogId,
    /// Where the peer is now.
    pub flow: FlowId,
    /// Who called whom.
    pub direction: Direction,
    /// How far it has come.
    pub state: DialogState,
    /// The Call-ID.
    pub sip_call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag, once known.
    pub remote_tag: Option<String>,
    /// User part of the peer's address, unescaped.
    pub remote_user: String,
    /// The peer's display name.
    pub remote_name: Option<String>,
}
