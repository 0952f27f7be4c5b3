//! npm packages, installed outside the repository into a folder named after their lock file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::house::{House, fingerprint, run, text, which};

/// The oldest Node that builds the pages.
pub const OLDEST_NODE: u32 = 18;

/// The oldest Node that Playwright runs on.
pub const OLDEST_NODE_FOR_TESTS: u32 = 20;

/// The tools of `tools/package.json`: wasm-opt and a script minifier.
pub struct NodeTools {
    folder: PathBuf,
    /// Changes when a tool's version does.
    pub fingerprint: String,
}

impl NodeTools {
    /// Installs the tools unless that has been done.
    ///
    /// # Errors
    /// If npm fails.
    pub fn install(house: &House) -> Result<NodeTools> {
        let (folder, fingerprint) = install(house, &house.root.join("tools"))?;
        Ok(NodeTools { folder, fingerprint })
    }

    /// A command that runs one of the tools.
    pub fn command(&self, tool: &str) -> Command {
        Command::new(self.folder.join("node_modules/.bin").join(tool))
    }
}

/// Installs the packages of the browser tests and links them as `end2end/node_modules`, where imports look for them.
///
/// # Errors
/// If there is no lock file, npm fails, or somebody's own folder is in the way of the link.
pub fn install_end2end(house: &House) -> Result<()> {
    let project = house.root.join("end2end");
    let (folder, _) = install(house, &project)?;
    let link = project.join("node_modules");
    let modules = folder.join("node_modules");
    match link.symlink_metadata() {
        Ok(found) if found.is_symlink() => {
            if link.read_link()? == modules {
                return Ok(());
            }
            std::fs::remove_file(&link)?;
        }
        Ok(_) => {
            bail!("{} is a folder; remove it, the packages are kept outside the repository", link.display())
        }
        Err(_) => {}
    }
    std::os::unix::fs::symlink(&modules, &link).with_context(|| format!("cannot link {}", link.display()))
}

/// The major version of Node, if there is one on the path that can say so.
pub fn node_version() -> Option<u32> {
    which("node")?;
    let version = text(Command::new("node").arg("--version")).ok()?;
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// Runs `npm ci` on a copy of the project's lock file, once per content of it.
fn install(house: &House, project: &Path) -> Result<(PathBuf, String)> {
    let read = |name: &str| {
        let path = project.join(name);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let (package, lock) = (read("package.json")?, read("package-lock.json")?);
    let fingerprint = fingerprint(&[&package, &lock]);
    let folder = house.cache.join("npm").join(&fingerprint[..16]);
    let complete = folder.join("complete");
    if !complete.is_file() {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("package.json"), package)?;
        std::fs::write(folder.join("package-lock.json"), lock)?;
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))
            .with_context(|| format!("the packages of {} could not be installed", project.display()))?;
        std::fs::write(complete, "")?;
    }
    Ok((folder, fingerprint))
}
