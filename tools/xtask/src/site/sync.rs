//! Writes a folder so that it holds just what it should, and touches only what differs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::house::files_below;

/// Makes `folder` hold exactly `files` (paths relative to it): assets first, then pages, and old files go last, so that a
/// server that reads the folder meanwhile finds what each page names.
///
/// # Errors
/// If the disk does not let us.
pub fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let (assets, pages): (Vec<_>, Vec<_>) = files.iter().partition(|(path, _)| path.starts_with("assets/"));
    for (path, bytes) in assets.into_iter().chain(pages) {
        let target = folder.join(path);
        if std::fs::read(&target).is_ok_and(|present| present == *bytes) {
            continue;
        }
        let parent = target.parent().expect("a file stands in a folder");
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        std::fs::write(&target, bytes).with_context(|| format!("cannot write {}", target.display()))?;
    }
    for path in files_below(folder)? {
        if !files.contains_key(&path) {
            std::fs::remove_file(folder.join(&path)).with_context(|| format!("cannot remove {path}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_loses_what_is_old_and_keeps_what_is_the_same() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("site");
        let file = |text: &str| text.as_bytes().to_vec();
        let first = BTreeMap::from([("index.html".into(), file("1")), ("assets/a.js".into(), file("a"))]);
        write(&folder, &first).unwrap();
        let written = folder.join("index.html").metadata().unwrap().modified().unwrap();

        let second = BTreeMap::from([("index.html".into(), file("1")), ("assets/b.js".into(), file("b"))]);
        write(&folder, &second).unwrap();
        assert_eq!(files_below(&folder).unwrap(), ["assets/b.js", "index.html"]);
        assert_eq!(folder.join("index.html").metadata().unwrap().modified().unwrap(), written);
    }
}
