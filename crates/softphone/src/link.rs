use sip::FlowId;
use timing::Instant;

/// How the line stands with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody asked for it.
    Off,
    /// The socket is being opened, or the REGISTER is under way.
    Connecting,
    /// Calls can be made and taken.
    Registered,
    /// It did not work, or no longer does; the next attempt is at `retry_at`.
    Waiting {
        /// When we try again.
        retry_at: Instant,
        /// Why we are not registered.
        problem: RegistrationProblem,
    },
}

/// Why the line is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationProblem {
    /// The socket could not be opened, or was closed.
    NoConnection,
    /// The server gave no answer.
    NoAnswer,
    /// The server refused with this SIP status.
    Refused(u16),
}

/// The SIP WebSocket, as far as the phone knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Closed,
    Opening { give_up_at: Instant },
    Open { flow: FlowId },
    Waiting { retry_at: Instant, problem: RegistrationProblem },
}
