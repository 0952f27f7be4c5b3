//! What is not ours, too new or damaged is refused when it is opened, and stays as it is.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use store::Store;
use store::conformance::record;
use store_sql::{OpenError, Sqlite};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hotdesk.db");
    (folder, path)
}

async fn refusal(path: &Path) -> OpenError {
    Sqlite::open(path).await.err().expect("refused")
}

async fn raw(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    options.connect().await.expect("a connection")
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(connection).await.expect("runs");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (_folder, path) = folder();
    Sqlite::open(&path).await.expect("opens").close().await;
    let mut connection = raw(&path).await;
    run(&mut connection, "INSERT INTO _sqlx_migrations VALUES (9000, 'later', '', 1, x'00', 0)").await;
    connection.close().await.expect("closes");

    let error = refusal(&path).await;
    assert!(matches!(error, OpenError::NewerSchema { found: 9000, known: 3, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("schema version 9000") && text.contains("run a newer release"), "{text}");
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let (_folder, path) = folder();
    Sqlite::open(&path).await.expect("opens").close().await;
    let mut connection = raw(&path).await;
    run(&mut connection, "UPDATE _sqlx_migrations SET checksum = x'00'").await;
    connection.close().await.expect("closes");
    assert!(matches!(refusal(&path).await, OpenError::Migration { .. }));
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_completed() {
    let (_folder, path) = folder();
    let mut connection = raw(&path).await;
    run(
        &mut connection,
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP \
         NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
         execution_time BIGINT NOT NULL)",
    )
    .await;
    connection.close().await.expect("closes");
    Sqlite::open(&path).await.expect("opens").health().await.expect("is healthy");
}

#[tokio::test]
async fn garbage_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    for garbage in
        [b"this is no database, but a letter to my aunt. ".repeat(100), vec![0; 8192], vec![0xff; 3]]
    {
        fs::write(&path, &garbage).expect("writes");
        let error = refusal(&path).await;
        assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
        assert_eq!(fs::read(&path).expect("reads"), garbage);
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    let mut connection = raw(&path).await;
    run(&mut connection, "CREATE TABLE users (name TEXT)").await;
    connection.close().await.expect("closes");
    let before = fs::read(&path).expect("reads");
    assert!(matches!(refusal(&path).await, OpenError::Foreign { .. }));
    assert_eq!(fs::read(&path).expect("reads"), before);
}

#[tokio::test]
async fn damaged_pages_are_found() {
    let (_folder, path) = folder();
    let store = Sqlite::open(&path).await.expect("opens");
    for index in 0..200 {
        store.add_call_record(record(&format!("r{index}"), None, None, index)).await.expect("a record");
    }
    store.close().await;
    drop(store);

    let mut bytes = fs::read(&path).expect("reads");
    let last_page = bytes.len() - 4096;
    bytes[last_page..last_page + 64].fill(0x5a);
    fs::write(&path, &bytes).expect("writes");

    let error = refusal(&path).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("restore it from a backup"), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let (folder, _) = folder();
    let error = refusal(&folder.path().join("missing").join("hotdesk.db")).await;
    assert!(matches!(error, OpenError::File { .. }), "{error:?}");
    assert!(error.to_string().contains("missing"), "{error}");
}
