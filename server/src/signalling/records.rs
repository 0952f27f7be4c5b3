//! Call records: from the switch's facts into the journal at once, and from there into the store.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{CallId, EndCause};
use store::{CallDirection, CallRecord, Store, StoreError};
use switch::{CallBegan, CallEnded, Fact, PartyInfo};
use tokio::sync::mpsc;

use super::journal::Journal;
use crate::shutdown::Shutdown;

const FIRST_RETRY: Duration = Duration::from_millis(200);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// The way of facts into call records. The writer ends when it is dropped and all is stored.
#[derive(Debug)]
pub struct Records {
    kept: Kept,
    /// Wakes the writer. One wake stands for all that has come since it last looked.
    wake: mpsc::Sender<()>,
}

/// The records that the store has not taken yet. Cheap to clone.
#[derive(Clone)]
pub struct Kept(Arc<Mutex<State>>);

struct State {
    journal: Journal,
    /// All before this place in the journal is in the store.
    stored: u64,
    /// The journal could not be written the last time, and the log says so.
    is_failing: bool,
}

impl Kept {
    /// Opens the journal in the data folder; calls that an earlier process left without an end get one.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(data_dir: &Path) -> io::Result<Kept> {
        Ok(Kept(Arc::new(Mutex::new(State {
            journal: Journal::open(data_dir)?,
            stored: 0,
            is_failing: false,
        }))))
    }

    /// How many records wait for the store.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn waiting(&self) -> io::Result<usize> {
        let state = self.lock();
        state.journal.waiting(state.stored)
    }

    /// Puts into the store what waits for it.
    ///
    /// # Errors
    /// If the store or the disk fails; the rest waits on.
    pub async fn store_all(&self, store: &dyn Store) -> Result<(), NotStored> {
        loop {
            let part = {
                let mut state = self.lock();
                state.journal.flush()?;
                let part = state.journal.read_from(state.stored)?;
                if part.next == state.stored {
                    state.stored = state.journal.cut(part.next)?;
                    return Ok(());
                }
                part
            };
            for record in part.ended {
                write(store, record).await?;
            }
            self.lock().stored = part.next;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept")
    }
}

/// Why records wait.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// The journal's disk fails.
    #[error("the journal of calls fails")]
    Journal(#[from] io::Error),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Records {
    /// Keeps what the facts tell of calls, before anybody else hears of them. `now` is in milliseconds since 1970.
    pub fn keep(&self, facts: &[Fact], now: i64) {
        let mut state = self.kept.lock();
        let State { journal, is_failing, .. } = &mut *state;
        let mut over = false;
        for fact in facts {
            match fact {
                Fact::CallBegan(began) => journal.began(began.call, record_of_begun(began, now)),
                Fact::CallAnswered { call } => journal.answered(*call, now),
                Fact::CallEnded(ended) => {
                    let id = id_of(journal, ended.call);
                    journal.ended(ended.call, record_of(id, ended, now));
                    over = true;
                }
                _ => {}
            }
        }
        journal.alive(now);
        match journal.flush() {
            Ok(()) => *is_failing = false,
            Err(error) => {
                if !std::mem::replace(is_failing, true) {
                    tracing::error!(%error, "the journal of calls cannot be written; calls go on all the same");
                }
                over = true;
            }
        }
        if over {
            // full: it will look anyway
            let _ = self.wake.try_send(());
        }
    }
}

/// Starts the task that brings records from the journal into the store, however long that takes.
pub fn keep(store: Arc<dyn Store>, kept: Kept, shutdown: &Shutdown) -> Records {
    let (wake, woken) = mpsc::channel(1);
    let guard = shutdown.guard();
    let writer = kept.clone();
    tokio::spawn(async move {
        let _guard = guard;
        write_all(&*store, &writer, woken).await;
    });
    Records { kept, wake }
}

async fn write_all(store: &dyn Store, kept: &Kept, mut woken: mpsc::Receiver<()>) {
    let mut wait = FIRST_RETRY;
    loop {
        match kept.store_all(store).await {
            Ok(()) => {
                wait = FIRST_RETRY;
                if woken.recv().await.is_none() {
                    // what came between the last look and the end
                    if let Err(error) = kept.store_all(store).await {
                        tracing::error!(%error, "the last call records are not stored");
                    }
                    return;
                }
            }
            Err(error) => {
                tracing::error!(%error, "call records wait in the journal");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_RETRY);
            }
        }
    }
}

async fn write(store: &dyn Store, record: CallRecord) -> Result<(), StoreError> {
    let anonymous = CallRecord { caller_user: None, callee_user: None, ..record.clone() };
    match store.add_call_record(record).await {
        Err(error @ StoreError::UnknownUser { .. }) => {
            // its user was deleted meanwhile: the call still took place
            tracing::warn!(%error, linked_id = anonymous.linked_id, "call record without its user");
            store.add_call_record(anonymous).await?;
        }
        stored => stored?,
    }
    metrics::counter!("hotdesk_call_records_total").increment(1);
    Ok(())
}

/// The id that the record got when the call began.
fn id_of(journal: &Journal, call: CallId) -> String {
    journal.id_of(call).map_or_else(new_id, str::to_owned)
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn record_of_begun(began: &CallBegan, now: i64) -> CallRecord {
    let CallBegan { call: _, linked_id, caller, callee } = began;
    CallRecord {
        started_at: now,
        answered_at: None,
        ended_at: now,
        duration_ms: 0,
        cause: EndCause::ConnectionLost,
        ..record_between(new_id(), linked_id, caller, callee)
    }
}

/// The switch counts from the wall clock at its start; that clock may have been set since, so all stamps are moved
/// to what it says at the end. How long things took stays as the monotonic clock counted it.
fn record_of(id: String, ended: &CallEnded, now: i64) -> CallRecord {
    let shift = now - ended.ended_at;
    CallRecord {
        started_at: ended.started_at + shift,
        answered_at: ended.answered_at.map(|at| at + shift),
        ended_at: now,
        duration_ms: ended.ended_at - ended.started_at,
        cause: ended.cause,
        ..record_between(id, &ended.linked_id, &ended.caller, &ended.callee)
    }
}

fn record_between(id: String, linked_id: &str, caller: &PartyInfo, callee: &PartyInfo) -> CallRecord {
    let direction = match (caller.outside, callee.outside) {
        (true, _) => CallDirection::Inbound,
        (false, true) => CallDirection::Outbound,
        (false, false) => CallDirection::Internal,
    };
    CallRecord {
        id,
        linked_id: linked_id.to_owned(),
        direction,
        caller_number: caller.number.clone(),
        caller_name: caller.name.clone(),
        callee_number: callee.number.clone(),
        callee_name: callee.name.clone(),
        caller_user: caller.user,
        callee_user: callee.user,
        started_at: 0,
        answered_at: None,
        ended_at: 0,
        duration_ms: 0,
        cause: EndCause::Normal,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use model::{CallClass, PhoneNumber, UserId, UserServices};
    use store::{Device, Line, Memory, NewLine, NewUser, NumberEntry, TrunkEntry, User};

    use super::*;

    /// A store that takes no records for a while, as one that another program has locked.
    #[derive(Default)]
    struct Stuck {
        memory: Memory,
        is_free: AtomicBool,
    }

    #[async_trait]
    impl Store for Stuck {
        async fn add_call_record(&self, record: CallRecord) -> Result<(), StoreError> {
            if self.is_free.load(Ordering::Relaxed) {
                return self.memory.add_call_record(record).await;
            }
            Err(StoreError::Unavailable("locked".into()))
        }
        async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
            self.memory.user_by_login(login).await
        }
        async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
            self.memory.user(id).await
        }
        async fn users(&self) -> Result<Vec<User>, StoreError> {
            self.memory.users().await
        }
        async fn line_of(&self, user: UserId) -> Result<Option<Line>, StoreError> {
            self.memory.line_of(user).await
        }
        async fn line_by_name(&self, name: &str) -> Result<Option<Line>, StoreError> {
            self.memory.line_by_name(name).await
        }
        async fn line_by_number(&self, number: &PhoneNumber) -> Result<Option<Line>, StoreError> {
            self.memory.line_by_number(number).await
        }
        async fn add_user(&self, user: NewUser) -> Result<User, StoreError> {
            self.memory.add_user(user).await
        }
        async fn set_password_hash(&self, user: UserId, hash: &str) -> Result<(), StoreError> {
            self.memory.set_password_hash(user, hash).await
        }
        async fn add_line(&self, line: NewLine) -> Result<Line, StoreError> {
            self.memory.add_line(line).await
        }
        async fn lines(&self) -> Result<Vec<Line>, StoreError> {
            self.memory.lines().await
        }
        async fn devices(&self) -> Result<Vec<Device>, StoreError> {
            self.memory.devices().await
        }
        async fn put_device(&self, device: Device) -> Result<(), StoreError> {
            self.memory.put_device(device).await
        }
        async fn remove_device(&self, name: &str) -> Result<bool, StoreError> {
            self.memory.remove_device(name).await
        }
        async fn services(&self) -> Result<Vec<(UserId, UserServices)>, StoreError> {
            self.memory.services().await
        }
        async fn set_services(&self, user: UserId, services: &UserServices) -> Result<(), StoreError> {
            self.memory.set_services(user, services).await
        }
        async fn call_records_of(&self, user: UserId, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
            self.memory.call_records_of(user, limit).await
        }
        async fn trunks(&self) -> Result<Vec<TrunkEntry>, StoreError> {
            self.memory.trunks().await
        }
        async fn set_trunk(&self, trunk: &TrunkEntry) -> Result<(), StoreError> {
            self.memory.set_trunk(trunk).await
        }
        async fn remove_trunk(&self, name: &str) -> Result<(), StoreError> {
            self.memory.remove_trunk(name).await
        }
        async fn numbers(&self) -> Result<Vec<NumberEntry>, StoreError> {
            self.memory.numbers().await
        }
        async fn set_number(&self, number: &NumberEntry) -> Result<(), StoreError> {
            self.memory.set_number(number).await
        }
        async fn remove_number(&self, number: &PhoneNumber) -> Result<(), StoreError> {
            self.memory.remove_number(number).await
        }
        async fn permissions(&self) -> Result<BTreeMap<UserId, BTreeSet<CallClass>>, StoreError> {
            self.memory.permissions().await
        }
        async fn set_permissions(
            &self,
            user: UserId,
            classes: Option<&BTreeSet<CallClass>>,
        ) -> Result<(), StoreError> {
            self.memory.set_permissions(user, classes).await
        }
        async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
            self.memory.setting(key).await
        }
        async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
            self.memory.set_setting(key, value).await
        }
        async fn health(&self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    async fn with_anna() -> (Arc<Stuck>, UserId) {
        let store = Arc::new(Stuck::default());
        let anna = store.add_user(NewUser::of("anna", model::Role::User)).await.unwrap().id;
        (store, anna)
    }

    fn call_of(user: UserId) -> [Fact; 3] {
        let number = "1001".into();
        let caller = PartyInfo { outside: false, user: Some(user), number, name: "Anna".into() };
        let (call, callee) = (CallId(1), PartyInfo::default());
        let linked_id = "100.1".to_owned();
        let began =
            CallBegan { call, linked_id: linked_id.clone(), caller: caller.clone(), callee: callee.clone() };
        let ended = CallEnded {
            call,
            linked_id,
            caller,
            callee,
            started_at: 1_000,
            answered_at: Some(3_000),
            ended_at: 8_000,
            cause: EndCause::Normal,
        };
        [Fact::CallBegan(began), Fact::CallAnswered { call }, Fact::CallEnded(ended)]
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_the_store_did_not_take_is_found_after_a_restart() {
        let (store, anna) = with_anna().await;
        let dir = tempfile::tempdir().unwrap();
        let (shutdown, ending) = Shutdown::new();
        let kept = Kept::open(dir.path()).unwrap();
        let records = keep(store.clone(), kept.clone(), &shutdown);
        records.keep(&call_of(anna), 8_000);
        drop(records);
        assert!(!ending.finish(Duration::from_secs(10)).await, "the store takes nothing");
        assert_eq!(kept.waiting().unwrap(), 1);
        assert_eq!(store.call_records_of(anna, 9).await.unwrap(), []);

        store.is_free.store(true, Ordering::Relaxed);
        let kept = Kept::open(dir.path()).unwrap();
        kept.store_all(&*store).await.unwrap();
        assert_eq!(kept.waiting().unwrap(), 0);
        let found = store.call_records_of(anna, 9).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].answered_at, found[0].cause), (Some(3_000), EndCause::Normal));
    }

    #[tokio::test(start_paused = true)]
    async fn the_writer_goes_on_when_the_store_is_free_again() {
        let (store, anna) = with_anna().await;
        let dir = tempfile::tempdir().unwrap();
        let (shutdown, ending) = Shutdown::new();
        let records = keep(store.clone(), Kept::open(dir.path()).unwrap(), &shutdown);
        records.keep(&call_of(anna), 8_000);
        tokio::time::sleep(Duration::from_secs(60)).await;
        store.is_free.store(true, Ordering::Relaxed);
        drop(records);
        assert!(ending.finish(LONGEST_RETRY * 2).await);
        assert_eq!(store.call_records_of(anna, 9).await.unwrap().len(), 1);
        assert_eq!(Kept::open(dir.path()).unwrap().waiting().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_clock_that_was_set_moves_all_stamps_and_no_duration() {
        let (store, anna) = with_anna().await;
        let [.., Fact::CallEnded(ended)] = call_of(anna) else { panic!("an end") };
        let record = record_of("x".into(), &ended, 3_608_000);
        assert_eq!(record.started_at, 3_601_000);
        assert_eq!((record.answered_at, record.ended_at), (Some(3_603_000), 3_608_000));
        assert_eq!(record.duration_ms, 7_000);
        drop(store);
    }
}
