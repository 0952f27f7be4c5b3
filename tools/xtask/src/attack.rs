//! `tools/attack` against the server: broken messages, vanished callers, resets, fraud, guesses.

use std::path::Path;

use anyhow::Result;

use crate::house::{House, run as run_command};
use crate::serve::build_server;
use crate::setup::{self, Scope};
use crate::site::{self, Mode};

/// The task: builds the server as it is shipped, and attacks it; `args` go to the attacking program.
///
/// # Errors
/// If something does not compile, or the server does not hold.
pub fn run(house: &House, args: &[String]) -> Result<()> {
    let dev = args.first().is_some_and(|arg| arg == "--dev");
    let (mode, args) = if dev { (Mode::Dev, &args[1..]) } else { (Mode::Release, args) };
    setup::run(house, Scope::Check)?;
    let site = site::build(house, mode)?;
    let server = build_server(house, mode, &site)?;
    against(house, &server, args)
}

/// Attacks this program.
///
/// # Errors
/// As of [`run`].
pub fn against(house: &House, server: &Path, args: &[String]) -> Result<()> {
    let mut cargo = house.cargo();
    cargo.args(["run", "--quiet", "-p", "hotdesk-attack", "--", "--server"]).arg(server);
    cargo.arg("--corpus").arg(house.root.join("fuzz/corpus/message"));
    run_command(cargo.args(args))
}
