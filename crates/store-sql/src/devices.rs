//! Devices, written by the server or beside it.

use std::path::Path;

use sqlx::{Connection, Sqlite, SqliteConnection};
use store::{Device, StoreError};

use crate::error::{breaks_a_reference, store_error};
use crate::open::{self, OpenError};

/// The devices in a database that a server may have open. SQLite makes the two take turns.
pub struct Devices {
    connection: SqliteConnection,
}

impl Devices {
    /// Opens a database beside a server.
    ///
    /// # Errors
    /// [`OpenError`]: the file is missing, not ours or of a newer release.
    pub async fn open(path: impl AsRef<Path>) -> Result<Devices, OpenError> {
        Ok(Devices { connection: open::open_beside(path.as_ref()).await? })
    }

    /// Adds a device to the line of that number, or gives the one of its name another line and password. It is on
    /// the disk when this returns.
    ///
    /// # Errors
    /// As [`store::Store::put_device`] says. `false` if there is no line of that number.
    pub async fn put(
        mut self,
        number: &str,
        device: impl FnOnce(model::LineId) -> Device,
    ) -> Result<bool, StoreError> {
        let line = sqlx::query_scalar("SELECT id FROM lines WHERE number = $1")
            .bind(number)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(store_error)?;
        let Some(line) = line else { return Ok(false) };
        put(&device(model::LineId(line)), &mut self.connection).await?;
        self.connection.close().await.map_err(store_error)?;
        Ok(true)
    }

    /// Takes a device away; `false` if there was none of that name.
    ///
    /// # Errors
    /// Those of every method of the store.
    pub async fn remove(mut self, name: &str) -> Result<bool, StoreError> {
        let removed = remove(name, &mut self.connection).await?;
        self.connection.close().await.map_err(store_error)?;
        Ok(removed)
    }
}

pub(crate) async fn put<'c>(
    device: &Device,
    database: impl sqlx::Executor<'c, Database = Sqlite>,
) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO devices (name, line_id, ha1_md5, ha1_sha256) SELECT $1, $2, $3, $4 \
         WHERE NOT EXISTS (SELECT 1 FROM lines WHERE name = $1) \
         ON CONFLICT (name) DO UPDATE SET line_id = $2, ha1_md5 = $3, ha1_sha256 = $4",
    )
    .bind(&device.name)
    .bind(device.line_id.0)
    .bind(&device.ha1_md5)
    .bind(&device.ha1_sha256)
    .execute(database)
    .await;
    match written {
        Ok(done) if done.rows_affected() == 0 => Err(StoreError::Taken { what: "name" }),
        Ok(_) => Ok(()),
        Err(error) if breaks_a_reference(&error) => Err(StoreError::UnknownLine(device.line_id)),
        Err(error) => Err(store_error(error)),
    }
}

pub(crate) async fn remove<'c>(
    name: &str,
    database: impl sqlx::Executor<'c, Database = Sqlite>,
) -> Result<bool, StoreError> {
    let query = sqlx::query("DELETE FROM devices WHERE name = $1").bind(name);
    let done = query.execute(database).await.map_err(store_error)?;
    Ok(done.rows_affected() > 0)
}
