//! The life of a session: login result, heartbeat and throttle.

use std::time::Duration;

use crate::Event;

/// How often the page sends [`Command::Ping`](crate::Command::Ping), first this long after the socket opened.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);

/// So many pings without any frame in between mean that the link is dead; looked at on each tick before sending.
pub const UNANSWERED_PINGS: u32 = 3;

/// The time in which [`THROTTLE_MESSAGES`] drain from the bucket.
pub const THROTTLE_PERIOD: Duration = Duration::from_secs(30);

/// Messages of one user, over all his sockets, that drain in [`THROTTLE_PERIOD`]: three a second. Pings do
/// not count.
pub const THROTTLE_MESSAGES: u32 = 90;

/// Messages that the bucket holds at most; what comes on top is answered by [`throttled`] and not done.
pub const THROTTLE_BURST: u32 = 180;

/// The answer to a message over the limit.
pub fn throttled() -> Event {
    Event::Error { error: "Maximum throttle throughput exceeded.".to_owned() }
}

/// Why a session did not come about; the server closes the socket after saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedOnError {
    /// The login could not be done.
    Failed,
    /// The login took too long.
    Timeout,
}

impl LoggedOnError {
    /// The text on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            LoggedOnError::Failed => "loggedOnFailed",
            LoggedOnError::Timeout => "loggedOnTimeout",
        }
    }

    /// Anything but the timeout counts as a failure.
    pub(crate) fn from_name(name: &str) -> Self {
        if name == "loggedOnTimeout" { LoggedOnError::Timeout } else { LoggedOnError::Failed }
    }
}
