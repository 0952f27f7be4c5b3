//! The SQLite form keeps the port's promises, also over a restart.

use store::conformance::{self, record};
use store::{NewLine, NewUser, Store, StoreError};
use store_sql::{Account, OpenError, Sqlite};

#[tokio::test]
async fn sqlite_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path().join("hotdesk.db")).await.expect("opens");
    conformance::run(&store).await;
}

#[tokio::test]
async fn everything_is_found_again_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hotdesk.db");

    let store = Sqlite::open(&path).await.expect("opens");
    let anna = store.add_user(NewUser::of("anna", model::Role::Agent)).await.expect("a user");
    let number = "1001".parse().expect("a number");
    let line = NewLine { user_id: anna.id, number, name: "k3v9xq".to_owned(), webrtc: true };
    let line = store.add_line(line).await.expect("a line");
    let call = record("r1", Some(anna.id), None, 1_000);
    store.add_call_record(call.clone()).await.expect("a record");
    store.set_setting("token-secret", "s").await.expect("a setting");
    store.close().await;
    assert!(matches!(store.user(anna.id).await, Err(StoreError::Unavailable(_))), "a closed store says so");
    drop(store);

    let store = Sqlite::open(&path).await.expect("opens again");
    assert_eq!(store.user_by_login("anna").await.expect("asked"), Some(anna.clone()));
    assert_eq!(store.line_of(anna.id).await.expect("asked"), Some(line));
    assert_eq!(store.call_records_of(anna.id, 10).await.expect("asked"), [call]);
    assert_eq!(store.setting("token-secret").await.expect("asked").as_deref(), Some("s"));
}

#[tokio::test]
async fn a_database_is_open_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hotdesk.db");
    let store = Sqlite::open(&path).await.expect("opens");
    assert!(matches!(Sqlite::open(&path).await.err(), Some(OpenError::InUse { .. })));
    drop(store);
    Sqlite::open(&path).await.expect("opens when the other has gone");
}

#[tokio::test]
async fn a_password_is_changed_beside_an_open_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hotdesk.db");
    assert!(Account::open(&path, "anna").await.is_err(), "no database is made");
    assert!(!path.exists());
    let store = Sqlite::open(&path).await.expect("opens");
    let anna = store.add_user(NewUser::of("anna", model::Role::Agent)).await.expect("a user");
    assert!(Account::open(&path, "bruno").await.expect("opens").is_none());
    let account = Account::open(&path, "anna").await.expect("opens").expect("is there");
    account.set_password_hash("new").await.expect("changed");
    assert_eq!(store.user(anna.id).await.expect("asked").expect("there").password_hash, "new");
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(folder.path().join("hotdesk.db")).await.expect("opens");
    store.set_setting("a", "b").await.expect("a setting");
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("a file");
        let mode = entry.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.file_name());
    }
}
