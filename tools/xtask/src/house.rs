//! Where things lie, and how other programs are run.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

/// The folders of one checkout.
pub struct House {
    /// The repository's top folder.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Tools and packages that outlive a `cargo clean`.
    pub cache: PathBuf,
}

impl House {
    /// Finds the repository around the current folder.
    ///
    /// # Errors
    /// If the current folder is not inside the repository, or no cache folder can be named.
    pub fn find() -> Result<House> {
        let here = std::env::current_dir().context("the current folder is gone")?;
        let root = here
            .ancestors()
            .find(|folder| folder.join("Makefile.toml").is_file() && folder.join("tools/xtask").is_dir())
            .context("start this inside the repository")?
            .to_path_buf();
        let cache = match (env_path("HOTDESK_CACHE"), env_path("XDG_CACHE_HOME"), env_path("HOME")) {
            (Some(cache), _, _) => cache,
            (None, Some(caches), _) => caches.join("hotdesk"),
            (None, None, Some(home)) => home.join(".cache/hotdesk"),
            (None, None, None) => bail!("set HOTDESK_CACHE: without HOME there is no place for caches"),
        };
        let target = match env_path("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => cache.join("target"),
        };
        Ok(House { root, target, cache })
    }

    /// A command that runs at the top of the repository and builds into our target folder.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// `cargo`, the one that started us if there is one.
    pub fn cargo(&self) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Set while cargo runs us; they would make the packages that look at them rebuild for nothing.
        for name in std::env::vars_os().map(|(name, _)| name) {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Runs a command to its end, showing it and what it prints.
///
/// # Errors
/// If it cannot be started or ends with failure.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", line(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs a command without showing it and returns what it wrote to its standard output.
///
/// # Errors
/// If it cannot be started or ends with failure; the error carries its error output.
pub fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` ended with {}\n{}",
            line(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(output.stdout)
}

/// Like [`output`], as text without the last line end.
///
/// # Errors
/// Those of [`output`], or if the text is not UTF-8.
pub fn text(command: &mut Command) -> Result<String> {
    let bytes = output(command)?;
    Ok(String::from_utf8(bytes).context("the program printed no UTF-8")?.trim_end().to_owned())
}

/// Where a program stands on the search path.
pub fn which(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Names a step, does it, and says how long it took.
///
/// # Errors
/// Those of the work.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("== {name}");
    let begun = Instant::now();
    let result = work();
    let outcome = if result.is_ok() { "done" } else { "FAILED" };
    println!("== {name}: {outcome} in {}", seconds(begun.elapsed()));
    result
}

/// A duration as people read it.
pub fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

/// The SHA-256 of some parts, each with its length so that no two lists of parts share one; in hexadecimal.
pub fn fingerprint(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All files below a folder, sorted, as paths relative to it with `/` between the parts; none if there is no such folder.
///
/// # Errors
/// If a folder cannot be read or a name is not UTF-8.
pub fn files_below(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if folder.is_dir() {
        collect(folder, "", &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{} is not UTF-8", entry.path().display()))?;
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if entry.path().is_dir() {
            collect(&entry.path(), &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Runs a program, shows both its outputs as they come, and returns them with whether it succeeded.
///
/// # Errors
/// If it cannot be started.
pub fn tee(command: &mut Command) -> Result<(String, bool)> {
    let shown = line(command);
    println!("$ {shown}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let stderr = child.stderr.take().expect("stderr is piped");
    let other = std::thread::spawn(move || pass_on(stderr));
    let mut printed = pass_on(stdout);
    printed.push_str(&other.join().expect("copying does not panic"));
    Ok((printed, child.wait()?.success()))
}

fn pass_on(output: impl Read) -> String {
    let mut printed = String::new();
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let mut out = std::io::stdout().lock();
        // Nobody left to read what we print is no reason to stop counting.
        let _ = out.write_all(&line).and_then(|()| out.flush());
        printed.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    printed
}

fn env_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_where_parts_end() {
        assert_eq!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"ab", b"c"]));
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_eq!(fingerprint(&[]).len(), 64);
    }

    #[test]
    fn files_are_listed_with_their_folders_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sounds")).unwrap();
        std::fs::write(folder.path().join("z.svg"), "").unwrap();
        std::fs::write(folder.path().join("sounds/ring.ogg"), "").unwrap();
        assert_eq!(files_below(folder.path()).unwrap(), ["sounds/ring.ogg", "z.svg"]);
        assert!(files_below(&folder.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }

    #[test]
    fn both_outputs_of_a_program_are_kept() {
        let (printed, succeeded) =
            tee(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap();
        assert!(printed.contains("one\n") && printed.contains("two\n") && !succeeded);
    }
}
