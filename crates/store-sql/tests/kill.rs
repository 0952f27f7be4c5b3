//! A process that is killed in the middle of writing takes no acknowledged record with it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use model::{Role, UserId};
use store::conformance::record;
use store::{NewUser, Store};
use store_sql::Sqlite;

/// Set in the process that writes and is killed; holds the path of the database.
const WRITER: &str = "HOTDESK_TEST_WRITER_DATABASE";

/// Records that are under way at once in the writer.
const WRITERS: usize = 3;

#[tokio::test]
async fn acknowledged_records_outlive_a_killed_process() {
    if let Some(path) = std::env::var_os(WRITER) {
        return write_until_killed(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hotdesk.db");
    let store = Sqlite::open(&path).await.expect("opens");
    let user = store.add_user(NewUser::of("anna", Role::Agent)).await.expect("a user").id;
    store.close().await;
    drop(store);

    let mut acknowledged = BTreeSet::new();
    for (round, kill_after) in [1, 2, 7, 30, 100].into_iter().enumerate() {
        acknowledged.extend(kill_a_writer(&path, kill_after));
        let store = Sqlite::open(&path).await.expect("opens after the kill");
        let found = ids(&store, user).await;
        let unique: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!(unique.len(), found.len(), "no record is there twice");
        assert!(acknowledged.is_subset(&unique), "lost: {:?}", acknowledged.difference(&unique));
        let unacknowledged = unique.len() - acknowledged.len();
        assert!(unacknowledged <= WRITERS * (round + 1), "{unacknowledged} records from nowhere");

        for id in &found {
            store.add_call_record(record(id, Some(user), None, 0)).await.expect("taken again");
        }
        assert_eq!(ids(&store, user).await.len(), found.len(), "a repeated record is not doubled");
        store.close().await;
    }
    assert!(acknowledged.len() >= 140);
}

/// Runs this test as another process, kills it after so many acknowledgements, and returns all that it gave.
fn kill_a_writer(path: &Path, kill_after: usize) -> Vec<String> {
    let mut writer = Command::new(std::env::current_exe().expect("this program"))
        .args(["acknowledged_records_outlive_a_killed_process", "--exact", "--nocapture"])
        .env(WRITER, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let output = BufReader::new(writer.stdout.take().expect("piped"));
    let mut acknowledged = Vec::new();
    for line in output.lines() {
        let line = line.expect("text");
        if let Some((_, id)) = line.split_once("acknowledged ") {
            acknowledged.push(id.to_owned());
        }
        if acknowledged.len() == kill_after {
            writer.kill().expect("killed");
        }
    }
    let status = writer.wait().expect("ended");
    assert!(!status.success(), "the writer ends by the kill alone: {status}");
    acknowledged
}

async fn write_until_killed(path: &Path) {
    let store = Sqlite::open(path).await.expect("opens");
    let user = store.user_by_login("anna").await.expect("asked").expect("anna").id;
    tokio::join!(write_for_ever(&store, user), write_for_ever(&store, user), write_for_ever(&store, user));
}

async fn write_for_ever(store: &Sqlite, user: UserId) {
    loop {
        let id = uuid::Uuid::now_v7().to_string();
        store.add_call_record(record(&id, Some(user), None, 0)).await.expect("stored");
        // One write, so that a line is whole or not there.
        std::io::stdout().write_all(format!("acknowledged {id}\n").as_bytes()).expect("someone listens");
    }
}

async fn ids(store: &Sqlite, user: UserId) -> Vec<String> {
    let records = store.call_records_of(user, u32::MAX).await.expect("asked");
    records.into_iter().map(|record| record.id).collect()
}
