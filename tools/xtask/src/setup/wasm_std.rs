//! Rust's standard library for `wasm32-unknown-unknown`.
//!
//! `rustup target add` brings it on nearly every machine. Where rustup cannot download, Debian's `rust-src` package of
//! the very same compiler version has the sources, and the compiler at hand can build them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::apt::is_root;
use super::mirror::Mirror;
use crate::house::{House, files_below, run, text, which};

const TARGET: &str = "wasm32-unknown-unknown";

/// Suites that may carry the compiler's own version, the likeliest first.
const SUITES: &[&str] = &["trixie-backports", "forky", "sid"];

/// Installs the library unless the compiler has it.
///
/// # Errors
/// If neither way works; the error tells both reasons.
pub fn install(house: &House) -> Result<()> {
    let library = text(Command::new("rustc").current_dir(&house.root).args([
        "--print",
        "target-libdir",
        "--target",
        TARGET,
    ]))?;
    let library = PathBuf::from(library);
    if has_std(&library) {
        return Ok(());
    }
    let Err(rustup) = run(Command::new("rustup").current_dir(&house.root).args(["target", "add", TARGET]))
    else {
        return Ok(());
    };
    println!("   rustup could not add {TARGET}; building it from Debian's rust-src");
    build(house, &library).with_context(|| {
        format!(
            "the standard library for {TARGET} is missing. rustup said: {rustup:#}. \
             Building it from Debian's rust-src failed as well"
        )
    })
}

fn has_std(library: &Path) -> bool {
    let files = files_below(library).unwrap_or_default();
    // rustup's files carry a hash in their names; of those that we build, `std` has none, being a `dylib` elsewhere.
    let has = |room: &str| {
        files
            .iter()
            .filter_map(|file| file.strip_suffix(".rlib"))
            .any(|file| file.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
    };
    has("libcore") && has("libstd")
}

fn build(house: &House, library: &Path) -> Result<()> {
    for tool in ["apt-get", "apt-cache", "dpkg"] {
        if which(tool).is_none() {
            bail!("there is no {tool} here");
        }
    }
    let scratch = house.cache.join("wasm-std");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    let sources = sources(&scratch)?;

    let built = house.target.join("wasm-std");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&sources)
        .env("CARGO_TARGET_DIR", &built)
        // The library's own flags: it may use unstable features, and its code takes part in link-time optimisation.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zforce-unstable-if-unmarked -Cembed-bitcode=yes")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["build", "--release", "--target", TARGET, "--manifest-path", "sysroot/Cargo.toml"])
        .args(["--features", "panic-unwind,compiler-builtins-mem"]);
    run(&mut cargo)?;

    // Filled under another name first: half a library, or two of them, is worse than none.
    let made = built.join(TARGET).join("release/deps");
    let unfinished = library.with_extension("unfinished");
    std::fs::create_dir_all(&unfinished).with_context(|| format!("cannot make {}", unfinished.display()))?;
    for file in files_below(&made)?.iter().filter(|file| file.ends_with(".rlib")) {
        std::fs::copy(made.join(file), unfinished.join(file))
            .with_context(|| format!("cannot copy {file}"))?;
    }
    if !has_std(&unfinished) {
        bail!("the build left no library in {}", made.display());
    }
    if library.exists() {
        std::fs::remove_dir_all(library)?;
    }
    std::fs::rename(&unfinished, library).with_context(|| format!("cannot write {}", library.display()))?;
    std::fs::remove_dir_all(&scratch)?;
    std::fs::remove_dir_all(&built)?;
    Ok(())
}

/// Downloads and unpacks `rust-src` of the compiler's version; the folder of the library's sources.
fn sources(scratch: &Path) -> Result<PathBuf> {
    let version = rustc_version()?;
    let mirror = Mirror::of_this_machine()?;
    let mut reasons = Vec::new();
    for suite in SUITES {
        match download(scratch, &mirror, suite, &version) {
            Ok(package) => return unpack(scratch, &package),
            Err(error) => reasons.push(format!("{suite}: {error:#}")),
        }
    }
    bail!("no suite of {} has rust-src {version}: {}", mirror.address, reasons.join("; "))
}

/// Fetches the package with an apt state of our own: nothing on the machine changes.
fn download(scratch: &Path, mirror: &Mirror, suite: &str, version: &str) -> Result<PathBuf> {
    let folder = scratch.join(suite);
    for part in ["lists/partial", "cache/archives/partial"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    std::fs::write(folder.join("sources.list"), mirror.line(suite))?;
    let apt = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(&folder);
        for (name, value) in [
            ("Dir::State::Lists", folder.join("lists")),
            ("Dir::Etc::sourcelist", folder.join("sources.list")),
            ("Dir::Etc::sourceparts", PathBuf::from("/dev/null")),
            ("Dir::Cache", folder.join("cache")),
        ] {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        }
        if is_root() {
            // apt's own user may not write into our folder.
            command.args(["-o", "APT::Sandbox::User=root"]);
        }
        command
    };
    run(apt("apt-get").args(["-q", "update"]))?;
    let offers = text(apt("apt-cache").args(["madison", "rust-src"]))?;
    let offer = offered(&offers, version).context("not the compiler's version")?;
    run(apt("apt-get").args(["-q", "download", &format!("rust-src={offer}")]))?;
    let files = files_below(&folder)?;
    let package = files.iter().find(|file| file.starts_with("rust-src_") && file.ends_with(".deb"));
    Ok(folder.join(package.context("apt downloaded nothing")?))
}

/// Unpacks the package without installing it.
fn unpack(scratch: &Path, package: &Path) -> Result<PathBuf> {
    let unpacked = scratch.join("unpacked");
    run(Command::new("dpkg").arg("-x").arg(package).arg(&unpacked))?;
    let versions = unpacked.join("usr/src");
    for entry in versions.read_dir().context("the package has another layout")? {
        let library = entry?.path().join("library");
        if library.join("sysroot/Cargo.toml").is_file() {
            return Ok(library);
        }
    }
    bail!("the package has no library sources")
}

/// The version among apt's offers that is the compiler's, whatever Debian adds to it.
fn offered<'a>(madison: &'a str, version: &str) -> Option<&'a str> {
    madison
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .map(str::trim)
        .find(|offer| offer.strip_prefix(version).is_some_and(|rest| rest.starts_with(['+', '-', '~'])))
}

fn rustc_version() -> Result<String> {
    let version = text(Command::new("rustc").arg("--version"))?;
    let version = version.split_whitespace().nth(1).context("rustc tells no version")?;
    Ok(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_whole_with_core_and_std_whoever_built_it() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        assert!(!has_std(&folder.path().join("none")));
        put("libcore-358b0d682e6bec87.rlib");
        put("libstd_detect-1fce8479a0c66b7d.rlib");
        put("libstd-2c19544a9276d693.rmeta");
        assert!(!has_std(folder.path()));
        put("libstd.rlib");
        assert!(has_std(folder.path()));
    }

    #[test]
    fn only_the_compilers_version_will_do() {
        let madison = " rust-src | 1.95.10+dfsg1-1 | http://m sid/main amd64 Packages\n \
                       rust-src | 1.95.1+dfsg1-2~bpo13+1 | http://m trixie-backports/main amd64 Packages\n";
        assert_eq!(offered(madison, "1.95.1"), Some("1.95.1+dfsg1-2~bpo13+1"));
        assert_eq!(offered(madison, "1.95.0"), None);
    }
}
