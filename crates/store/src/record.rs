use model::{EndCause, UserId};
use serde::{Deserialize, Serialize};

/// What remains of a call. Written once, when the call has ended.
///
/// Times are milliseconds since 1970-01-01 UTC by the server's clock, and say when; `duration_ms` is by the
/// monotonic clock, and says how long, even if the other clock was set in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// UUID version 7, chosen by the writer; makes a repeated write harmless.
    pub id: String,
    /// One for all legs of the call, as on the CTI wire.
    pub linked_id: String,
    /// Where the call came from and went to.
    pub direction: CallDirection,
    /// Number of the caller; empty if withheld.
    pub caller_number: String,
    /// Name of the caller; may be empty.
    pub caller_name: String,
    /// Number that was called.
    pub callee_number: String,
    /// Name of the callee; may be empty.
    pub callee_name: String,
    /// The caller, if a user of ours.
    pub caller_user: Option<UserId>,
    /// The callee, if a user of ours.
    pub callee_user: Option<UserId>,
    /// When the call began.
    pub started_at: i64,
    /// When it was answered, if it was.
    pub answered_at: Option<i64>,
    /// When it ended.
    pub ended_at: i64,
    /// From the beginning to the end, in milliseconds.
    pub duration_ms: i64,
    /// Why it ended.
    pub cause: EndCause,
}

/// Where a call came from and went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    /// Between phones of ours, or to a service of ours such as the echo test.
    Internal,
    /// From outside.
    Inbound,
    /// To the outside.
    Outbound,
}

impl CallDirection {
    /// The name kept in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            CallDirection::Internal => "internal",
            CallDirection::Inbound => "inbound",
            CallDirection::Outbound => "outbound",
        }
    }

    /// The direction of that stored name.
    pub fn from_name(name: &str) -> Option<CallDirection> {
        use CallDirection::*;
        [Internal, Inbound, Outbound].into_iter().find(|direction| direction.as_str() == name)
    }
}
