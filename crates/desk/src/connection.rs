use timing::Instant;

/// How one of the three connections stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It is not needed now.
    Off,
    /// It is being made.
    Connecting,
    /// It works.
    Up,
    /// It is broken, and we are at it.
    Down {
        /// When the next attempt begins, if it waits for one.
        retry_at: Option<Instant>,
        /// What is wrong, as a sentence.
        reason: &'static str,
    },
    /// Somebody has to do something before it can work.
    Blocked {
        /// What, as a sentence.
        reason: &'static str,
    },
}

impl Connection {
    /// The name of the state for styles and tests: `off`, `connecting`, `up`, `down`, `blocked`.
    pub const fn slug(&self) -> &'static str {
        match self {
            Connection::Off => "off",
            Connection::Connecting => "connecting",
            Connection::Up => "up",
            Connection::Down { .. } => "down",
            Connection::Blocked { .. } => "blocked",
        }
    }

    /// The word on the screen.
    pub const fn word(&self) -> &'static str {
        match self {
            Connection::Off => "Idle",
            Connection::Connecting => "Connecting…",
            Connection::Up => "Connected",
            Connection::Down { .. } => "Not connected",
            Connection::Blocked { .. } => "Blocked",
        }
    }

    /// What is wrong, if something is.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Connection::Down { reason, .. } | Connection::Blocked { reason } => Some(reason),
            _ => None,
        }
    }

    /// Whole seconds until the next attempt, rounded up.
    pub fn retry_in(&self, now: Instant) -> Option<u64> {
        match self {
            Connection::Down { retry_at: Some(at), .. } => {
                Some(at.since(now).as_millis().div_ceil(1000) as u64)
            }
            _ => None,
        }
    }

    /// Whether it works.
    pub fn is_up(&self) -> bool {
        *self == Connection::Up
    }
}

/// The three connections, named separately: one red light for three causes cannot be acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// The CTI socket.
    pub events: Connection,
    /// The SIP registration.
    pub phone: Connection,
    /// The sound of the calls in this tab.
    pub audio: Connection,
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::Duration;

    #[test]
    fn the_countdown_shows_whole_seconds_and_never_less_than_none() {
        let down = Connection::Down { retry_at: Some(Instant::from_micros(2_400_000)), reason: "" };
        assert_eq!(down.retry_in(Instant::ORIGIN), Some(3));
        assert_eq!(down.retry_in(Instant::ORIGIN + Duration::from_secs(9)), Some(0));
        assert_eq!(Connection::Up.retry_in(Instant::ORIGIN), None);
    }
}
