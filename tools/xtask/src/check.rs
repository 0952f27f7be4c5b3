//! The tests: one step after the other, each counted, and a line with the sum at the end.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

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
                report.part(part, || bail!("not possible, for there is no release build"));
            }
        }
    }
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
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        Ok(passes(house.cargo().args(clippy)))
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
    report.part("unit and integration tests", || {
        let mut cargo = house.cargo();
        cargo.args(["nextest", "run", "--workspace", "--no-fail-fast", "--color=never"]);
        // Whatever the environment says: a test that passes when repeated has failed.
        cargo.args(["--config-file", "tools/nextest.toml", "--retries", "0"]);
        let (printed, succeeded) = tee(&mut cargo)?;
        let tally = Tally::of_nextest(&printed).context("the tests did not run to their end")?;
        Ok(tally.believing(succeeded, "cargo nextest"))
    });
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

/// What the parts of a run came to.
#[derive(Default)]
struct Report {
    parts: Vec<(String, Tally, Duration)>,
}

impl Report {
    /// Runs one part. An error is one failure, and the next part runs all the same.
    fn part(&mut self, name: &str, work: impl FnOnce() -> Result<Tally>) {
        let begun = Instant::now();
        let tally = step(name, work).unwrap_or_else(|error| {
            println!("{name}: {error:#}");
            Tally::one(false)
        });
        self.parts.push((name.to_owned(), tally, begun.elapsed()));
    }

    /// Prints the parts and, as the last line, their sum. `false` if anything failed.
    fn finish(&self) -> bool {
        println!();
        let mut sum = Tally::default();
        for (name, tally, took) in &self.parts {
            println!("  {name:<28} {:>24}   {}", tally.to_string(), seconds(*took));
            sum += *tally;
        }
        println!("{sum}");
        sum.failed == 0 && sum.passed > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_failure_and_the_next_part_runs() {
        let mut report = Report::default();
        report.part("first", || bail!("no"));
        report.part("second", || Ok(Tally { passed: 3, failed: 0 }));
        assert!(!report.finish());
        let sum = report.parts.iter().fold(Tally::default(), |mut sum, (_, tally, _)| {
            sum += *tally;
            sum
        });
        assert_eq!(sum, Tally { passed: 3, failed: 1 });
    }

    #[test]
    fn a_run_without_tests_is_no_success() {
        assert!(!Report::default().finish());
    }
}
