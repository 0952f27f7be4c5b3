//! `server/tests/interop_asterisk.rs`, against an Asterisk that we install for it.

use std::path::Path;

use anyhow::Result;

use crate::check::{Outcome, counted, nextest};
use crate::house::House;
use crate::setup::{self, Scope};
use crate::tally::Tally;

/// The task. `false` if something failed.
///
/// # Errors
/// If there is no Asterisk to be had, or the tests do not compile.
pub fn run(house: &House) -> Result<bool> {
    setup::run(house, Scope::Check)?;
    let root = setup::install_asterisk(house)?;
    let tally = stories(house, &root)?;
    println!("{tally}");
    Ok(tally.failed == 0 && tally.passed > 0)
}

/// The same as one part of all tests: where there is no Asterisk to be had, it does not run.
///
/// # Errors
/// If the tests do not compile.
pub fn part(house: &House) -> Result<Outcome> {
    match setup::install_asterisk(house) {
        Ok(root) => Ok(Outcome::Ran(stories(house, &root)?)),
        Err(reason) => Ok(Outcome::NotRun(format!("{reason:#}"))),
    }
}

fn stories(house: &House, root: &Path) -> Result<Tally> {
    let mut cargo = nextest(house);
    // named, for its manifest leaves it out of an ordinary run; one by one, since each is three programs with sound
    cargo.args(["--test", "interop_asterisk", "--test-threads", "1"]);
    counted(cargo.env("HOTDESK_ASTERISK", root))
}
