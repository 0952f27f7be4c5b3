//! Many lines with a phone each, beside the demo's four: one line may have few calls at once.

use std::path::Path;

use anyhow::{Context as _, Result};
use model::{PhoneNumber, Role};
use server::storage::{DEMO_PASSWORD, Storage, device};
use store::{NewLine, NewUser};

/// Their number and the name of the phone of one of them; the password is the demo's.
pub fn name(of: u32) -> String {
    format!("{}", 20_000 + of)
}

/// Makes the demo world and so many lines more in an unused data folder.
///
/// # Errors
/// If a server uses the folder, or has used it without the demo world.
pub fn make(data_dir: &Path, count: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let storage = Storage::open(data_dir, true).await?;
        for number in 0..count {
            let name = name(number);
            let number: PhoneNumber = name.parse().context("a number of digits")?;
            let user = storage.store.add_user(NewUser::of(&format!("crowd-{name}"), Role::Agent)).await?;
            let account = format!("crowd-{name}");
            let line = NewLine { user_id: user.id, number, name: account, webrtc: false };
            let line = storage.store.add_line(line).await?;
            storage.store.put_device(device(&name, line.id, DEMO_PASSWORD)).await?;
        }
        Ok(())
    })
}
