use std::sync::Arc;
use std::time::Duration;

use store::{CallDirection, CallRecord, Store};
use switch::CallEnded;
use tokio::sync::mpsc;

use crate::shutdown::Shutdown;

/// Records that may wait for the database. Calls never wait for it: when even this is full, a record is written
/// into the log instead, so that it is not lost without a trace.
const BACKLOG: usize = 10_000;
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// The way to the task that writes call records.
#[derive(Clone, Debug)]
pub struct Records(mpsc::Sender<CallRecord>);

impl Records {
    /// Hands over the record of a call that has ended.
    pub fn keep(&self, ended: CallEnded) {
        if let Err(error) = self.0.try_send(record_of(ended)) {
            let record = error.into_inner();
            tracing::error!(?record, "the backlog of call records is full; this one stands here only");
            metrics::counter!("hotdesk_call_records_lost_total").increment(1);
        }
    }
}

/// Starts the task that writes call records, in order, each until the store has taken it.
pub fn keep(store: Arc<dyn Store>, shutdown: &Shutdown) -> Records {
    let (sender, mut records) = mpsc::channel::<CallRecord>(BACKLOG);
    let guard = shutdown.guard();
    tokio::spawn(async move {
        let _guard = guard;
        while let Some(record) = records.recv().await {
            write(&*store, record).await;
        }
    });
    Records(sender)
}

async fn write(store: &dyn Store, record: CallRecord) {
    let mut wait = FIRST_RETRY;
    loop {
        match store.add_call_record(record.clone()).await {
            Ok(()) => return metrics::counter!("hotdesk_call_records_total").increment(1),
            Err(error @ store::StoreError::UnknownUser { .. }) => {
                // its user was deleted meanwhile: the call still took place
                tracing::warn!(%error, linked_id = record.linked_id, "call record without its user");
                let anonymous = CallRecord { caller_user: None, callee_user: None, ..record.clone() };
                if store.add_call_record(anonymous).await.is_ok() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, linked_id = record.linked_id, "call record not written yet")
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_RETRY);
    }
}

fn record_of(ended: CallEnded) -> CallRecord {
    CallRecord {
        id: uuid::Uuid::now_v7().to_string(),
        linked_id: ended.linked_id,
        direction: CallDirection::Internal,
        caller_number: ended.caller.number,
        caller_name: ended.caller.name,
        callee_number: ended.callee.number,
        callee_name: ended.callee.name,
        caller_user: ended.caller.user,
        callee_user: ended.callee.user,
        started_at: ended.started_at,
        answered_at: ended.answered_at,
        ended_at: ended.ended_at,
        duration_ms: ended.ended_at - ended.started_at,
        cause: ended.cause,
    }
}
