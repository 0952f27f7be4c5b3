//! The data folder: opened, locked against a second server, and filled with the demo world when asked for.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use model::{AgentId, LineId, PhoneNumber, Role};
use sip::digest::Ha1;
use store::{Device, NewLine, NewUser, Store};
use store_sql::{Account, Devices};

use crate::auth::{password, random_bytes};
use crate::engines::REALM;

/// The database's name in the data folder.
const DATABASE: &str = "hotdesk.db";
/// The setting that says whose accounts these are; only the demo world sets it.
const WORLD: &str = "world";
const DEMO: &str = "demo";

/// One demo account.
pub struct DemoUser {
    /// Its login, and in capitals its first name.
    pub login: &'static str,
    /// Its last name.
    pub last_name: &'static str,
    /// What it may do.
    pub role: Role,
    /// Its agent, if it is one.
    pub agent_id: Option<AgentId>,
    /// Its line's number.
    pub number: &'static str,
}

/// The demo accounts.
pub const DEMO_USERS: [DemoUser; 4] = [
    DemoUser {
        login: "alice",
        last_name: "Moreau",
        role: Role::Agent,
        agent_id: Some(AgentId(1)),
        number: "1001",
    },
    DemoUser {
        login: "bruno",
        last_name: "Keller",
        role: Role::Agent,
        agent_id: Some(AgentId(2)),
        number: "1002",
    },
    DemoUser { login: "carla", last_name: "Ferri", role: Role::Supervisor, agent_id: None, number: "1003" },
    DemoUser { login: "dave", last_name: "Novak", role: Role::User, agent_id: None, number: "1004" },
];

/// The password of all demo accounts, until it is changed.
pub const DEMO_PASSWORD: &str = "hotdesk";

/// An open data folder. No other server can open it until this is dropped.
pub struct Storage {
    /// What is durable.
    pub store: Arc<dyn Store>,
    _lock: File,
}

impl Storage {
    /// Opens the folder, makes it if there is none, and makes the demo world in it if `demo` asks for that.
    ///
    /// # Errors
    /// If another server uses the folder, the database cannot be opened, or `demo` meets a database with accounts
    /// that are not the demo's.
    pub async fn open(data_dir: &Path, demo: bool) -> anyhow::Result<Storage> {
        let shown = data_dir.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .with_context(|| format!("cannot make the data folder {shown}"))?;
        let lock = lock(data_dir)?;
        let store = open_store(data_dir).await?;
        if demo {
            make_demo_world(&*store)
                .await
                .with_context(|| format!("the demo cannot use the data folder {shown}"))?;
        }
        Ok(Storage { store, _lock: lock })
    }
}

/// An account in the database of a data folder, whether or not a server is using it.
///
/// # Errors
/// If there is no such database or account.
pub async fn account(data_dir: &Path, login: &str) -> anyhow::Result<Account> {
    let path = data_dir.join(DATABASE);
    if !path.is_file() {
        bail!("there is no database in {}; a server makes it at its first start", data_dir.display());
    }
    let account = Account::open(&path, login).await;
    let account = account.with_context(|| format!("cannot open the database {}", path.display()))?;
    account.with_context(|| format!("there is no user {login}"))
}

async fn open_store(data_dir: &Path) -> anyhow::Result<Arc<dyn Store>> {
    let path = data_dir.join(DATABASE);
    let store = store_sql::Sqlite::open(&path).await;
    Ok(Arc::new(store.with_context(|| format!("cannot open the database {}", path.display()))?))
}

/// Refuses to let strangers reach accounts whose password everybody knows.
///
/// # Errors
/// If one of `listening` is not this machine alone and a demo account or phone still has the demo password.
pub async fn guard_demo_passwords(
    store: &dyn Store,
    listening: impl IntoIterator<Item = IpAddr>,
) -> anyhow::Result<()> {
    let open = listening.into_iter().find(|address| !address.to_canonical().is_loopback());
    let Some(listen) = open else { return Ok(()) };
    if store.setting(WORLD).await?.as_deref() != Some(DEMO) {
        return Ok(());
    }
    let mut unchanged = Vec::new();
    for user in DEMO_USERS {
        let Some(known) = store.user_by_login(user.login).await? else { continue };
        if known.enabled && password::matches_now(DEMO_PASSWORD, &known.password_hash) {
            unchanged.push(user.login);
        }
    }
    let phones: Vec<_> = store.devices().await?.into_iter().filter(has_demo_password).collect();
    if unchanged.is_empty() && phones.is_empty() {
        return Ok(());
    }
    let mut refusal = format!("refusing to listen on {listen}: everybody knows the password of");
    if !unchanged.is_empty() {
        let accounts = unchanged.join(", ");
        let _ = write!(refusal, "\n  the accounts {accounts}: change each with `hotdesk set-password LOGIN`");
    }
    if !phones.is_empty() {
        let names: Vec<_> = phones.iter().map(|phone| &*phone.name).collect();
        let _ = write!(
            refusal,
            "\n  the phones {}: change each with `hotdesk add-phone NAME --number NUMBER`, or take it away with \
             `hotdesk remove-phone NAME`",
            names.join(", ")
        );
    }
    bail!("{refusal}\nor listen on 127.0.0.1")
}

fn has_demo_password(device: &Device) -> bool {
    device.ha1_sha256 == Ha1::new(&device.name, REALM, DEMO_PASSWORD).sha256
}

/// Writes a file that only this user may read, whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // A file left by a crash may have another mode; `mode` counts only for a new one.
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

fn lock(data_dir: &Path) -> anyhow::Result<File> {
    let path = data_dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot write in the data folder {}", data_dir.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!("another server uses the data folder {}", data_dir.display())
        }
        Err(fs::TryLockError::Error(error)) => Err(error).context("cannot lock the data folder"),
    }
}

async fn make_demo_world(store: &dyn Store) -> anyhow::Result<()> {
    let is_demo = store.setting(WORLD).await?.as_deref() == Some(DEMO);
    if !is_demo && !store.users().await?.is_empty() {
        bail!("it holds accounts that are not the demo's; choose another with --data-dir");
    }
    // Said first: after a crash half-way, the next start goes on where this one stopped.
    store.set_setting(WORLD, DEMO).await?;
    for user in DEMO_USERS {
        make_demo_user(store, &user).await?;
    }
    Ok(())
}

async fn make_demo_user(store: &dyn Store, demo: &DemoUser) -> anyhow::Result<()> {
    let user = match store.user_by_login(demo.login).await? {
        Some(user) => user,
        None => {
            let new = NewUser {
                first_name: capitalised(demo.login),
                last_name: demo.last_name.into(),
                password_hash: password::hash(DEMO_PASSWORD.as_bytes())?,
                agent_id: demo.agent_id,
                ..NewUser::of(demo.login, demo.role)
            };
            store.add_user(new).await?
        }
    };
    if store.line_of(user.id).await?.is_none() {
        let number: PhoneNumber = demo.number.parse()?;
        store.add_line(NewLine { user_id: user.id, number, name: account_name()?, webrtc: true }).await?;
    }
    let made = format!("demo-phone-{}", demo.number);
    if store.setting(&made).await?.is_none()
        && let Some(line) = store.line_of(user.id).await?
    {
        // once, so that one that was taken away stays away
        store.put_device(device(demo.number, line.id, DEMO_PASSWORD)).await?;
        store.set_setting(&made, "made").await?;
    }
    Ok(())
}

/// A device with that password, which is not kept.
pub fn device(name: &str, line_id: LineId, password: &str) -> Device {
    let Ha1 { md5: ha1_md5, sha256: ha1_sha256 } = Ha1::new(name, REALM, password);
    Device { name: name.to_owned(), line_id, ha1_md5, ha1_sha256 }
}

/// The devices in the database of a data folder, whether or not a server is using it.
///
/// # Errors
/// If there is no such database.
pub async fn devices(data_dir: &Path) -> anyhow::Result<Devices> {
    let path = data_dir.join(DATABASE);
    if !path.is_file() {
        bail!("there is no database in {}; a server makes it at its first start", data_dir.display());
    }
    let devices = Devices::open(&path).await;
    devices.with_context(|| format!("cannot open the database {}", path.display()))
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A SIP account name that tells nothing about its owner: 8 of `a-z 0-9`, chosen once and stored with the line.
fn account_name() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    Ok(random_bytes::<8>()?.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Memory;

    const EVERYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    #[tokio::test]
    async fn the_demo_world_is_made_once() {
        let store = Memory::new();
        make_demo_world(&store).await.unwrap();
        let alice = store.user_by_login("alice").await.unwrap().unwrap();
        let line = store.line_of(alice.id).await.unwrap().unwrap();
        make_demo_world(&store).await.unwrap();
        assert_eq!(store.line_of(alice.id).await.unwrap().unwrap(), line);
        assert_eq!(store.users().await.unwrap().len(), 4);
        assert_eq!(line.number.as_str(), "1001");
        assert_eq!(line.name.len(), 8);
        assert_eq!(alice.full_name(), "Alice Moreau");
        assert!(password::matches_now(DEMO_PASSWORD, &alice.password_hash));
    }

    #[tokio::test]
    async fn foreign_accounts_are_left_alone() {
        let store = Memory::new();
        store.add_user(NewUser::of("erna", Role::User)).await.unwrap();
        assert!(make_demo_world(&store).await.is_err());
        assert_eq!(store.users().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn well_known_passwords_stay_on_this_machine() {
        let store = Memory::new();
        make_demo_world(&store).await.unwrap();
        assert!(guard_demo_passwords(&store, ["127.0.0.1".parse().unwrap()]).await.is_ok());
        assert!(guard_demo_passwords(&store, ["::1".parse().unwrap()]).await.is_ok());
        let with_sip = ["127.0.0.1".parse().unwrap(), EVERYWHERE];
        assert!(guard_demo_passwords(&store, with_sip).await.is_err());
        for user in store.users().await.unwrap() {
            store.set_password_hash(user.id, &password::hash(b"another").unwrap()).await.unwrap();
        }
        let refused = guard_demo_passwords(&store, [EVERYWHERE]).await.unwrap_err().to_string();
        assert!(refused.contains("the phones 1001") && !refused.contains("alice"), "{refused}");
        for known in store.devices().await.unwrap() {
            store.put_device(device(&known.name, known.line_id, "another")).await.unwrap();
        }
        assert!(guard_demo_passwords(&store, [EVERYWHERE]).await.is_ok());
    }

    #[tokio::test]
    async fn a_data_folder_has_one_server() {
        let dir = tempfile::tempdir().unwrap();
        let first = Storage::open(dir.path(), true).await.unwrap();
        assert!(Storage::open(dir.path(), true).await.is_err());
        drop(first);
        Storage::open(dir.path(), true).await.unwrap();
    }
}
