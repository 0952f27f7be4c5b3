//! Installs what is missing. Every piece is looked for first, so that a second run takes no time.

mod apt;
mod asterisk;
mod fuzzer;
mod mirror;
mod peers;
mod wasm_std;

pub use asterisk::install as install_asterisk;
pub use fuzzer::{Fuzzer, install as install_fuzzer};

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::house::{House, run as run_command, step, text, which};
use crate::npm::{self, NodeTools, OLDEST_NODE, OLDEST_NODE_FOR_TESTS};

/// How much of it is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What building and serving need.
    Build,
    /// Format and lint checks and the native tests as well, with the SIP programs that they talk to.
    Check,
    /// The browser tests, attacks and fuzzing as well.
    Everything,
}

/// Installs what is missing for `scope`.
///
/// # Errors
/// The first thing that cannot be installed, with what to do about it.
pub fn run(house: &House, scope: Scope) -> Result<()> {
    step("setup", || {
        // script/bootstrap looks for the same, so that a fresh machine is asked for all of it at once.
        let mut missing = Vec::new();
        for (program, package) in [("cc", "build-essential"), ("c++", "build-essential"), ("cmake", "cmake")]
        {
            if which(program).is_none() && !missing.contains(&package) {
                missing.push(package);
            }
        }
        let node = npm::node_version();
        if node.is_none() {
            missing.push("nodejs");
        }
        if which("npm").is_none() {
            missing.push("npm");
        }
        if scope == Scope::Everything && browser().is_err() {
            missing.push("chromium");
        }
        if scope == Scope::Everything && which("sqlite3").is_none() {
            missing.push("sqlite3");
        }
        missing.extend(peers::missing(scope));
        apt::install(&missing)?;
        peers::keep_quiet(&missing);
        let oldest = if scope == Scope::Everything { OLDEST_NODE_FOR_TESTS } else { OLDEST_NODE };
        match npm::node_version() {
            Some(version) if version >= oldest => {}
            Some(version) => {
                bail!("Node {version} is too old: install Node {oldest} or newer (https://nodejs.org)")
            }
            None => {
                bail!("Node was installed and still does not start: `node --version` should print a version")
            }
        }

        wasm_std::install(house)?;
        NodeTools::install(house)?;
        if scope != Scope::Build {
            components(house)?;
            nextest(house)?;
        }
        if scope == Scope::Everything {
            npm::install_end2end(house)?;
            fuzzer::install(house)?;
        }
        Ok(())
    })
}

/// The browser that the tests drive.
///
/// # Errors
/// If there is none, or the one that `HOTDESK_CHROMIUM` names does not exist.
pub fn browser() -> Result<String> {
    if let Ok(named) = std::env::var("HOTDESK_CHROMIUM") {
        return match std::path::Path::new(&named).is_file() {
            true => Ok(named),
            false => bail!("HOTDESK_CHROMIUM names {named}, which is not there"),
        };
    }
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find_map(which)
        .map(|path| path.to_string_lossy().into_owned())
        .context("no Chromium found: install it, or name one in HOTDESK_CHROMIUM")
}

/// rustfmt and clippy, which a minimal Rust lacks.
fn components(house: &House) -> Result<()> {
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if text(house.cargo().args([tool, "--version"])).is_err() {
            run_command(Command::new("rustup").args(["component", "add", component])).with_context(|| {
                format!("`cargo {tool}` is missing: install Rust's component {component}")
            })?;
        }
    }
    Ok(())
}

/// The test runner whose summary [`crate::tally`] reads; another version may be there already, and serves.
const NEXTEST: &str = "0.9.143";

/// The test runner.
fn nextest(house: &House) -> Result<()> {
    if text(house.cargo().args(["nextest", "--version"])).is_ok() {
        return Ok(());
    }
    run_command(house.cargo().args(["install", "cargo-nextest", "--locked", "--version", NEXTEST]))
        .context("the test runner is missing: install cargo-nextest (https://nexte.st)")
}
