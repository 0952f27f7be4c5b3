//! The fuzz targets in `fuzz/`: each goes through its kept corpus and then looks for more, for a while.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::house::{House, run as run_command, step};
use crate::setup;
use crate::tally::Tally;

/// What a target gets when nothing is said.
const SHORTLY: Duration = Duration::from_secs(20);

/// No message larger than this is taken anyway; most of what can be found fits into much less.
const MAX_INPUT_BYTES: u32 = 16 * 1024;

/// The task: `[--seconds N] [TARGET…]`, all targets by default. `false` if one has found something.
///
/// # Errors
/// If cargo-fuzz is not to be had or a target does not compile.
pub fn run(house: &House, args: &[String]) -> Result<bool> {
    let wish = Wish::read(args)?;
    let fuzzer = setup::install_fuzzer(house)?;
    let known = targets(house)?;
    if let Some(unknown) = wish.targets.iter().find(|target| !known.contains(target)) {
        bail!("no fuzz target is called `{unknown}`; there are {}", known.join(", "));
    }
    let chosen = if wish.targets.is_empty() { known } else { wish.targets };
    let tally = run_targets(house, &fuzzer, &chosen, wish.each)?;
    println!("{tally}");
    Ok(tally.failed == 0)
}

/// Every target, for as long as it gets when nothing is said.
///
/// # Errors
/// As of [`run`].
pub fn all(house: &House) -> Result<Tally> {
    let fuzzer = setup::install_fuzzer(house)?;
    run_targets(house, &fuzzer, &targets(house)?, SHORTLY)
}

struct Wish {
    each: Duration,
    targets: Vec<String>,
}

impl Wish {
    fn read(args: &[String]) -> Result<Wish> {
        let mut wish = Wish { each: SHORTLY, targets: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            if arg == "--seconds" {
                let seconds = args.next().and_then(|value| value.parse().ok());
                wish.each = Duration::from_secs(seconds.context("--seconds takes a number")?);
            } else {
                wish.targets.push(arg.clone());
            }
        }
        Ok(wish)
    }
}

/// The names of the programs in `fuzz/fuzz_targets`.
fn targets(house: &House) -> Result<Vec<String>> {
    let files = crate::house::files_below(&house.root.join("fuzz/fuzz_targets"))?;
    let names: Vec<_> = files.iter().filter_map(|file| Some(file.strip_suffix(".rs")?.to_owned())).collect();
    if names.is_empty() {
        bail!("there are no fuzz targets");
    }
    Ok(names)
}

fn run_targets(house: &House, fuzzer: &setup::Fuzzer, targets: &[String], each: Duration) -> Result<Tally> {
    run_command(fuzzer.command(house).arg("build"))?;
    let mut sum = Tally::default();
    for target in targets {
        let found = house.target.join("fuzz/found").join(target);
        let artefacts = house.target.join("fuzz/artefacts").join(target);
        for folder in [&found, &artefacts] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = fuzzer.command(house);
        // New inputs go to the first folder; the second is read.
        command.args(["run", target]).arg(&found).arg(house.root.join("fuzz/corpus").join(target)).args([
            "--",
            "-dict=fuzz/sip.dict",
            "-timeout=5",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            "-verbosity=0",
            &format!("-max_len={MAX_INPUT_BYTES}"),
            &format!("-max_total_time={}", each.as_secs()),
            &format!("-artifact_prefix={}/", artefacts.display()),
        ]);
        let result = step(&format!("fuzz target {target}"), || run_command(&mut command));
        sum += Tally::one(result.is_ok());
        if let Err(error) = result {
            println!("{target}: {error:#}. The input lies in {}", artefacts.display());
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_names_targets_and_a_time() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let wish = Wish::read(&words("--seconds 600 uri digest")).unwrap();
        assert_eq!((wish.each, wish.targets), (Duration::from_secs(600), words("uri digest")));
        assert_eq!(Wish::read(&[]).unwrap().each, SHORTLY);
        assert!(Wish::read(&words("--seconds soon")).is_err());
    }

    #[test]
    fn every_target_has_a_program_a_manifest_entry_and_a_corpus() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        let house = House { root: root.clone(), target: root.clone(), cache: root.clone() };
        for target in targets(&house).unwrap() {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
            let corpus = root.join("fuzz/corpus").join(&target);
            assert!(corpus.read_dir().unwrap().count() > 0, "{target}");
        }
    }
}
