//! What a browser loads with each page, held against `tools/xtask/budgets.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::house::{House, step};
use crate::site::Site;
use crate::tally::Tally;

/// Loaded when they are needed, not with the page.
const LATER: &[&str] = &["mp3", "ogg", "opus", "wav", "webm"];

/// Prints the sizes; one check per budget.
///
/// # Errors
/// If the site or the budgets cannot be read.
pub fn check(house: &House, site: &Site) -> Result<Tally> {
    step("sizes", || {
        let path = house.root.join("tools/xtask/budgets.toml");
        let budgets =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let budgets = parse(&budgets).with_context(|| format!("in {}", path.display()))?;
        let mut tally = Tally::default();
        for (page, files) in &site.pages {
            println!("   {page}");
            let mut total = 0;
            for file in files {
                let size = transferred(&site.folder, file)?;
                if is_loaded_later(file) {
                    continue;
                }
                println!("      {:>8.1} KB  {file}", kilobytes(size));
                total += size;
            }
            match budgets.get(page) {
                Some(&budget) => {
                    let good = total <= budget;
                    let verdict = if good { "within" } else { "OVER" };
                    println!(
                        "      {:>8.1} KB  together, {verdict} {:.0} KB",
                        kilobytes(total),
                        kilobytes(budget)
                    );
                    tally += Tally::one(good);
                }
                None => {
                    println!("      {:>8.1} KB  together, WITHOUT a budget: name one", kilobytes(total));
                    tally += Tally::one(false);
                }
            }
        }
        let pages: BTreeSet<_> = site.pages.keys().collect();
        for page in budgets.keys().filter(|page| !pages.contains(page)) {
            println!("   {page} has a budget and is not built");
            tally += Tally::one(false);
        }
        Ok(tally)
    })
}

/// Budgets in bytes, by page.
fn parse(text: &str) -> Result<BTreeMap<String, u64>> {
    let table: BTreeMap<String, BTreeMap<String, u64>> = toml::from_str(text)?;
    let pages = table.get("brotli_kilobytes").context("there is no table [brotli_kilobytes]")?;
    Ok(pages.iter().map(|(page, &kilobytes)| (page.clone(), kilobytes * 1000)).collect())
}

/// The bytes that a browser fetches: the brotli form, or the file itself where there is none.
fn transferred(site: &Path, file: &str) -> Result<u64> {
    let plain = site.join(file);
    let size = match site.join(format!("{file}.br")).metadata() {
        Ok(brotli) => brotli.len(),
        Err(_) => plain.metadata().with_context(|| format!("{} is missing", plain.display()))?.len(),
    };
    Ok(size)
}

fn is_loaded_later(file: &str) -> bool {
    file.rsplit_once('.').is_some_and(|(_, extension)| LATER.contains(&extension))
}

fn kilobytes(bytes: u64) -> f64 {
    // Sizes are far below 2^52.
    bytes as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_kilobytes_by_page() {
        let budgets = parse("[brotli_kilobytes]\n\"index.html\" = 255\n").unwrap();
        assert_eq!(budgets, BTreeMap::from([("index.html".into(), 255_000)]));
        assert!(parse("").is_err());
        assert!(parse("[brotli_kilobytes]\n\"index.html\" = \"small\"\n").is_err());
    }

    #[test]
    fn the_brotli_form_counts_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.js"), [0; 100]).unwrap();
        assert_eq!(transferred(folder.path(), "a.js").unwrap(), 100);
        std::fs::write(folder.path().join("a.js.br"), [0; 10]).unwrap();
        assert_eq!(transferred(folder.path(), "a.js").unwrap(), 10);
        assert!(transferred(folder.path(), "b.js").is_err());
    }
}
