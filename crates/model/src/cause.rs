use serde::{Deserialize, Serialize};

/// Why a call or one of its legs ended. Every ending has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Someone hung up after the answer.
    Normal,
    /// The caller gave up before the answer.
    Cancelled,
    /// Nobody answered in time.
    NoAnswer,
    /// The called party is busy.
    Busy,
    /// The called party refused the call.
    Declined,
    /// The number exists nowhere.
    UnknownNumber,
    /// The number is known, but no phone is registered for it.
    Unavailable,
    /// The rules forbid the call.
    Forbidden,
    /// The two sides have no sound format in common, or the offer was unusable.
    NotAcceptable,
    /// The phone's connection was lost and did not come back.
    ConnectionLost,
    /// Another device of the same user took the call.
    AnsweredElsewhere,
    /// The server is stopping.
    ServerStopping,
    /// It has lasted as long as it may.
    TimeLimit,
    /// We have no room for the call.
    Overloaded,
    /// We are wrong.
    Internal,
}

impl EndCause {
    /// The SIP status code that refuses a call for this cause (RFC 3261 §21).
    pub const fn sip_status(self) -> u16 {
        match self {
            EndCause::Normal | EndCause::Unavailable | EndCause::NoAnswer | EndCause::TimeLimit => 480,
            EndCause::Cancelled | EndCause::AnsweredElsewhere => 487,
            EndCause::Busy => 486,
            EndCause::Declined => 603,
            EndCause::UnknownNumber => 404,
            EndCause::Forbidden => 403,
            EndCause::NotAcceptable => 488,
            EndCause::ConnectionLost => 408,
            EndCause::ServerStopping | EndCause::Overloaded => 503,
            EndCause::Internal => 500,
        }
    }

    /// The cause that a peer's final SIP status tells us (RFC 3261 §21).
    pub const fn from_sip_status(status: u16) -> EndCause {
        match status {
            404 | 410 | 484 | 604 => EndCause::UnknownNumber,
            486 | 600 => EndCause::Busy,
            603 => EndCause::Declined,
            408 => EndCause::NoAnswer,
            480 | 430 | 502 => EndCause::Unavailable,
            487 => EndCause::Cancelled,
            401 | 403 | 407 => EndCause::Forbidden,
            406 | 415 | 488 | 606 => EndCause::NotAcceptable,
            503 => EndCause::Overloaded,
            500..=599 => EndCause::Internal,
            600..=699 => EndCause::Declined,
            // what we do not know speaks for this one phone only
            _ => EndCause::Unavailable,
        }
    }

    /// The cause that a peer's final SIP status and the Q.850 value in its `Reason` header tell us together
    /// (RFC 6432): the value where it says more, else the status alone.
    pub const fn from_sip(status: u16, q850: Option<u16>) -> EndCause {
        match (status, q850) {
            (_, Some(1)) => EndCause::UnknownNumber,
            (_, Some(17)) => EndCause::Busy,
            (_, Some(19)) => EndCause::NoAnswer,
            (_, Some(20)) => EndCause::Unavailable,
            (_, Some(26)) => EndCause::AnsweredElsewhere,
            (_, Some(27)) => EndCause::ConnectionLost,
            (_, Some(42)) => EndCause::Overloaded,
            (_, Some(88)) => EndCause::NotAcceptable,
            (480, Some(16)) => EndCause::Normal,
            (480, Some(102)) => EndCause::TimeLimit,
            (503, Some(41)) => EndCause::ServerStopping,
            _ => EndCause::from_sip_status(status),
        }
    }

    /// The Q.850 cause value that goes into a `Reason` header (RFC 3326).
    pub const fn q850(self) -> u8 {
        match self {
            EndCause::Normal | EndCause::Cancelled => 16,
            EndCause::NoAnswer => 19,
            EndCause::Busy => 17,
            EndCause::Declined | EndCause::Forbidden => 21,
            EndCause::UnknownNumber => 1,
            EndCause::Unavailable => 20,
            EndCause::NotAcceptable => 88,
            EndCause::ConnectionLost => 27,
            EndCause::AnsweredElsewhere => 26,
            EndCause::ServerStopping | EndCause::Internal => 41,
            EndCause::Overloaded => 42,
            EndCause::TimeLimit => 102,
        }
    }

    /// The name kept in call records.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndCause::Normal => "normal",
            EndCause::Cancelled => "cancelled",
            EndCause::NoAnswer => "no_answer",
            EndCause::Busy => "busy",
            EndCause::Declined => "declined",
            EndCause::UnknownNumber => "unknown_number",
            EndCause::Unavailable => "unavailable",
            EndCause::Forbidden => "forbidden",
            EndCause::NotAcceptable => "not_acceptable",
            EndCause::ConnectionLost => "connection_lost",
            EndCause::AnsweredElsewhere => "answered_elsewhere",
            EndCause::ServerStopping => "server_stopping",
            EndCause::Overloaded => "overloaded",
            EndCause::TimeLimit => "time_limit",
            EndCause::Internal => "internal",
        }
    }

    /// All causes, in the order of their declaration.
    pub const ALL: [EndCause; 15] = [
        EndCause::Normal,
        EndCause::Cancelled,
        EndCause::NoAnswer,
        EndCause::Busy,
        EndCause::Declined,
        EndCause::UnknownNumber,
        EndCause::Unavailable,
        EndCause::Forbidden,
        EndCause::NotAcceptable,
        EndCause::ConnectionLost,
        EndCause::AnsweredElsewhere,
        EndCause::ServerStopping,
        EndCause::Overloaded,
        EndCause::TimeLimit,
        EndCause::Internal,
    ];

    /// The cause of that stored name.
    pub fn from_name(name: &str) -> Option<EndCause> {
        EndCause::ALL.into_iter().find(|cause| cause.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_comes_back_as_the_cause_it_was_sent_for() {
        for cause in EndCause::ALL {
            assert_eq!(EndCause::from_sip(cause.sip_status(), Some(cause.q850().into())), cause);
        }
    }

    #[test]
    fn a_refusal_without_a_reason_is_read_by_its_status() {
        use EndCause::*;
        for (status, cause) in [
            (404, UnknownNumber),
            (486, Busy),
            (600, Busy),
            (603, Declined),
            (408, NoAnswer),
            (480, Unavailable),
            (487, Cancelled),
            (403, Forbidden),
            (488, NotAcceptable),
            (503, Overloaded),
            (500, Internal),
            (699, Declined),
            (302, Unavailable),
        ] {
            assert_eq!(EndCause::from_sip(status, None), cause, "{status}");
            assert_eq!(
                EndCause::from_sip(status, Some(127)),
                cause,
                "{status}, with a value that says nothing"
            );
        }
    }

    #[test]
    fn names_are_read_back() {
        for cause in EndCause::ALL {
            assert_eq!(EndCause::from_name(cause.as_str()), Some(cause));
        }
    }
}
