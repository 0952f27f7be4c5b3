//! Asterisk, which stable Debian has no longer: a Debian of tomorrow (`sid`) with it, in a folder of the cache.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::apt::is_root;
use super::mirror::Mirror;
use crate::house::{House, run, step, text, which};

/// Half a minute does with a near mirror; whoever waits longer than this waits in vain.
const LIMIT: Duration = Duration::from_secs(600);

/// In the place of what is asked before a service starts: none may.
const NO_SERVICE: &str = "#!/bin/sh\nexit 101\n";

/// The folder to `chroot` into; made unless it is there, and made anew if it was left half made.
///
/// # Errors
/// If it cannot be made, or not within ten minutes; or not used, by whoever is not root.
pub fn install(house: &House) -> Result<PathBuf> {
    if !is_root() {
        bail!("only root can make a Debian with Asterisk, and start it");
    }
    let root = house.cache.join("asterisk");
    if root.is_dir() {
        return Ok(root);
    }
    step("a Debian with Asterisk", || {
        if which("apt-get").is_none() {
            bail!("there is no apt-get here to make a Debian with Asterisk");
        }
        let unfinished = house.cache.join("asterisk.unfinished");
        let attempt = Attempt { end: Instant::now() + LIMIT, log: house.cache.join("asterisk.log") };
        attempt.make(&unfinished)?;
        std::fs::rename(&unfinished, &root).with_context(|| format!("cannot write {}", root.display()))?;
        Ok(root)
    })
}

struct Attempt {
    end: Instant,
    /// What the programs print.
    log: PathBuf,
}

impl Attempt {
    fn make(&self, root: &Path) -> Result<()> {
        let cache = root.parent().expect("it lies in the cache folder");
        std::fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
        // debootstrap mounts things in there while it works
        run(Command::new("rm").args(["-rf", "--one-file-system"]).arg(root))?;
        let mut log = File::create(&self.log).context("cannot write what is done")?;
        if which("debootstrap").is_none() {
            self.run(&mut log, apt_get(None).arg("update"))?;
            self.run(&mut log, apt_get(None).args(["install", "--no-install-recommends", "debootstrap"]))?;
        }
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", "--include=ca-certificates", "sid"]);
        self.run(&mut log, debootstrap.arg(root).arg(Mirror::of_this_machine()?.address))?;
        prepare(root)?;
        self.run(&mut log, apt_get(Some(root)).args(["install", "--no-install-recommends", "asterisk"]))?;
        self.run(&mut log, apt_get(Some(root)).arg("clean"))
    }

    /// Runs a command to its end, or to ours with all that it has started.
    fn run(&self, log: &mut File, command: &mut Command) -> Result<()> {
        // a whole second more, so that what is ended is ended after our end
        let left = self.end.saturating_duration_since(Instant::now()).as_secs() + 1;
        let mut limited = Command::new("timeout");
        limited.arg("--kill-after=10").arg(left.to_string());
        limited.arg(command.get_program()).args(command.get_args());
        limited.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
        let succeeded = run(&mut limited).is_ok();
        if self.end <= Instant::now() {
            bail!("a Debian with Asterisk is not made within {} minutes", LIMIT.as_secs() / 60);
        }
        if !succeeded {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing was said");
            bail!("a Debian with Asterisk cannot be made ({}): {last}", self.log.display());
        }
        Ok(())
    }
}

/// `apt-get`, of this machine or of the one in a folder.
fn apt_get(root: Option<&Path>) -> Command {
    let mut command = Command::new(if root.is_some() { "chroot" } else { "env" });
    if let Some(root) = root {
        command.arg(root).arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]);
    // sid's list may be older than it says it will be when the mirror stands still
    command.args(["-o", "Acquire::Check-Valid-Until=false"]);
    command
}

/// Starts nothing, finds the archive by the same way as this machine, and knows the same names.
fn prepare(root: &Path) -> Result<()> {
    let policy = root.join("usr/sbin/policy-rc.d");
    std::fs::write(&policy, NO_SERVICE).with_context(|| format!("cannot write {}", policy.display()))?;
    run(Command::new("chmod").arg("755").arg(&policy))?;
    for name in ["resolv.conf", "hosts"] {
        let (ours, theirs) = (Path::new("/etc").join(name), root.join("etc").join(name));
        std::fs::copy(ours, theirs).with_context(|| format!("cannot copy {name}"))?;
    }
    let settings = text(Command::new("apt-config").arg("dump"))?;
    let proxy = settings.lines().filter(|line| line.starts_with("Acquire::http"));
    let proxy: String = proxy.map(|line| format!("{line}\n")).collect();
    std::fs::write(root.join("etc/apt/apt.conf.d/90proxy"), proxy).context("cannot tell apt the proxy")
}
