use std::error::Error;

use model::{LineId, UserId};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something that must be unique is in use.
    #[error("{what} is taken")]
    Taken {
        /// What it is, as the name of a column: `login`, `agent_id`, `number`, `name`.
        what: &'static str,
    },
    /// There is no such user.
    #[error("there is no user {0}")]
    UnknownUser(UserId),
    /// There is no such line.
    #[error("there is no line {0}")]
    UnknownLine(LineId),
    /// What is stored is no value of ours.
    #[error("stored {what} is unreadable: {value:?}")]
    Unreadable {
        /// The name of the column.
        what: &'static str,
        /// What was found there.
        value: String,
    },
    /// The store's own bytes are damaged. Writing to it further would make it worse.
    #[error("the store is damaged")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
    /// The disk is full. Nothing was lost; the same call may be made again later.
    #[error("no room left to store anything")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The store does not answer or fails. The same call may be made again later.
    #[error("the store is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, StoreError::Full(_) | StoreError::Unavailable(_))
    }
}
