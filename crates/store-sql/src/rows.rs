//! From rows to values.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use model::{AgentId, CallClass, EndCause, Forward, LineId, Role, UserId, UserServices};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use store::{CallDirection, CallRecord, Device, Line, NumberEntry, StoreError, TrunkEntry, User};

use crate::error::store_error;

type Result<T> = std::result::Result<T, StoreError>;

pub(crate) fn user(row: &SqliteRow) -> Result<User> {
    Ok(User {
        id: UserId(get(row, "id")?),
        login: get(row, "login")?,
        first_name: get(row, "first_name")?,
        last_name: get(row, "last_name")?,
        password_hash: get(row, "password_hash")?,
        role: named(row, "role", Role::from_name)?,
        enabled: get(row, "enabled")?,
        mobile_number: get::<Option<String>>(row, "mobile_number")?
            .map(|text| parsed("mobile_number", &text))
            .transpose()?,
        agent_id: get::<Option<i64>>(row, "agent_id")?.map(AgentId),
    })
}

pub(crate) fn line(row: &SqliteRow) -> Result<Line> {
    Ok(Line {
        id: LineId(get(row, "id")?),
        user_id: UserId(get(row, "user_id")?),
        number: parsed("number", &get::<String>(row, "number")?)?,
        name: get(row, "name")?,
        webrtc: get(row, "webrtc")?,
    })
}

pub(crate) fn device(row: &SqliteRow) -> Result<Device> {
    Ok(Device {
        name: get(row, "name")?,
        line_id: LineId(get(row, "line_id")?),
        ha1_md5: get(row, "ha1_md5")?,
        ha1_sha256: get(row, "ha1_sha256")?,
    })
}

pub(crate) fn services(row: &SqliteRow) -> Result<(UserId, UserServices)> {
    let forward = |enabled, destination| -> Result<Forward> {
        let number = get::<Option<String>>(row, destination)?;
        let destination = number.map(|text| parsed(destination, &text)).transpose()?;
        Ok(Forward { enabled: get(row, enabled)?, destination })
    };
    let services = UserServices {
        do_not_disturb: get(row, "do_not_disturb")?,
        call_waiting: get(row, "call_waiting")?,
        unconditional: forward("unconditional_enabled", "unconditional_destination")?,
        busy: forward("busy_enabled", "busy_destination")?,
        no_answer: forward("no_answer_enabled", "no_answer_destination")?,
    };
    Ok((UserId(get(row, "user_id")?), services))
}

pub(crate) fn call_record(row: &SqliteRow) -> Result<CallRecord> {
    Ok(CallRecord {
        id: get(row, "id")?,
        linked_id: get(row, "linked_id")?,
        direction: named(row, "direction", CallDirection::from_name)?,
        caller_number: get(row, "caller_number")?,
        caller_name: get(row, "caller_name")?,
        callee_number: get(row, "callee_number")?,
        callee_name: get(row, "callee_name")?,
        caller_user: get::<Option<i64>>(row, "caller_user")?.map(UserId),
        callee_user: get::<Option<i64>>(row, "callee_user")?.map(UserId),
        started_at: get(row, "started_at")?,
        answered_at: get(row, "answered_at")?,
        ended_at: get(row, "ended_at")?,
        duration_ms: get(row, "duration_ms")?,
        cause: named(row, "cause", EndCause::from_name)?,
    })
}

pub(crate) fn trunk(row: &SqliteRow) -> Result<TrunkEntry> {
    Ok(TrunkEntry { name: get(row, "name")?, settings: get(row, "settings")? })
}

pub(crate) fn number(row: &SqliteRow) -> Result<NumberEntry> {
    Ok(NumberEntry { number: parsed("number", &get::<String>(row, "number")?)?, to: get(row, "rings")? })
}

pub(crate) fn permissions(row: &SqliteRow) -> Result<(UserId, BTreeSet<CallClass>)> {
    let names: String = get(row, "classes")?;
    let unreadable = |name: &str| StoreError::Unreadable { what: "classes", value: name.to_owned() };
    let classes = names.split(' ').filter(|name| !name.is_empty());
    let classes = classes.map(|name| CallClass::from_name(name).ok_or_else(|| unreadable(name)));
    Ok((UserId(get(row, "user_id")?), classes.collect::<Result<_>>()?))
}

fn get<'r, T>(row: &'r SqliteRow, column: &'static str) -> Result<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(store_error)
}

fn named<T>(row: &SqliteRow, column: &'static str, from_name: fn(&str) -> Option<T>) -> Result<T> {
    let name: String = get(row, column)?;
    from_name(&name).ok_or(StoreError::Unreadable { what: column, value: name })
}

fn parsed<T: FromStr<Err: Display>>(column: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|_| StoreError::Unreadable { what: column, value: text.to_owned() })
}
