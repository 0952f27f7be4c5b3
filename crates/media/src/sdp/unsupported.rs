use thiserror::Error;

/// Why an offer or answer was not taken. Answered with SIP 488 (RFC 3261 §21.4.26), [`Unsupported::Overloaded`]
/// with 503 (§21.5.4).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// Over one of the gate's limits.
    #[error("the description has too many {what} (at most {limit})")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not a session description (RFC 8866 §9).
    #[error("line {line} is not valid: {what}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// One payload type for two codecs within a BUNDLE group (RFC 9143 §9.1).
    #[error("payload type {payload_type} stands for two codecs")]
    PayloadTypeConflict {
        /// The payload type.
        payload_type: u8,
    },
    /// No m-line with audio that is not rejected.
    #[error("no audio stream")]
    NoAudio,
    /// Audio, but not secured the way browsers do it (RFC 8827 §6.5).
    #[error("the audio stream is not DTLS-SRTP: {what}")]
    NotWebRtc {
        /// What is missing or too much.
        what: &'static str,
    },
    /// Audio, but not protected, or left unprotected, as a plain leg asks (RFC 4568).
    #[error("the audio stream does not have the protection asked for: {what}")]
    Protection {
        /// What is missing or too much.
        what: &'static str,
    },
    /// None of the codecs is one that this leg may use.
    #[error("no common codec")]
    NoCommonCodec,
    /// An answer that does not fit the offer (RFC 3264 §6).
    #[error("the answer does not fit the offer: {what}")]
    AnswerMismatch {
        /// Where it differs.
        what: &'static str,
    },
    /// The order does not fit the leg: unknown, or not at that point of its negotiation.
    #[error("out of order: {what}")]
    OutOfOrder {
        /// What was expected.
        what: &'static str,
    },
    /// Nothing is wrong with it, but there is no worker that has time for it.
    #[error("the media workers are overloaded")]
    Overloaded,
    /// The WebRTC engine did not take it.
    #[error("refused by the engine: {what}")]
    Engine {
        /// The engine's own words; no secrets.
        what: String,
    },
}
