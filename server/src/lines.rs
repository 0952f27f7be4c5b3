//! Who can be dialled and who may register: read from the store at the start, and again whenever it has changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::LineId;
use sip::digest::Ha1;
use store::{Store, StoreError};
use switch::{Device, Directory, Line};
use tokio::time::sleep;

use crate::shutdown::Shutdown;
use crate::signalling::{Signalling, Wish};

/// How often the store is looked at: who adds a phone beside a running server waits no longer.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The lines and devices of users who are not switched off.
///
/// # Errors
/// If the store cannot be read.
pub async fn directory(store: &dyn Store) -> Result<Directory, StoreError> {
    let users = store.users().await?;
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    let mut accounts: Vec<(LineId, String)> = Vec::new();
    for line in store.lines().await? {
        // of several lines of a user the oldest one is in use
        let Some(user) = users.iter().find(|user| user.id == line.user_id) else { continue };
        if !seen.insert(user.id) {
            continue;
        }
        if user.enabled {
            accounts.push((line.id, line.name.clone()));
        }
        let full_name = user.full_name();
        lines.push(Line { id: line.id, user: user.id, number: line.number, account: line.name, full_name });
    }
    let devices = store.devices().await?.into_iter().filter_map(|device| {
        let (_, account) = accounts.iter().find(|(line, _)| *line == device.line_id)?;
        let ha1 = Ha1 { md5: device.ha1_md5, sha256: device.ha1_sha256 };
        Some(Device { name: device.name, account: account.clone(), ha1 })
    });
    let devices: Vec<Device> = devices.collect();
    Ok(Directory::new(lines).with_devices(devices))
}

/// Tells the switch's loop of changes until the server stops.
pub async fn watch(store: Arc<dyn Store>, mut known: Directory, signalling: Signalling, shutdown: Shutdown) {
    let _guard = shutdown.guard();
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = sleep(LOOK_EVERY) => {}
        }
        match directory(&*store).await {
            Ok(now) if now != known => {
                known = now.clone();
                if !signalling.tell(Wish::Directory(now)).await {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "lines and devices cannot be looked at; they stay as they are")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Role;
    use store::{Memory, NewLine, NewUser};

    use super::*;

    #[tokio::test]
    async fn devices_of_a_user_who_is_switched_off_are_left_out() {
        let store = Memory::new();
        let mut devices = Vec::new();
        for (login, enabled, number) in [("anna", true, "1001"), ("erna", false, "1002")] {
            let user = NewUser { enabled, ..NewUser::of(login, Role::User) };
            let user = store.add_user(user).await.unwrap();
            let number = number.parse().unwrap();
            let name = format!("line-{login}");
            let line = NewLine { user_id: user.id, number, name, webrtc: false };
            let line = store.add_line(line).await.unwrap();
            let (ha1_md5, ha1_sha256) = ("m".to_owned(), "s".to_owned());
            let name = format!("desk-{login}");
            store.put_device(store::Device { name, line_id: line.id, ha1_md5, ha1_sha256 }).await.unwrap();
            devices.push(line);
        }
        let directory = directory(&store).await.unwrap();
        assert_eq!(directory.device("desk-anna").map(|device| device.account.as_str()), Some("line-anna"));
        assert_eq!(directory.device("desk-erna"), None);
        assert_eq!(directory.lines().count(), 2, "who is switched off can still be dialled");
    }
}
