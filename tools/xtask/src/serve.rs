//! The server: built with the site inside, and started with the demo world.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::house::{House, run as run_command, step};
use crate::setup::{self, Scope};
use crate::site::{self, Mode, Site};

/// Builds the server and returns its binary. In release it carries the site; in dev it is told where the site lies.
///
/// # Errors
/// The compiler's.
pub fn build_server(house: &House, mode: Mode, site: &Site) -> Result<PathBuf> {
    step("server", || {
        let mut cargo = house.cargo();
        cargo.args(["build", "-p", "hotdesk", "--bin", "hotdesk"]);
        if mode == Mode::Release {
            cargo.arg("--release").env("HOTDESK_SITE", &site.folder);
        }
        run_command(&mut cargo)?;
        Ok(house.target.join(if mode == Mode::Release { "release/hotdesk" } else { "debug/hotdesk" }))
    })
}

/// Sets up, builds, and becomes the demo server.
///
/// # Errors
/// Those of the set-up and the build. If all is well this does not return: the process is the server then.
pub fn run(house: &House, args: &[String]) -> Result<()> {
    let dev = args.first().is_some_and(|arg| arg == "--dev");
    let (mode, args) = if dev { (Mode::Dev, &args[1..]) } else { (Mode::Release, args) };
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    setup::run(house, Scope::Build)?;
    let site = site::build(house, mode)?;
    let server = build_server(house, mode, &site)?;
    let mut command = house.command(&server);
    command.args(["serve", "--demo"]);
    if dev {
        command.arg("--site").arg(&site.folder);
    }
    // Ours; the server would take them for settings that it does not know.
    for name in ["HOTDESK_CACHE", "HOTDESK_CHROMIUM"] {
        command.env_remove(name);
    }
    println!("== hotdesk serve --demo");
    Err(command.args(args).exec()).with_context(|| format!("cannot start {}", server.display()))
}
