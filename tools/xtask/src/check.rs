//! The tests: one step after the other, each counted, and a line with the sum at the end.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::asterisk;
use crate::attack;
use crate::fuzz;
use crate::house::{House, run, seconds, step, tee};
use crate::npm;
use crate::serve::build_server;
use crate::setup::{self, Scope};
use crate::site::{self, Mode};
use crate::sizes;
use crate::tally::Tally;

/// Packages that the pages are made of; they must be right for WASM as well.
const WASM_PACKAGES: &[&str] = &["hotdesk-desk", "hotdesk-softphone", "hotdesk-app", "hotdesk-frontend"];

/// Everything. `false` if something failed.
///
/// # Errors
/// If the set-up fails: then nothing can be tested.
pub fn test(house: &House) -> Result<bool> {
    let mut report = Report::default();
    setup::run(house, Scope::Everything)?;
    lint(house, &mut report);
    report.part("types of the browser tests", || types(house));
    native(house, &mut report);
    report.part("documentation tests", || doctests(house));
    report.part("fuzz targets", || fuzz::all(house));

    let mut server = None;
    report.part("release build", || {
        let site = site::build(house, Mode::Release)?;
        server = Some((build_server(house, Mode::Release, &site)?, site));
        Ok(Tally::one(true))
    });
    match server {
        Some((server, site)) => {
            report.part("transfer sizes", || sizes::check(house, &site));
            report.part("browser tests", || browser_tests(house, &server, &[]));
            report.part("attacks", || attack::against(house, &server, &[]));
        }
        None => {
            for part in ["transfer sizes", "browser tests", "attacks"] {
                report.part::<Tally>(part, || bail!("not possible, for there is no release build"));
            }
        }
    }
    report.part("interop with Asterisk", || asterisk::part(house));
    Ok(report.finish())
}

/// What a developer runs before a commit.
///
/// # Errors
/// If the set-up fails.
pub fn quick(house: &House) -> Result<bool> {
    let mut report = Report::default();
    setup::run(house, Scope::Check)?;
    lint(house, &mut report);
    native(house, &mut report);
    Ok(report.finish())
}

/// The browser tests alone, against a fresh build.
///
/// # Errors
/// If the set-up or the build fails.
pub fn e2e(house: &House, args: &[String]) -> Result<bool> {
    let dev = args.first().is_some_and(|arg| arg == "--dev");
    let (mode, args) = if dev { (Mode::Dev, &args[1..]) } else { (Mode::Release, args) };
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    setup::run(house, Scope::Everything)?;
    let site = site::build(house, mode)?;
    let server = build_server(house, mode, &site)?;
    let mut report = Report::default();
    let folder = (mode == Mode::Dev).then_some(site.folder);
    let environment = folder.map(|folder| ("HOTDESK_SITE_FOLDER", folder.display().to_string()));
    report.part("types of the browser tests", || types(house));
    report.part("browser tests", || browser_tests_with(house, &server, args, environment));
    Ok(report.finish())
}

fn lint(house: &House, report: &mut Report) {
    report.part("format", || Ok(passes(house.cargo().args(["fmt", "--all", "--check"]))));
    report.part("lint", || {
        // the targets that an ordinary run leaves out are named
        let mut tally = Tally::default();
        for targets in [&["--all-targets"][..], &["--test", "interop_asterisk"]] {
            let mut clippy = house.cargo();
            clippy.args(["clippy", "--workspace"]).args(targets);
            tally += passes(clippy.args(["--", "-D", "warnings"]));
        }
        Ok(tally)
    });
    report.part("lint for WASM", || {
        let mut cargo = house.cargo();
        cargo.args(["clippy", "--target", "wasm32-unknown-unknown"]);
        for package in WASM_PACKAGES {
            cargo.args(["-p", package]);
        }
        Ok(passes(cargo.args(["--", "-D", "warnings"])))
    });
}

/// Playwright runs tests without looking at their types.
fn types(house: &House) -> Result<Tally> {
    npm::install_end2end(house)?;
    let folder = house.root.join("end2end");
    let mut compiler = house.command(folder.join("node_modules/.bin/tsc"));
    Ok(passes(compiler.current_dir(folder).arg("--noEmit")))
}

fn native(house: &House, report: &mut Report) {
    report.part("unit and integration tests", || counted(&mut nextest(house)));
}

/// Runs all native tests, unless it is told to which.
pub fn nextest(house: &House) -> Command {
    let mut cargo = house.cargo();
    cargo.args(["nextest", "run", "--workspace", "--no-fail-fast", "--color=never"]);
    // Whatever the environment says: a test that passes when repeated has failed.
    cargo.args(["--config-file", "tools/nextest.toml", "--retries", "0"]);
    cargo
}

/// Runs a [`nextest`] and counts.
///
/// # Errors
/// If it does not come to its end.
pub fn counted(nextest: &mut Command) -> Result<Tally> {
    let (printed, succeeded) = tee(nextest)?;
    let tally = Tally::of_nextest(&printed).context("the tests did not run to their end")?;
    Ok(tally.believing(succeeded, "cargo nextest"))
}

fn doctests(house: &House) -> Result<Tally> {
    let mut cargo = house.cargo();
    let (printed, succeeded) =
        tee(cargo.args(["test", "--doc", "--workspace", "--no-fail-fast", "--color=never"]))?;
    Ok(Tally::of_doctests(&printed).believing(succeeded, "cargo test --doc"))
}

fn browser_tests(house: &House, server: &Path, args: &[String]) -> Result<Tally> {
    browser_tests_with(house, server, args, None)
}

/// Runs Playwright in `end2end/`. It learns from the environment which server and which browser to start.
fn browser_tests_with(
    house: &House,
    server: &Path,
    args: &[String],
    extra: Option<(&str, String)>,
) -> Result<Tally> {
    npm::install_end2end(house)?;
    let results = house.target.join("end2end");
    std::fs::create_dir_all(&results)?;
    let json = results.join("report.json");
    if json.exists() {
        std::fs::remove_file(&json)?;
    }
    let mut playwright = house.command(house.root.join("end2end/node_modules/.bin/playwright"));
    playwright
        .current_dir(house.root.join("end2end"))
        .args(["test", "--reporter=list,json"])
        .arg("--output")
        .arg(results.join("artefacts"))
        .args(args)
        // A `test.only` that was forgotten would leave out the others.
        .env("CI", "1")
        .env("HOTDESK_BIN", server)
        .env("HOTDESK_CHROMIUM", setup::browser()?)
        .env("HOTDESK_ARTEFACTS", results.join("artefacts"))
        .env("PLAYWRIGHT_JSON_OUTPUT_NAME", &json)
        .env("PLAYWRIGHT_JSON_OUTPUT_FILE", &json)
        .envs(extra);
    let succeeded = run(&mut playwright).is_ok();
    let report = std::fs::read(&json).context("Playwright left no report")?;
    let tally = Tally::of_playwright(&report)?.believing(succeeded, "playwright");
    if tally == Tally::default() {
        bail!("there are no browser tests");
    }
    Ok(tally)
}

fn passes(command: &mut Command) -> Tally {
    let result = run(command);
    if let Err(error) = &result {
        println!("{error:#}");
    }
    Tally::one(result.is_ok())
}

/// What a part came to.
pub enum Outcome {
    Ran(Tally),
    /// This machine has not what it needs, and may lack it; the reason.
    NotRun(String),
}

impl From<Tally> for Outcome {
    fn from(tally: Tally) -> Outcome {
        Outcome::Ran(tally)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, form: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Ran(tally) => form.pad(&tally.to_string()),
            Outcome::NotRun(_) => form.pad("not run"),
        }
    }
}

/// What the parts of a run came to.
#[derive(Default)]
struct Report {
    parts: Vec<(String, Outcome, Duration)>,
}

impl Report {
    /// Runs one part. An error is one failure, and the next part runs all the same.
    fn part<O: Into<Outcome>>(&mut self, name: &str, work: impl FnOnce() -> Result<O>) {
        let begun = Instant::now();
        let outcome = step(name, work).map_or_else(
            |error| {
                println!("{name}: {error:#}");
                Tally::one(false).into()
            },
            O::into,
        );
        self.parts.push((name.to_owned(), outcome, begun.elapsed()));
    }

    /// Prints the parts and, as the last line, their sum. `false` if anything failed.
    fn finish(&self) -> bool {
        println!("\n{}", self.table());
        let sum = self.sum();
        println!("{sum}");
        sum.failed == 0 && sum.passed > 0
    }

    fn table(&self) -> String {
        let mut lines = Vec::new();
        for (name, outcome, took) in &self.parts {
            let mut line = format!("  {name:<28} {outcome:>24}   {}", seconds(*took));
            if let Outcome::NotRun(reason) = outcome {
                line += &format!("   {reason}");
            }
            lines.push(line);
        }
        lines.join("\n")
    }

    /// Of the parts that ran.
    fn sum(&self) -> Tally {
        let mut sum = Tally::default();
        for (_, outcome, _) in &self.parts {
            if let Outcome::Ran(tally) = outcome {
                sum += *tally;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_failure_and_the_next_part_runs() {
        let mut report = Report::default();
        report.part::<Tally>("first", || bail!("no"));
        report.part("second", || Ok(Tally { passed: 3, failed: 0 }));
        assert!(!report.finish());
        assert_eq!(report.sum(), Tally { passed: 3, failed: 1 });
    }

    #[test]
    fn what_cannot_run_here_shows_and_neither_passes_nor_fails() {
        let mut report = Report::default();
        let why = "only root can do this";
        report.part("peer", || Ok(Outcome::NotRun(why.into())));
        assert!(!report.finish(), "that alone is no success");
        report.part("unit", || Ok(Tally { passed: 3, failed: 0 }));
        assert!(report.finish());
        assert_eq!(report.sum(), Tally { passed: 3, failed: 0 });
        let line = report.table().lines().next().unwrap().to_owned();
        assert!(line.contains("peer") && line.contains("not run") && line.contains(why), "{line}");
    }

    #[test]
    fn a_run_without_tests_is_no_success() {
        assert!(!Report::default().finish());
    }
}
