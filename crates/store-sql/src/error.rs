//! What an SQL error means to the port.

use sqlx::error::ErrorKind;
use store::StoreError;

/// Columns that must be unique, as they appear at the end of SQLite's message.
const UNIQUE: [&str; 4] = ["login", "agent_id", "number", "name"];

/// Primary result codes, <https://www.sqlite.org/rescode.html>; an extended code has them in its low byte.
mod code {
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const NOTADB: i32 = 26;
}

pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    if let Some(what) = taken(&error) {
        return StoreError::Taken { what };
    }
    match primary_code(&error) {
        Some(code::FULL) => StoreError::Full(error.into()),
        Some(code::CORRUPT | code::NOTADB) => StoreError::Damaged(error.into()),
        _ => StoreError::Unavailable(error.into()),
    }
}

/// Whether a row names another that is not there.
pub(crate) fn breaks_a_reference(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.kind() == ErrorKind::ForeignKeyViolation)
}

pub(crate) fn is_not_a_database(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(code::NOTADB)
}

pub(crate) fn is_corrupt(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(code::CORRUPT)
}

fn taken(error: &sqlx::Error) -> Option<&'static str> {
    let error = error.as_database_error().filter(|error| error.kind() == ErrorKind::UniqueViolation)?;
    let (_, column) = error.message().rsplit_once('.')?;
    UNIQUE.into_iter().find(|unique| *unique == column)
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
