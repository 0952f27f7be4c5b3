//! Style sheets from SCSS, and the minifier.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use super::Mode;
use super::memo::Memo;
use super::sources::Source;
use crate::house::House;
use crate::npm::NodeTools;

/// Makes a style sheet of each `style/*.scss` whose name does not begin with `_`.
///
/// # Errors
/// The first error in a style sheet, with its place.
pub fn build(house: &House, mode: Mode, tools: &NodeTools, memo: &Memo) -> Result<BTreeMap<String, Source>> {
    let folder = house.root.join("style");
    let mut sheets = BTreeMap::new();
    if !folder.is_dir() {
        return Ok(sheets);
    }
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(stem) = name.strip_suffix(".scss").filter(|stem| !stem.starts_with('_')) else { continue };
        let css = grass::from_path(&path, &grass::Options::default().load_path(&folder))
            .map_err(|error| anyhow::anyhow!("{error}"))
            .with_context(|| format!("in style/{name}"))?
            .into_bytes();
        let origin = format!("style/{name}");
        let css = if mode == Mode::Release { minify(&css, "css", &origin, tools, memo)? } else { css };
        sheets.insert(format!("{stem}.css"), Source::text(&origin, css)?);
    }
    Ok(sheets)
}

/// Takes out of a script or style sheet what only people need.
///
/// # Errors
/// If the minifier finds it wrong.
pub fn minify(bytes: &[u8], loader: &str, origin: &str, tools: &NodeTools, memo: &Memo) -> Result<Vec<u8>> {
    memo.bytes(&[b"minify", tools.fingerprint.as_bytes(), loader.as_bytes(), bytes], || {
        let mut child = tools
            .command("esbuild")
            .args(["--minify", "--charset=utf8", "--log-level=error", &format!("--loader={loader}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the minifier")?;
        let mut input = child.stdin.take().expect("the minifier's input is piped");
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&bytes));
        let output = child.wait_with_output()?;
        let written = writer.join().expect("writing does not panic");
        if !output.status.success() {
            bail!("the minifier refused {origin}");
        }
        written?;
        Ok(output.stdout)
    })
}
