//! Packages of the system, where it is a Debian or one of its children.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::house::{output, run, which};

/// Installs packages; does nothing for none.
///
/// # Errors
/// Without apt or the right to use it, an error that names all the packages.
pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if which("apt-get").is_none() {
        bail!("these packages are missing (by their Debian names): {list}. Install them and start again.");
    }
    let Some(rights) = rights() else {
        bail!("these packages are missing: {list}. Run `sudo apt-get install {list}` and start again.");
    };
    let apt = |args: &[&str]| {
        let mut command = Command::new(rights[0]);
        command.args(&rights[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]).args(args);
        command
    };
    run(&mut apt(&["update"]))
        .with_context(|| format!("the lists of packages could not be renewed. These are missing: {list}"))?;
    let mut install = vec!["install", "--no-install-recommends"];
    install.extend(packages);
    run(&mut apt(&install)).with_context(|| format!("these packages could not be installed: {list}"))
}

/// The words in front of a command that lets it change the system: none asks for a password.
fn rights() -> Option<&'static [&'static str]> {
    if is_root() {
        Some(&["env"])
    } else if which("sudo").is_some() && output(Command::new("sudo").args(["-n", "true"])).is_ok() {
        Some(&["sudo", "-n", "env"])
    } else {
        None
    }
}

/// Whether we are root.
pub fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim_ascii() == b"0")
}
