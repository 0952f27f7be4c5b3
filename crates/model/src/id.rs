use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($repr:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $repr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A user with a CTI login.
    UserId(i64);
    /// A phone line: a SIP account with a number.
    LineId(i64);
    /// A contact-centre agent; a user has at most one.
    AgentId(i64);
    /// A conversation as agents see it, from the first ring to the last hang-up.
    CallId(u64);
    /// One party's side of a call: a SIP dialog and a media stream.
    LegId(u64);
    /// One CTI socket.
    SessionId(u64);
}
