//! What is durable: users, lines, call records and settings, behind the port [`Store`].
//!
//! [`Memory`] keeps everything in the process, for tests; the SQL form stands in `store-sql`. Whoever writes another
//! form calls [`conformance::run`] from its tests: it holds the forms to the same behaviour. Hashing of passwords,
//! rights and what a record means are left to the callers.
//!
//! ```
//! # use std::{pin::pin, task::{Context, Poll, Waker}};
//! # fn now<T>(future: impl Future<Output = T>) -> T {
//! #     match pin!(future).poll(&mut Context::from_waker(Waker::noop())) { Poll::Ready(t) => t, Poll::Pending => panic!() }
//! # }
//! use store::{Memory, NewUser, Store};
//!
//! let store = Memory::new();
//! let anna = now(store.add_user(NewUser::of("anna", model::Role::Agent))).unwrap();
//! assert_eq!(now(store.user_by_login("anna")).unwrap(), Some(anna));
//! ```
#![warn(missing_docs)]

pub mod conformance;
mod device;
mod error;
mod memory;
mod outside;
mod record;
mod user;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use model::{CallClass, PhoneNumber, UserId, UserServices};

pub use device::Device;
pub use error::StoreError;
pub use memory::Memory;
pub use outside::{NumberEntry, TrunkEntry};
pub use record::{CallDirection, CallRecord};
pub use user::{Line, NewLine, NewUser, User};

/// The storage port. What a method has acknowledged with `Ok` is there after a crash, [`Memory`] apart.
///
/// # Errors
/// Every method: [`StoreError::Unavailable`], [`StoreError::Full`], [`StoreError::Damaged`] and
/// [`StoreError::Unreadable`] when the world or the stored bytes fail; nothing has changed then. Others are named
/// with the method.
#[async_trait]
pub trait Store: Send + Sync {
    /// The user with that login. Capital and small letters differ.
    async fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError>;

    /// The user with that id.
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// All users, by id.
    async fn users(&self) -> Result<Vec<User>, StoreError>;

    /// The user's line, the oldest if there are several.
    async fn line_of(&self, user: UserId) -> Result<Option<Line>, StoreError>;

    /// The line with that SIP account.
    async fn line_by_name(&self, name: &str) -> Result<Option<Line>, StoreError>;

    /// The line with that number.
    async fn line_by_number(&self, number: &PhoneNumber) -> Result<Option<Line>, StoreError>;

    /// Adds a user; the store chooses the id.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if another user has the login or the agent id.
    async fn add_user(&self, user: NewUser) -> Result<User, StoreError>;

    /// Changes the user's password hash, a PHC string.
    ///
    /// # Errors
    /// [`StoreError::UnknownUser`].
    async fn set_password_hash(&self, user: UserId, hash: &str) -> Result<(), StoreError>;

    /// Adds a line; the store chooses the id.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if another line has the number or the SIP account, [`StoreError::UnknownUser`].
    async fn add_line(&self, line: NewLine) -> Result<Line, StoreError>;

    /// All lines, by id.
    async fn lines(&self) -> Result<Vec<Line>, StoreError>;

    /// All devices, by name.
    async fn devices(&self) -> Result<Vec<Device>, StoreError>;

    /// Adds a device, or gives the one of that name another line and password.
    ///
    /// # Errors
    /// [`StoreError::UnknownLine`]; [`StoreError::Taken`] if a line has the name.
    async fn put_device(&self, device: Device) -> Result<(), StoreError>;

    /// Takes a device away; `false` if there was none of that name.
    async fn remove_device(&self, name: &str) -> Result<bool, StoreError>;

    /// What users have chosen to happen to their calls, by user; who has chosen nothing is left out.
    async fn services(&self) -> Result<Vec<(UserId, UserServices)>, StoreError>;

    /// Keeps a user's choices, in place of earlier ones.
    ///
    /// # Errors
    /// [`StoreError::UnknownUser`].
    async fn set_services(&self, user: UserId, services: &UserServices) -> Result<(), StoreError>;

    /// Keeps the record of an ended call. A record whose id is known already is taken and changes nothing, so a
    /// writer may repeat itself after a failure.
    ///
    /// # Errors
    /// [`StoreError::UnknownUser`] if the caller or the callee is no user of ours.
    async fn add_call_record(&self, record: CallRecord) -> Result<(), StoreError>;

    /// The user's last calls, the latest start first, at most `limit` of them.
    async fn call_records_of(&self, user: UserId, limit: u32) -> Result<Vec<CallRecord>, StoreError>;

    /// All trunks, by name.
    async fn trunks(&self) -> Result<Vec<TrunkEntry>, StoreError>;

    /// Keeps a trunk, in place of one of that name.
    async fn set_trunk(&self, trunk: &TrunkEntry) -> Result<(), StoreError>;

    /// Forgets the trunk of that name, if there is one.
    async fn remove_trunk(&self, name: &str) -> Result<(), StoreError>;

    /// All numbers of ours, in order.
    async fn numbers(&self) -> Result<Vec<NumberEntry>, StoreError>;

    /// Keeps what a number rings, in place of what it rang.
    async fn set_number(&self, number: &NumberEntry) -> Result<(), StoreError>;

    /// Forgets a number, if it is known.
    async fn remove_number(&self, number: &PhoneNumber) -> Result<(), StoreError>;

    /// What users may call of whom that was said.
    async fn permissions(&self) -> Result<BTreeMap<UserId, BTreeSet<CallClass>>, StoreError>;

    /// Says what a user may call; without a set, what everybody may.
    ///
    /// # Errors
    /// [`StoreError::UnknownUser`].
    async fn set_permissions(
        &self,
        user: UserId,
        classes: Option<&BTreeSet<CallClass>>,
    ) -> Result<(), StoreError>;

    /// The text kept under that key.
    async fn setting(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Keeps a text under a key, in place of what was there.
    async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError>;

    /// Whether the store can read and write now.
    async fn health(&self) -> Result<(), StoreError>;
}
