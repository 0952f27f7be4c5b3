//! The tasks of this house: `cargo run -p xtask -- TASK`.
//!
//! `script/server` and `script/test` install Rust where it is missing and hand over to this program; `Makefile.toml`
//! names the same tasks for those who use cargo-make. Everything built lies in cargo's target folder and in the
//! user's cache folder; nothing is cached inside the repository.

mod asterisk;
mod attack;
mod bench;
mod bench_sip;
mod check;
mod fuzz;
mod house;
mod npm;
mod serve;
mod setup;
mod site;
mod sizes;
mod tally;

use std::process::ExitCode;

use anyhow::{Result, bail};

use house::House;
use setup::Scope;
use site::Mode;

const HELP: &str = "\
Usage: cargo run -p xtask -- TASK [OPTIONS]

Tasks:
  setup                     install what is missing: system packages, Node, WASM target, test tools, npm packages
  build [--dev]             build the site (WASM, styles, pages) and the server that carries it
        [--site-only]         the site alone
  serve [--dev] [ARGS…]     set up, build, and run `hotdesk serve --demo ARGS…`;
                            with --dev the debug server, with the site served from its folder
  test                      everything: format, lint, unit, integration, documentation and browser tests, sizes,
                            fuzz targets, attacks, and interop with Asterisk where it can be installed
  e2e [--dev] [ARGS…]       the browser tests and their types alone; ARGS go to `playwright test`
  bench [ARGS…]             the benchmarks; ARGS go to the benchmark programs (a name filters)
  fuzz [--seconds N] [TARGET…]
                            the fuzz targets, each for N seconds (20)
  attack-sip [--dev] [ARGS…]
                            attacks the server over real sockets; --mutants N says how many broken messages
  bench-sip [--dev]         calls and registrations per second, beside Kamailio's
  interop-asterisk          calls with an Asterisk, which is installed in a folder of the cache for it
  ci                        what the continuous integration runs: the same as test
  quick                     format, lint, unit and integration tests: before a commit
  sizes                     print the transfer size of every page and hold it against tools/xtask/budgets.toml

Environment:
  CARGO_TARGET_DIR          where everything is built (default: ~/.cache/hotdesk/target)
  HOTDESK_CACHE             where downloaded tools are kept (default: ~/.cache/hotdesk)
  HOTDESK_CHROMIUM          the browser to test with (default: chromium, chromium-browser or google-chrome)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one task; `false` says that the task ran to its end and found failures, which it has printed.
fn run(args: &[String]) -> Result<bool> {
    let Some((task, rest)) = args.split_first() else {
        print!("{HELP}");
        return Ok(false);
    };
    if matches!(task.as_str(), "help" | "--help" | "-h") || rest.iter().any(|arg| arg == "--help") {
        print!("{HELP}");
        return Ok(true);
    }
    let house = House::find()?;
    match task.as_str() {
        "setup" => {
            no_more(rest)?;
            setup::run(&house, Scope::Everything)?;
        }
        "build" => {
            let mode = if rest.iter().any(|arg| arg == "--dev") { Mode::Dev } else { Mode::Release };
            let site_only = rest.iter().any(|arg| arg == "--site-only");
            no_more_than(rest, &["--dev", "--site-only"])?;
            setup::run(&house, Scope::Build)?;
            let site = site::build(&house, mode)?;
            if !site_only {
                serve::build_server(&house, mode, &site)?;
            }
        }
        "serve" => serve::run(&house, rest)?,
        "test" | "ci" => {
            no_more(rest)?;
            return check::test(&house);
        }
        "quick" => {
            no_more(rest)?;
            return check::quick(&house);
        }
        "e2e" => return check::e2e(&house, rest),
        "bench" => bench::run(&house, rest)?,
        "bench-sip" => bench_sip::run(&house, rest)?,
        "attack-sip" => return attack::run(&house, rest),
        "interop-asterisk" => {
            no_more(rest)?;
            return asterisk::run(&house);
        }
        "fuzz" => return fuzz::run(&house, rest),
        "sizes" => {
            no_more(rest)?;
            setup::run(&house, Scope::Build)?;
            let site = site::build(&house, Mode::Release)?;
            return Ok(sizes::check(&house, &site)?.failed == 0);
        }
        unknown => bail!("no task is called `{unknown}`; `cargo run -p xtask -- --help` lists them"),
    }
    Ok(true)
}

fn no_more(rest: &[String]) -> Result<()> {
    no_more_than(rest, &[])
}

fn no_more_than(rest: &[String], known: &[&str]) -> Result<()> {
    match rest.iter().find(|arg| !known.contains(&arg.as_str())) {
        Some(arg) => bail!("this task knows no `{arg}`; see --help"),
        None => Ok(()),
    }
}
