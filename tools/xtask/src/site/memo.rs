//! Remembers what slow steps made, by a fingerprint of all that went into them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use crate::house::fingerprint;

/// Raised when a step works differently on the same input, so that nothing old is taken for new.
const STEPS_VERSION: &[u8] = b"3";

/// What has not been asked for this long is thrown away.
const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);

/// A folder of results.
pub struct Memo {
    folder: PathBuf,
}

impl Memo {
    /// Opens the memo, making its folder where there is none.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Memo> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Memo { folder: folder.to_path_buf() })
    }

    /// The folder that `make` filled for these inputs, now or in an earlier run.
    ///
    /// # Errors
    /// Those of `make`; nothing is remembered then.
    pub fn folder(&self, inputs: &[&[u8]], make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let mut parts = vec![STEPS_VERSION];
        parts.extend(inputs);
        let result = self.folder.join(&fingerprint(&parts)[..32]);
        if result.is_dir() {
            let now = std::fs::FileTimes::new().set_modified(SystemTime::now());
            std::fs::File::open(&result)?.set_times(now)?;
            return Ok(result);
        }
        // Filled under another name first, so that a run that was cut off leaves no half result.
        let unfinished = result.with_extension(format!("{}", std::process::id()));
        std::fs::create_dir_all(&unfinished)?;
        let made = make(&unfinished);
        if made.is_err() {
            std::fs::remove_dir_all(&unfinished)?;
        }
        made?;
        if std::fs::rename(&unfinished, &result).is_err() {
            std::fs::remove_dir_all(&unfinished)?;
            anyhow::ensure!(result.is_dir(), "cannot write {}", result.display());
        }
        Ok(result)
    }

    /// Like [`Memo::folder`] for a step that makes one piece of text or data.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn bytes(&self, inputs: &[&[u8]], make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        let folder = self.folder(inputs, |folder| Ok(std::fs::write(folder.join("bytes"), make()?)?))?;
        Ok(std::fs::read(folder.join("bytes"))?)
    }

    /// Throws away what no run has asked for in two weeks.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn forget_old(&self) -> Result<()> {
        for entry in self.folder.read_dir()? {
            let entry = entry?;
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if age > KEPT {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_runs_once_for_one_input() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::open(folder.path()).unwrap();
        let first = memo.bytes(&[b"a"], || Ok(b"made".to_vec())).unwrap();
        let again = memo.bytes(&[b"a"], || panic!("made twice")).unwrap();
        let other = memo.bytes(&[b"b"], || Ok(b"other".to_vec())).unwrap();
        assert_eq!(
            (first.as_slice(), again.as_slice(), other.as_slice()),
            (&b"made"[..], &b"made"[..], &b"other"[..])
        );
    }

    #[test]
    fn a_step_that_failed_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let memo = Memo::open(folder.path()).unwrap();
        assert!(memo.bytes(&[b"a"], || anyhow::bail!("no")).is_err());
        assert_eq!(memo.bytes(&[b"a"], || Ok(b"yes".to_vec())).unwrap(), b"yes");
    }
}
