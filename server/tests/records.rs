//! Call records of a program that is killed.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::path::Path;

use common::folder;
use common::phone::Phone;
use common::program::Program;
use model::EndCause;
use store::{CallRecord, Store as _};

/// What is on record after the next start.
async fn records_of_alice(data_dir: &Path) -> Vec<CallRecord> {
    Program::start(data_dir).kill();
    let store = store_sql::Sqlite::open(data_dir.join("hotdesk.db")).await.unwrap();
    let alice = store.user_by_login("alice").await.unwrap().unwrap();
    store.call_records_of(alice.id, 100).await.unwrap()
}

#[tokio::test]
async fn a_call_that_had_ended_is_on_record_once() {
    let (_dir, path) = folder();
    let program = Program::start(&path);
    let mut phone = Phone::register(program.host(), &program.token("alice").await).await;
    let call = phone.call("*55").await;
    phone.end(&call).await;
    program.kill();

    let records = records_of_alice(&path).await;
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.cause, record.callee_number.as_str()), (EndCause::Normal, "*55"));
    assert!(
        record.started_at <= record.answered_at.unwrap() && record.answered_at.unwrap() <= record.ended_at
    );
    assert_eq!(records_of_alice(&path).await, records, "another start changes nothing");
}

#[tokio::test]
async fn a_call_that_the_kill_cut_off_is_on_record_once() {
    let (_dir, path) = folder();
    let program = Program::start(&path);
    let mut phone = Phone::register(program.host(), &program.token("alice").await).await;
    phone.call("*55").await;
    program.kill();

    let records = records_of_alice(&path).await;
    let [record] = &records[..] else { panic!("{records:?}") };
    assert_eq!((record.cause, record.callee_number.as_str()), (EndCause::ConnectionLost, "*55"));
    assert!(
        record.started_at <= record.answered_at.unwrap() && record.answered_at.unwrap() <= record.ended_at
    );
    assert_eq!(records_of_alice(&path).await, records, "another start changes nothing");
}
