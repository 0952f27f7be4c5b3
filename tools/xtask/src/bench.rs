//! The benchmarks in `tools/bench`.

use anyhow::Result;

use crate::house::{House, run as run_command};

/// Runs every benchmark, optimised as the server is; `args` go to the benchmark programs.
///
/// # Errors
/// If one does not compile or fails.
pub fn run(house: &House, args: &[String]) -> Result<()> {
    let mut cargo = house.cargo();
    cargo.args(["bench", "-p", "hotdesk-bench", "--benches", "--"]).args(args);
    run_command(&mut cargo)
}
