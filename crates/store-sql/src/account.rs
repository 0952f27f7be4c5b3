use std::path::Path;

use sqlx::{Connection, SqliteConnection};
use store::StoreError;

use crate::error::store_error;
use crate::open::{self, OpenError};

/// One user's account in a database that a server may have open. SQLite makes the two take turns.
pub struct Account {
    connection: SqliteConnection,
    id: i64,
}

impl Account {
    /// The account with that login; `None` if there is none.
    ///
    /// # Errors
    /// [`OpenError`]: the file is missing, not ours or of a newer release. It is not checked for damage, since a
    /// server did that when it opened it.
    pub async fn open(path: impl AsRef<Path>, login: &str) -> Result<Option<Account>, OpenError> {
        let path = path.as_ref();
        let mut connection = open::open_beside(path).await?;
        let id = sqlx::query_scalar("SELECT id FROM users WHERE login = $1")
            .bind(login)
            .fetch_optional(&mut connection)
            .await
            .map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
        Ok(id.map(|id| Account { connection, id }))
    }

    /// Changes the password hash, a PHC string. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::UnknownUser`] if the account went in the meantime; the errors of every method of the store.
    pub async fn set_password_hash(mut self, hash: &str) -> Result<(), StoreError> {
        let query = sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2").bind(hash).bind(self.id);
        let done = query.execute(&mut self.connection).await.map_err(store_error)?;
        self.connection.close().await.map_err(store_error)?;
        if done.rows_affected() == 0 { Err(StoreError::UnknownUser(model::UserId(self.id))) } else { Ok(()) }
    }
}
