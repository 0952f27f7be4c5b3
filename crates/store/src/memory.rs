use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::{CallClass, LineId, PhoneNumber, UserId, UserServices};

use crate::{CallRecord, Device, Line, NewLine, NewUser, NumberEntry, Store, StoreError, TrunkEntry, User};

/// A store in the memory of the process; gone with it.
#[derive(Default)]
pub struct Memory {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    users: BTreeMap<UserId, User>,
    lines: BTreeMap<LineId, Line>,
    devices: BTreeMap<String, Device>,
    services: BTreeMap<UserId, UserServices>,
    records: BTreeMap<String, CallRecord>,
    settings: BTreeMap<String, String>,
    trunks: BTreeMap<String, TrunkEntry>,
    numbers: BTreeMap<PhoneNumber, NumberEntry>,
    permissions: BTreeMap<UserId, BTreeSet<CallClass>>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Memory::default()
    }

    /// Every change of the tables is a single insertion, so they are whole even after a panic.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn know(&self, user: UserId) -> Result<(), StoreError> {
        if self.users.contains_key(&user) { Ok(()) } else { Err(StoreError::UnknownUser(user)) }
    }

    fn line(&self, fits: impl Fn(&Line) -> bool) -> Option<Line> {
        self.lines.values().find(|line| fits(line)).cloned()
    }
}

#[async_trait]
impl Store for Memory {
    async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        Ok(self.tables().users.values().find(|user| user.login == login).cloned())
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.tables().users.get(&id).cloned())
    }

    async fn users(&self) -> Result<Vec<User>, StoreError> {
        Ok(self.tables().users.values().cloned().collect())
    }

    async fn line_of(&self, user: UserId) -> Result<Option<Line>, StoreError> {
        Ok(self.tables().line(|line| line.user_id == user))
    }

    async fn line_by_name(&self, name: &str) -> Result<Option<Line>, StoreError> {
        Ok(self.tables().line(|line| line.name == name))
    }

    async fn line_by_number(&self, number: &PhoneNumber) -> Result<Option<Line>, StoreError> {
        Ok(self.tables().line(|line| line.number == *number))
    }

    async fn add_user(&self, user: NewUser) -> Result<User, StoreError> {
        let mut tables = self.tables();
        if tables.users.values().any(|known| known.login == user.login) {
            return Err(StoreError::Taken { what: "login" });
        }
        if user.agent_id.is_some() && tables.users.values().any(|known| known.agent_id == user.agent_id) {
            return Err(StoreError::Taken { what: "agent_id" });
        }
        let id = UserId(tables.users.last_key_value().map_or(1, |(id, _)| id.0 + 1));
        let user = user.with_id(id);
        tables.users.insert(id, user.clone());
        Ok(user)
    }

    async fn set_password_hash(&self, user: UserId, hash: &str) -> Result<(), StoreError> {
        let mut tables = self.tables();
        let user = tables.users.get_mut(&user).ok_or(StoreError::UnknownUser(user))?;
        hash.clone_into(&mut user.password_hash);
        Ok(())
    }

    async fn add_line(&self, line: NewLine) -> Result<Line, StoreError> {
        let mut tables = self.tables();
        tables.know(line.user_id)?;
        if tables.line(|known| known.number == line.number).is_some() {
            return Err(StoreError::Taken { what: "number" });
        }
        let name_is_taken = tables.devices.contains_key(&line.name);
        if name_is_taken || tables.line(|known| known.name == line.name).is_some() {
            return Err(StoreError::Taken { what: "name" });
        }
        let id = LineId(tables.lines.last_key_value().map_or(1, |(id, _)| id.0 + 1));
        let line = line.with_id(id);
        tables.lines.insert(id, line.clone());
        Ok(line)
    }

    async fn lines(&self) -> Result<Vec<Line>, StoreError> {
        Ok(self.tables().lines.values().cloned().collect())
    }

    async fn devices(&self) -> Result<Vec<Device>, StoreError> {
        Ok(self.tables().devices.values().cloned().collect())
    }

    async fn put_device(&self, device: Device) -> Result<(), StoreError> {
        let mut tables = self.tables();
        if !tables.lines.contains_key(&device.line_id) {
            return Err(StoreError::UnknownLine(device.line_id));
        }
        if tables.line(|line| line.name == device.name).is_some() {
            return Err(StoreError::Taken { what: "name" });
        }
        tables.devices.insert(device.name.clone(), device);
        Ok(())
    }

    async fn remove_device(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.tables().devices.remove(name).is_some())
    }

    async fn services(&self) -> Result<Vec<(UserId, UserServices)>, StoreError> {
        Ok(self.tables().services.iter().map(|(user, services)| (*user, services.clone())).collect())
    }

    async fn set_services(&self, user: UserId, services: &UserServices) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.know(user)?;
        tables.services.insert(user, services.clone());
        Ok(())
    }

    async fn add_call_record(&self, record: CallRecord) -> Result<(), StoreError> {
        let mut tables = self.tables();
        for user in [record.caller_user, record.callee_user].into_iter().flatten() {
            tables.know(user)?;
        }
        tables.records.entry(record.id.clone()).or_insert(record);
        Ok(())
    }

    async fn call_records_of(&self, user: UserId, limit: u32) -> Result<Vec<CallRecord>, StoreError> {
        let tables = self.tables();
        let is_party =
            |record: &&CallRecord| record.caller_user == Some(user) || record.callee_user == Some(user);
        let mut records: Vec<_> = tables.records.values().filter(is_party).cloned().collect();
        records.sort_by(|a, b| (b.started_at, &b.id).cmp(&(a.started_at, &a.id)));
        records.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(records)
    }

    async fn trunks(&self) -> Result<Vec<TrunkEntry>, StoreError> {
        Ok(self.tables().trunks.values().cloned().collect())
    }

    async fn set_trunk(&self, trunk: &TrunkEntry) -> Result<(), StoreError> {
        self.tables().trunks.insert(trunk.name.clone(), trunk.clone());
        Ok(())
    }

    async fn remove_trunk(&self, name: &str) -> Result<(), StoreError> {
        self.tables().trunks.remove(name);
        Ok(())
    }

    async fn numbers(&self) -> Result<Vec<NumberEntry>, StoreError> {
        Ok(self.tables().numbers.values().cloned().collect())
    }

    async fn set_number(&self, number: &NumberEntry) -> Result<(), StoreError> {
        self.tables().numbers.insert(number.number.clone(), number.clone());
        Ok(())
    }

    async fn remove_number(&self, number: &PhoneNumber) -> Result<(), StoreError> {
        self.tables().numbers.remove(number);
        Ok(())
    }

    async fn permissions(&self) -> Result<BTreeMap<UserId, BTreeSet<CallClass>>, StoreError> {
        Ok(self.tables().permissions.clone())
    }

    async fn set_permissions(
        &self,
        user: UserId,
        classes: Option<&BTreeSet<CallClass>>,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.know(user)?;
        match classes {
            Some(classes) => tables.permissions.insert(user, classes.clone()),
            None => tables.permissions.remove(&user),
        };
        Ok(())
    }

    async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.tables().settings.get(key).cloned())
    }

    async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.tables().settings.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    async fn health(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn memory_conforms() {
        let store = Memory::new();
        let run = pin!(crate::conformance::run(&store));
        assert!(run.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(()), "memory never waits");
    }
}
