//! The store in SQL. [`Sqlite`] keeps everything in one file beside its write-ahead log.
//!
//! What is acknowledged is on the disk: commits are flushed before a method returns, so that neither a killed
//! process nor a power cut takes an acknowledged record away. The schema moves forward only; a database of a newer
//! release, of another program, or with damaged pages is refused when it is opened, with [`OpenError`] saying which.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use store::Store;
//!
//! let store = store_sql::Sqlite::open("data/hotdesk.db").await?;
//! assert!(store.user_by_login("anna").await?.is_none());
//! store.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! Statements use `$1` placeholders, which SQLite and PostgreSQL both take.
#![warn(missing_docs)]

mod account;
mod devices;
mod error;
mod open;
mod rows;
mod sqlite;

pub use account::Account;
pub use devices::Devices;
pub use open::OpenError;
pub use sqlite::Sqlite;
