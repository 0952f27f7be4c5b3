//! Opening a database file: look at it first, change it only if it is ours and whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};

use crate::error::{is_corrupt, is_not_a_database};

/// `PRAGMA application_id` of our databases, "HDSK"; set by the first migration.
const APPLICATION_ID: i64 = 0x4844_534b;

/// The migrations in order: version, name, SQL. A released one is never edited, since its checksum is kept.
const MIGRATIONS: [(i64, &str, &str); 3] = [
    (
        1,
        "users, lines, records, settings",
        include_str!("../migrations/sqlite/0001_users_lines_records_settings.sql"),
    ),
    (2, "devices, services", include_str!("../migrations/sqlite/0002_devices_services.sql")),
    (
        3,
        "trunks, numbers, permissions",
        include_str!("../migrations/sqlite/0003_trunks_numbers_permissions.sql"),
    ),
];

/// How long a write waits for another program, such as a backup, to let go of the file.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// Readers wait for nobody in WAL mode but for a checkpoint at the very start.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// Queries that run at once; the writer is one more.
const READERS: u32 = 4;

/// The log is cut back to this after a checkpoint, lest one long read leaves a huge file for ever.
const LOG_LIMIT_BYTES: &str = "67108864";

/// Up to this size each index entry is compared with its row at every start. That takes a time that grows with
/// the file; a larger one gets the quick check, which looks at the pages only.
const FULL_CHECK_LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// Why a database file was not opened. Nothing in it was changed, unless a migration failed between two versions.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or the lock beside it cannot be made or read.
    #[error("cannot open {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the database open.
    #[error("{path} is in use by another process")]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{path} is not a SQLite database")]
    NotADatabase {
        /// Which file.
        path: PathBuf,
    },
    /// The database belongs to another program.
    #[error("{path} is a SQLite database of another program")]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// The database was made or moved forward by a newer release.
    #[error(
        "{path} has schema version {found}, but this program knows versions up to {known}: run a newer release"
    )]
    NewerSchema {
        /// Which file.
        path: PathBuf,
        /// The version in the database.
        found: i64,
        /// The newest version that we know.
        known: i64,
    },
    /// The check of the pages found damage. The file must be restored from a backup.
    #[error("{path} is damaged, restore it from a backup: {finding}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The first thing found, in the words of SQLite.
        finding: String,
    },
    /// The schema could not be moved forward.
    #[error("cannot bring the schema of {path} up to date")]
    Migration {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: MigrateError,
    },
    /// SQLite failed otherwise.
    #[error("cannot open database {path}")]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

/// An open database.
pub(crate) struct Opened {
    /// One connection, so that writes queue here and not in SQLite.
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    /// Held as long as the database is open; the system lets go of it when the process dies.
    pub(crate) lock: File,
}

pub(crate) async fn open(path: &Path) -> Result<Opened, OpenError> {
    let at = At(path);
    let lock = at.lock()?;
    at.make_private()?;
    at.inspect().await?;

    let base = SqliteConnectOptions::new().filename(path).foreign_keys(true);
    let writing = base
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would lose the last commits in a power cut.
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", LOG_LIMIT_BYTES)
        .busy_timeout(WRITE_PATIENCE);
    let writer =
        pool(1, WRITE_PATIENCE * 2).connect_with(writing).await.map_err(|error| at.database(error))?;
    migrator().run(&writer).await.map_err(|source| OpenError::Migration { path: path.to_owned(), source })?;

    let reading = base.pragma("query_only", "ON").busy_timeout(READ_PATIENCE);
    let readers =
        pool(READERS, READ_PATIENCE).connect_with(reading).await.map_err(|error| at.database(error))?;
    Ok(Opened { writer, readers, lock })
}

/// A connection to a database that another process may have open, for one change; the schema is left as it is.
pub(crate) async fn open_beside(path: &Path) -> Result<SqliteConnection, OpenError> {
    let at = At(path);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(WRITE_PATIENCE);
    let mut connection = options.connect().await.map_err(|error| at.database(error))?;
    at.inspect_schema(&mut connection).await?;
    Ok(connection)
}

/// Connections are kept for ever: there is no server at the other end that could drop them.
fn pool(connections: u32, patience: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
}

/// The file that is being opened.
struct At<'a>(&'a Path);

impl At<'_> {
    /// SQLite would let two processes in; both would believe that they own the calls.
    fn lock(&self) -> Result<File, OpenError> {
        let mut path = self.0.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = private().truncate(false).open(&path).map_err(|source| self.file(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: self.0.to_owned() }),
            Err(TryLockError::Error(source)) => Err(self.file(&path, source)),
        }
    }

    /// Password hashes and the token secret are in it: a new file is readable by its owner alone. SQLite gives the
    /// files beside it the same rights.
    fn make_private(&self) -> Result<(), OpenError> {
        private().truncate(false).open(self.0).map_err(|source| self.file(self.0, source))?;
        Ok(())
    }

    /// Refuses what is not ours, is newer than us or damaged, before anything is written.
    async fn inspect(&self) -> Result<(), OpenError> {
        let options =
            SqliteConnectOptions::new().filename(self.0).create_if_missing(false).busy_timeout(READ_PATIENCE);
        let mut connection = options.connect().await.map_err(|error| self.database(error))?;
        self.inspect_schema(&mut connection).await?;
        self.inspect_pages(&mut connection).await?;
        connection.close().await.map_err(|error| self.database(error))
    }

    async fn inspect_schema(&self, connection: &mut SqliteConnection) -> Result<(), OpenError> {
        let tables =
            self.number(connection, "SELECT count(*) FROM sqlite_master WHERE type = 'table'").await?;
        if tables == 0 {
            return Ok(());
        }
        let migrated = self
            .number(connection, "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'")
            .await?
            > 0;
        let found = match migrated {
            true => self.number(connection, "SELECT coalesce(max(version), 0) FROM _sqlx_migrations").await?,
            false => 0,
        };
        // A first start that was killed before its first migration leaves the table of migrations alone.
        let begun = tables == 1 && migrated && found == 0;
        let ours = self.number(connection, "SELECT application_id FROM pragma_application_id").await?
            == APPLICATION_ID;
        if !ours && !begun {
            return Err(OpenError::Foreign { path: self.0.to_owned() });
        }
        let known = MIGRATIONS.map(|(version, ..)| version).into_iter().max().unwrap_or(0);
        if found > known {
            return Err(OpenError::NewerSchema { path: self.0.to_owned(), found, known });
        }
        Ok(())
    }

    async fn inspect_pages(&self, connection: &mut SqliteConnection) -> Result<(), OpenError> {
        let size = fs::metadata(self.0).map_err(|source| self.file(self.0, source))?.len();
        let check = if size <= FULL_CHECK_LIMIT_BYTES {
            "PRAGMA integrity_check(1)"
        } else {
            "PRAGMA quick_check(1)"
        };
        let finding: String =
            sqlx::query_scalar(check).fetch_one(connection).await.map_err(|error| self.database(error))?;
        if finding == "ok" { Ok(()) } else { Err(OpenError::Damaged { path: self.0.to_owned(), finding }) }
    }

    async fn number(&self, connection: &mut SqliteConnection, query: &'static str) -> Result<i64, OpenError> {
        sqlx::query_scalar(query).fetch_one(connection).await.map_err(|error| self.database(error))
    }

    fn file(&self, path: &Path, source: io::Error) -> OpenError {
        OpenError::File { path: path.to_owned(), source }
    }

    fn database(&self, error: sqlx::Error) -> OpenError {
        let path = self.0.to_owned();
        match error {
            error if is_not_a_database(&error) => OpenError::NotADatabase { path },
            error if is_corrupt(&error) => OpenError::Damaged { path, finding: error.to_string() },
            source => OpenError::Database { path, source },
        }
    }
}

/// For a file that is made if it is not there, for its owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_from_one() {
        for ((version, ..), expected) in MIGRATIONS.into_iter().zip(1..) {
            assert_eq!(version, expected);
        }
    }
}
