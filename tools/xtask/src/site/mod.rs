//! The site: pages, WASM modules, styles and static files, as the server embeds or serves them.
//!
//! `docs/assets.md` describes the folder that comes out and the placeholders that go in.

mod compress;
mod imports;
mod memo;
mod sources;
mod styles;
mod sync;
mod wasm;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::house::{House, files_below, step};
use crate::npm::NodeTools;
use memo::Memo;
use sources::{Resolver, Source};

/// How much work goes into the site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Quick to build: the dev profile, nothing optimised or compressed.
    Dev,
    /// Quick to load: as it is released.
    Release,
}

/// A site that has been built.
pub struct Site {
    /// The folder that holds it.
    pub folder: PathBuf,
    /// For each page (`index.html`) what a browser loads with it: paths relative to the folder, the page included.
    pub pages: BTreeMap<String, BTreeSet<String>>,
}

/// Builds the site into `<target>/site`, or `<target>/site-dev`.
///
/// # Errors
/// The first error of a compiler or tool, an unknown placeholder with its file and line, or a full disk.
pub fn build(house: &House, mode: Mode) -> Result<Site> {
    step("site", || {
        let tools = NodeTools::install(house)?;
        let memo = Memo::open(&house.target.join("site-memo"))?;
        let folder = house.target.join(match mode {
            Mode::Dev => "site-dev",
            Mode::Release => "site",
        });

        let mut given = wasm::build(house, mode, &tools, &memo)?;
        given.extend(styles::build(house, mode, &tools, &memo)?);
        let public = house.root.join("public");
        let mut pages = BTreeMap::new();
        let mut fixed = BTreeMap::new();
        for name in files_below(&public)? {
            let bytes = read(&public.join(&name))?;
            let origin = format!("public/{name}");
            if let Some(name) = name.strip_prefix("root/") {
                fixed.insert(name.to_owned(), bytes);
            } else if let Some(page) = page_name(&name) {
                pages.insert(page, Source::text(&origin, bytes)?);
            } else if mode == Mode::Release && name.ends_with(".js") {
                let source = Source::of_name(&name, &origin, bytes)?.minified(&tools, &memo)?;
                given.insert(name, source);
            } else {
                let source = Source::of_name(&name, &origin, bytes)?;
                given.insert(name, source);
            }
        }

        let mut resolver = Resolver::new(given, env!("CARGO_PKG_VERSION"));
        let mut files = fixed;
        let mut loads = BTreeMap::new();
        for (page, source) in pages {
            let resolved = resolver.page(&source)?;
            let mut with_it: BTreeSet<String> = resolved.uses;
            with_it.insert(page.clone());
            loads.insert(page.clone(), with_it);
            files.insert(page, resolved.bytes);
        }
        let assets = resolver.finish()?;
        let names: BTreeMap<_, _> =
            assets.iter().map(|(name, asset)| (name, format!("/{}", asset.path))).collect();
        let manifest = json!({ "assets": names, "pages": loads });
        files.extend(assets.into_values().map(|asset| (asset.path, asset.bytes)));

        let mut everything = BTreeMap::new();
        for (path, bytes) in files {
            if mode == Mode::Release {
                everything.extend(compress::compress(&path, &bytes, &memo)?);
            }
            everything.insert(path, bytes);
        }
        everything.insert("manifest.json".into(), serde_json::to_vec_pretty(&manifest)?);
        sync::write(&folder, &everything)?;
        memo.forget_old()?;
        println!("site: {}", folder.display());
        Ok(Site { folder, pages: loads })
    })
}

/// The page that a file of `public/` becomes, if it is one: the desk is what the server's root address shows.
fn page_name(name: &str) -> Option<String> {
    match name {
        "desk.html" => Some("index.html".into()),
        page if page.ends_with(".html") && !page.contains('/') => Some(page.into()),
        _ => None,
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
