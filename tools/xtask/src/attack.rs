//! `tools/attack` against the server: broken messages, vanished callers, big strangers, resets, fraud, guesses.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::house::{House, tee};
use crate::serve::build_server;
use crate::setup::{self, Scope};
use crate::site::{self, Mode};
use crate::tally::Tally;

/// The task: builds the server as it is shipped, and attacks it; `args` go to the attacking program. `false` if it
/// did not hold.
///
/// # Errors
/// If something does not compile or start.
pub fn run(house: &House, args: &[String]) -> Result<bool> {
    let dev = args.first().is_some_and(|arg| arg == "--dev");
    let (mode, args) = if dev { (Mode::Dev, &args[1..]) } else { (Mode::Release, args) };
    setup::run(house, Scope::Check)?;
    let site = site::build(house, mode)?;
    let server = build_server(house, mode, &site)?;
    Ok(against(house, &server, args)?.failed == 0)
}

/// Attacks this program.
///
/// # Errors
/// As of [`run`].
pub fn against(house: &House, server: &Path, args: &[String]) -> Result<Tally> {
    let mut cargo = house.cargo();
    cargo.args(["run", "--quiet", "-p", "hotdesk-attack", "--", "--server"]).arg(server);
    cargo.arg("--corpus").arg(house.root.join("fuzz/corpus/message"));
    let (printed, succeeded) = tee(cargo.args(args))?;
    let tally = Tally::of_attacks(&printed).context("the attacks did not run to their end")?;
    Ok(tally.believing(succeeded, "the attacking program"))
}
