use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use model::{CallClass, LineId, PhoneNumber, UserId, UserServices};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};
use store::{CallRecord, Device, Line, NewLine, NewUser, NumberEntry, Store, StoreError, TrunkEntry, User};

use crate::devices;
use crate::error::{breaks_a_reference, store_error};
use crate::open::{self, OpenError, Opened};
use crate::rows;

/// How long [`Store::health`] waits before it calls the store ill.
const HEALTH_PATIENCE: Duration = Duration::from_secs(5);

macro_rules! user_columns {
    () => {
        "id, login, first_name, last_name, password_hash, role, enabled, mobile_number, agent_id"
    };
}

macro_rules! line_columns {
    () => {
        "id, user_id, number, name, webrtc"
    };
}

macro_rules! services_columns {
    () => {
        "user_id, do_not_disturb, call_waiting, unconditional_enabled, unconditional_destination, busy_enabled, \
         busy_destination, no_answer_enabled, no_answer_destination"
    };
}

macro_rules! record_columns {
    () => {
        "id, linked_id, direction, caller_number, caller_name, callee_number, callee_name, caller_user, callee_user, \
         started_at, answered_at, ended_at, duration_ms, cause"
    };
}

/// The store in a SQLite file: one writer, several readers, a write-ahead log flushed at each commit.
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    _lock: File,
}

impl Sqlite {
    /// Opens the file, which is made if it is not there, and brings its schema up to date.
    ///
    /// Beside it lie `-wal` and `-shm`, which belong to the database and must move with it, and `.lock`, by which a
    /// second process is kept out.
    ///
    /// # Errors
    /// [`OpenError`]: the file is in use, not ours, of a newer release, damaged, or the disk fails.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let Opened { writer, readers, lock } = open::open(path.as_ref()).await?;
        Ok(Sqlite { writer, readers, _lock: lock })
    }

    /// Waits for running statements, writes the log into the file and closes it. Later calls get
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Tells which of the users a foreign key was violated by.
    async fn unknown_user(&self, error: sqlx::Error, users: &[Option<UserId>]) -> StoreError {
        if breaks_a_reference(&error) {
            for id in users.iter().copied().flatten() {
                match self.user(id).await {
                    Ok(None) => return StoreError::UnknownUser(id),
                    Ok(Some(_)) => {}
                    Err(error) => return error,
                }
            }
        }
        store_error(error)
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        let query = concat!("SELECT ", user_columns!(), " FROM users WHERE login = $1");
        one(sqlx::query(query).bind(login).fetch_optional(&self.readers).await, rows::user)
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let query = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");
        one(sqlx::query(query).bind(id.0).fetch_optional(&self.readers).await, rows::user)
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        let query = concat!("SELECT ", user_columns!(), " FROM users ORDER BY id");
        many(sqlx::query(query).fetch_all(&self.readers).await, rows::user)
    }

    async fn line_of(&self, user: UserId) -> Result<Option<Line>, StoreError> {
        let query = concat!("SELECT ", line_columns!(), " FROM lines WHERE user_id = $1 ORDER BY id LIMIT 1");
        one(sqlx::query(query).bind(user.0).fetch_optional(&self.readers).await, rows::line)
    }

    async fn line_by_name(&self, name: &str) -> Result<Option<Line>, StoreError> {
        let query = concat!("SELECT ", line_columns!(), " FROM lines WHERE name = $1");
        one(sqlx::query(query).bind(name).fetch_optional(&self.readers).await, rows::line)
    }

    async fn line_by_number(&self, number: &PhoneNumber) -> Result<Option<Line>, StoreError> {
        let query = concat!("SELECT ", line_columns!(), " FROM lines WHERE number = $1");
        one(sqlx::query(query).bind(number.as_str()).fetch_optional(&self.readers).await, rows::line)
    }

    async fn add_user(&self, user: NewUser) -> Result<User, StoreError> {
        let row = sqlx::query(
            "INSERT INTO users (login, first_name, last_name, password_hash, role, enabled, mobile_number, agent_id) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        )
        .bind(&user.login)
        .bind(&user.first_name)
        .bind(&user.last_name)
        .bind(&user.password_hash)
        .bind(user.role.as_str())
        .bind(user.enabled)
        .bind(user.mobile_number.as_ref().map(PhoneNumber::as_str))
        .bind(user.agent_id.map(|id| id.0))
        .fetch_one(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(user.with_id(UserId(row.try_get("id").map_err(store_error)?)))
    }

    async fn set_password_hash(&self, user: UserId, hash: &str) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2").bind(hash).bind(user.0);
        let done = query.execute(&self.writer).await.map_err(store_error)?;
        if done.rows_affected() == 0 { Err(StoreError::UnknownUser(user)) } else { Ok(()) }
    }

    async fn add_line(&self, line: NewLine) -> Result<Line, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO lines (user_id, number, name, webrtc) SELECT $1, $2, $3, $4 \
             WHERE NOT EXISTS (SELECT 1 FROM devices WHERE name = $3) RETURNING id",
        )
        .bind(line.user_id.0)
        .bind(line.number.as_str())
        .bind(&line.name)
        .bind(line.webrtc)
        .fetch_optional(&self.writer)
        .await;
        match inserted {
            Ok(None) => Err(StoreError::Taken { what: "name" }),
            Ok(Some(row)) => Ok(line.with_id(LineId(row.try_get("id").map_err(store_error)?))),
            Err(error) => Err(self.unknown_user(error, &[Some(line.user_id)]).await),
        }
    }

    async fn lines(&self) -> Result<Vec<Line>, StoreError> {
        let query = concat!("SELECT ", line_columns!(), " FROM lines ORDER BY id");
        many(sqlx::query(query).fetch_all(&self.readers).await, rows::line)
    }

    async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        let query = "SELECT name, line_id, ha1_md5, ha1_sha256 FROM devices ORDER BY name";
        many(sqlx::query(query).fetch_all(&self.readers).await, rows::device)
    }

    async fn put_device(&self, device: Device) -> Result<(), StoreError> {
        devices::put(&device, &self.writer).await
    }

    async fn remove_device(&self, name: &str) -> Result<bool, StoreError> {
        devices::remove(name, &self.writer).await
    }

    async fn services(&self) -> Result<Vec<(UserId, UserServices)>, StoreError> {
        let query = concat!("SELECT ", services_columns!(), " FROM user_services ORDER BY user_id");
        many(sqlx::query(query).fetch_all(&self.readers).await, rows::services)
    }

    async fn set_services(&self, user: UserId, services: &UserServices) -> Result<(), StoreError> {
        let written = sqlx::query(concat!(
            "INSERT OR REPLACE INTO user_services (",
            services_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        ))
        .bind(user.0)
        .bind(services.do_not_disturb)
        .bind(services.call_waiting)
        .bind(services.unconditional.enabled)
        .bind(services.unconditional.destination.as_ref().map(PhoneNumber::as_str))
        .bind(services.busy.enabled)
        .bind(services.busy.destination.as_ref().map(PhoneNumber::as_str))
        .bind(services.no_answer.enabled)
        .bind(services.no_answer.destination.as_ref().map(PhoneNumber::as_str))
        .execute(&self.writer)
        .await;
        match written {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unknown_user(error, &[Some(user)]).await),
        }
    }

    async fn add_call_record(&self, record: CallRecord) -> Result<(), StoreError> {
        let inserted = sqlx::query(concat!(
            "INSERT INTO call_records (",
            record_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING"
        ))
        .bind(&record.id)
        .bind(&record.linked_id)
        .bind(record.direction.as_str())
        .bind(&record.caller_number)
        .bind(&record.caller_name)
        .bind(&record.callee_number)
        .bind(&record.callee_name)
        .bind(record.caller_user.map(|id| id.0))
        .bind(record.callee_user.map(|id| id.0))
        .bind(record.started_at)
        .bind(record.answered_at)
        .bind(record.ended_at)
        .bind(record.duration_ms)
        .bind(record.cause.as_str())
        .execute(&self.writer)
        .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unknown_user(error, &[record.caller_user, record.callee_user]).await),
        }
    }

    /// Takes the latest of each side by its index, so the time does not grow with the length of the history.
    async fn call_records_of(&self, user: UserId, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        let query = concat!(
            "SELECT * FROM (SELECT ",
            record_columns!(),
            " FROM call_records WHERE caller_user = $1 ORDER BY started_at DESC, id DESC LIMIT $2) \
             UNION SELECT * FROM (SELECT ",
            record_columns!(),
            " FROM call_records WHERE callee_user = $1 ORDER BY started_at DESC, id DESC LIMIT $2) \
             ORDER BY started_at DESC, id DESC LIMIT $2"
        );
        let found = sqlx::query(query).bind(user.0).bind(i64::from(limit)).fetch_all(&self.readers).await;
        many(found, rows::call_record)
    }

    async fn trunks(&self) -> Result<Vec<TrunkEntry>, StoreError> {
        let query = "SELECT name, settings FROM trunks ORDER BY name";
        many(sqlx::query(query).fetch_all(&self.readers).await, rows::trunk)
    }

    async fn set_trunk(&self, trunk: &TrunkEntry) -> Result<(), StoreError> {
        let query = "INSERT INTO trunks (name, settings) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET settings = $2";
        let done = sqlx::query(query).bind(&trunk.name).bind(&trunk.settings).execute(&self.writer).await;
        done.map(drop).map_err(store_error)
    }

    async fn remove_trunk(&self, name: &str) -> Result<(), StoreError> {
        let done = sqlx::query("DELETE FROM trunks WHERE name = $1").bind(name).execute(&self.writer).await;
        done.map(drop).map_err(store_error)
    }

    async fn numbers(&self) -> Result<Vec<NumberEntry>, StoreError> {
        let query = "SELECT number, rings FROM numbers ORDER BY number";
        many(sqlx::query(query).fetch_all(&self.readers).await, rows::number)
    }

    async fn set_number(&self, number: &NumberEntry) -> Result<(), StoreError> {
        let query = "INSERT INTO numbers (number, rings) VALUES ($1, $2) ON CONFLICT (number) DO UPDATE SET rings = $2";
        let query = sqlx::query(query).bind(number.number.as_str()).bind(&number.to);
        query.execute(&self.writer).await.map(drop).map_err(store_error)
    }

    async fn remove_number(&self, number: &PhoneNumber) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM numbers WHERE number = $1").bind(number.as_str());
        query.execute(&self.writer).await.map(drop).map_err(store_error)
    }

    async fn permissions(&self) -> Result<BTreeMap<UserId, BTreeSet<CallClass>>, StoreError> {
        let query = "SELECT user_id, classes FROM permissions";
        let found = many(sqlx::query(query).fetch_all(&self.readers).await, rows::permissions);
        found.map(|entries| entries.into_iter().collect())
    }

    async fn set_permissions(
        &self,
        user: UserId,
        classes: Option<&BTreeSet<CallClass>>,
    ) -> Result<(), StoreError> {
        let Some(classes) = classes else {
            let query = sqlx::query("DELETE FROM permissions WHERE user_id = $1").bind(user.0);
            query.execute(&self.writer).await.map_err(store_error)?;
            return self.user(user).await?.map(drop).ok_or(StoreError::UnknownUser(user));
        };
        let names: Vec<&str> = classes.iter().map(|class| class.as_str()).collect();
        let done = sqlx::query(
            "INSERT INTO permissions (user_id, classes) VALUES ($1, $2) \
             ON CONFLICT (user_id) DO UPDATE SET classes = $2",
        )
        .bind(user.0)
        .bind(names.join(" "))
        .execute(&self.writer)
        .await;
        match done {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unknown_user(error, &[Some(user)]).await),
        }
    }

    async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let query = sqlx::query_scalar("SELECT value FROM settings WHERE key = $1").bind(key);
        query.fetch_optional(&self.readers).await.map_err(store_error)
    }

    async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = $2",
        )
        .bind(key)
        .bind(value)
        .execute(&self.writer)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    /// Takes the write lock and a reader; a disk that is full shows only when something is stored.
    async fn health(&self) -> Result<(), StoreError> {
        let probe = async {
            sqlx::query("UPDATE settings SET value = value WHERE false").execute(&self.writer).await?;
            sqlx::query("SELECT 1").execute(&self.readers).await
        };
        match tokio::time::timeout(HEALTH_PATIENCE, probe).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(store_error(error)),
            Err(late) => Err(StoreError::Unavailable(late.into())),
        }
    }
}

fn one<T>(
    found: Result<Option<SqliteRow>, sqlx::Error>,
    read: fn(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    found.map_err(store_error)?.as_ref().map(read).transpose()
}

fn many<T>(
    found: Result<Vec<SqliteRow>, sqlx::Error>,
    read: fn(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    found.map_err(store_error)?.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};
    use store::conformance::record;

    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_and_loses_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(folder.path().join("hotdesk.db")).await.expect("opens");
        store.set_setting("small", "kept").await.expect("room");
        // SQLite reports its own limit as it reports a full disk.
        sqlx::query("PRAGMA max_page_count = 1").execute(&store.writer).await.expect("set");
        let large = "x".repeat(100_000);
        let refused = store.set_setting("large", &large).await;
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
        assert_eq!(store.setting("small").await.expect("reads").as_deref(), Some("kept"));

        sqlx::query("PRAGMA max_page_count = 1000000").execute(&store.writer).await.expect("set");
        store.set_setting("large", &large).await.expect("room again");
    }

    #[tokio::test]
    async fn a_write_waits_for_a_backup_to_finish() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("hotdesk.db");
        let store = Sqlite::open(&path).await.expect("opens");
        let mut backup = SqliteConnectOptions::new().filename(&path).connect().await.expect("a connection");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut backup).await.expect("locked");
        let (written, released) = tokio::join!(store.add_call_record(record("r", None, None, 0)), async {
            store.users().await.expect("readers do not wait");
            sqlx::query("COMMIT").execute(&mut backup).await
        });
        released.expect("released");
        written.expect("written after all");
        backup.close().await.expect("closed");
    }

    #[tokio::test]
    async fn what_is_no_value_of_ours_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(folder.path().join("hotdesk.db")).await.expect("opens");
        let anna = store.add_user(NewUser::of("anna", model::Role::User)).await.expect("a user");
        sqlx::query("UPDATE users SET role = 'emperor'").execute(&store.writer).await.expect("changed");
        let refused = store.user(anna.id).await;
        assert!(
            matches!(&refused, Err(StoreError::Unreadable { what: "role", value }) if value == "emperor"),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn connections_are_set_up_for_safety() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(folder.path().join("hotdesk.db")).await.expect("opens");
        for (pragma, expected) in
            [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1), ("PRAGMA busy_timeout", 30_000)]
        {
            let value: i64 = sqlx::query_scalar(pragma).fetch_one(&store.writer).await.expect("a number");
            assert_eq!(value, expected, "{pragma}");
        }
        let mode: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.readers).await.expect("a mode");
        assert_eq!(mode, "wal");
        let refused = sqlx::query("DELETE FROM users").execute(&store.readers).await;
        assert!(refused.is_err(), "readers do not write");
    }

    #[tokio::test]
    async fn a_history_is_read_by_its_indexes() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open(folder.path().join("hotdesk.db")).await.expect("opens");
        let query = "EXPLAIN QUERY PLAN SELECT id FROM call_records WHERE callee_user = 1 \
                     ORDER BY started_at DESC, id DESC LIMIT 9";
        let steps = sqlx::query(query).fetch_all(&store.readers).await.expect("a plan");
        let steps: Vec<String> = steps.iter().map(|row| row.get("detail")).collect();
        assert_eq!(steps, ["SEARCH call_records USING COVERING INDEX call_records_callee (callee_user=?)"]);
    }
}
