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
    /// It is not this page's: another tab or a desk phone has it.
    Elsewhere {
        /// Where, as a sentence.
        reason: &'static str,
    },
    /// Somebody has to do something before it can work.
    Blocked {
        /// What, as a sentence.
        reason: &'static str,
    },
}

impl Connection {
    /// The name of the state for styles and tests: `off`, `connecting`, `up`, `down`, `elsewhere`,
    /// `blocked`.
    pub const fn slug(&self) -> &'static str {
        match self {
            Connection::Off => "off",
            Connection::Connecting => "connecting",
            Connection::Up => "up",
            Connection::Down { .. } => "down",
            Connection::Elsewhere { .. } => "elsewhere",
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
            Connection::Elsewhere { .. } => "Elsewhere",
            Connection::Blocked { .. } => "Blocked",
        }
    }

    /// What is wrong, if something is.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Connection::Down { reason, .. }
            | Connection::Elsewhere { reason }
            | Connection::Blocked { reason } => Some(reason),
            Connection::Off | Connection::Connecting | Connection::Up => None,
        }
    }

    /// Whether it is broken, and we are at it.
    pub fn is_broken(&self) -> bool {
        matches!(self, Connection::Down { .. })
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

/// The server is gone, or the phone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// What is wrong, as a sentence.
    pub reason: &'static str,
    /// When the next attempt begins; none while one runs.
    pub retry_at: Option<Instant>,
    /// Whether somebody is heard all the same.
    pub call_goes_on: bool,
}

impl Outage {
    pub(crate) fn of(connections: &Connections, call_goes_on: bool) -> Option<Outage> {
        let down = |link: &Connection| match link {
            Connection::Down { retry_at, reason } => Some((*reason, *retry_at)),
            _ => None,
        };
        let (events, phone) = (down(&connections.events), down(&connections.phone));
        let (reason, _) = events.or(phone)?;
        let retry_at = match (events, phone) {
            (Some((_, events)), Some((_, phone))) => events.zip(phone).map(|(a, b)| a.min(b)),
            (one, other) => one.or(other).and_then(|(_, retry_at)| retry_at),
        };
        Some(Outage { reason, retry_at, call_goes_on })
    }

    /// What is wrong, when it is tried again, and what still works.
    pub fn text(&self, now: Instant) -> String {
        let seconds = self.retry_at.map_or(0, |at| at.since(now).as_millis().div_ceil(1000) as u64);
        let after = match seconds {
            0 => "Trying now.".to_owned(),
            seconds => format!("Trying again in {seconds} s."),
        };
        let call = if self.call_goes_on { " Your call goes on." } else { "" };
        [self.reason, " ", &after, call].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use timing::Duration;

    #[test]
    fn the_countdown_shows_whole_seconds_and_never_less_than_none() {
        let at = Instant::from_micros(2_400_000);
        let mut outage = Outage { reason: "It is away.", retry_at: Some(at), call_goes_on: false };
        assert_eq!(outage.text(Instant::ORIGIN), "It is away. Trying again in 3 s.");
        assert_eq!(outage.text(Instant::ORIGIN + Duration::from_secs(9)), "It is away. Trying now.");
        outage = Outage { retry_at: None, call_goes_on: true, ..outage };
        assert_eq!(outage.text(Instant::ORIGIN), "It is away. Trying now. Your call goes on.");
    }
}
