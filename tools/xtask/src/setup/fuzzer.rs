//! What runs the targets in `fuzz/`: cargo-fuzz, and a nightly compiler for its instrumentation.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::house::{House, run, text, which};

/// Another version may be on the search path already, and serves.
const VERSION: &str = "0.13.2";

/// The compiler that cargo-fuzz calls for.
const TOOLCHAIN: &str = "nightly";

/// cargo-fuzz, ready to run.
pub struct Fuzzer {
    program: PathBuf,
}

impl Fuzzer {
    /// A command that runs `cargo fuzz` with the nightly compiler in the repository's root.
    pub fn command(&self, house: &House) -> Command {
        let mut command = house.command("rustup");
        command.args(["run", TOOLCHAIN]).arg(&self.program).arg("fuzz").current_dir(&house.root);
        // The instrumented build has flags of its own; mixed with ours, each would make the other build again.
        command.env("CARGO_TARGET_DIR", house.target.join("fuzz"));
        command
    }
}

/// Installs both unless they are there.
///
/// # Errors
/// If one of them is not to be had; the error says what to install by hand.
pub fn install(house: &House) -> Result<Fuzzer> {
    if text(Command::new("rustup").args(["run", TOOLCHAIN, "rustc", "--version"])).is_err() {
        run(Command::new("rustup").args(["toolchain", "install", TOOLCHAIN, "--profile", "minimal"]))
            .with_context(|| {
                format!("fuzzing needs the {TOOLCHAIN} compiler: `rustup toolchain install {TOOLCHAIN}`")
            })?;
    }
    if let Some(program) = which("cargo-fuzz") {
        return Ok(Fuzzer { program });
    }
    let root = house.cache.join("cargo-fuzz");
    let program = root.join("bin/cargo-fuzz");
    if !program.is_file() {
        let mut cargo = house.cargo();
        cargo.args(["install", "cargo-fuzz", "--locked", "--version", VERSION, "--root"]).arg(&root);
        run(&mut cargo).context("cargo-fuzz is missing and could not be installed")?;
    }
    Ok(Fuzzer { program })
}
