//! Placeholders and hashed names: `{{main.css}}` becomes `/assets/main-0123456789abcdef.css`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

use super::memo::Memo;
use crate::house::fingerprint;
use crate::npm::NodeTools;

/// Files in which placeholders are looked for.
const TEXT: &[&str] = &["css", "js", "json", "svg", "webmanifest"];

/// A file before it has its final content and name.
pub struct Source {
    origin: String,
    bytes: Vec<u8>,
    has_placeholders: bool,
}

impl Source {
    /// A file whose name tells whether it can have placeholders; `origin` names it in errors.
    ///
    /// # Errors
    /// If it should be text and is not UTF-8.
    pub fn of_name(name: &str, origin: &str, bytes: Vec<u8>) -> Result<Source> {
        match name.rsplit_once('.') {
            Some((_, extension)) if TEXT.contains(&extension) => Source::text(origin, bytes),
            _ => Ok(Source::opaque(origin, bytes)),
        }
    }

    /// A text with placeholders.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(origin: &str, bytes: Vec<u8>) -> Result<Source> {
        std::str::from_utf8(&bytes).with_context(|| format!("{origin} is not UTF-8"))?;
        Ok(Source { origin: origin.into(), bytes, has_placeholders: true })
    }

    /// A file that is taken as it is.
    pub fn opaque(origin: &str, bytes: Vec<u8>) -> Source {
        Source { origin: origin.into(), bytes, has_placeholders: false }
    }

    /// The same script without what only people need. Placeholders stay.
    ///
    /// # Errors
    /// If the minifier finds the script wrong.
    pub fn minified(self, tools: &NodeTools, memo: &Memo) -> Result<Source> {
        let bytes = super::styles::minify(&self.bytes, "js", &self.origin, tools, memo)?;
        Ok(Source { bytes, ..self })
    }
}

/// A file with its final content and name.
pub struct Asset {
    /// Relative to the site's folder: `assets/main-0123456789abcdef.css`.
    pub path: String,
    pub bytes: Vec<u8>,
    /// The assets that this one names, and those that they name.
    uses: BTreeSet<String>,
}

/// A page with its placeholders filled in.
pub struct Resolved {
    pub bytes: Vec<u8>,
    /// Paths of the assets that the page names, and those that they name.
    pub uses: BTreeSet<String>,
}

/// Gives every source its final name, those first that others name.
pub struct Resolver {
    waiting: BTreeMap<String, Source>,
    done: BTreeMap<String, Asset>,
    underway: Vec<String>,
    version: String,
}

impl Resolver {
    pub fn new(sources: BTreeMap<String, Source>, version: &str) -> Resolver {
        Resolver { waiting: sources, done: BTreeMap::new(), underway: Vec::new(), version: version.into() }
    }

    /// Fills in a page.
    ///
    /// # Errors
    /// If it names, itself or through others, something that is not there, or a circle of assets.
    pub fn page(&mut self, page: &Source) -> Result<Resolved> {
        let (bytes, uses) = self.fill(page)?;
        Ok(Resolved { bytes, uses })
    }

    /// All assets by the names that placeholders give them, also those that nothing names.
    ///
    /// # Errors
    /// Those of [`Resolver::page`].
    pub fn finish(mut self) -> Result<BTreeMap<String, Asset>> {
        while let Some(name) = self.waiting.keys().next().cloned() {
            self.resolve(&name)?;
        }
        Ok(self.done)
    }

    /// Makes one asset; `false` if there is none of that name.
    fn resolve(&mut self, name: &str) -> Result<bool> {
        if self.done.contains_key(name) {
            return Ok(true);
        }
        if self.underway.iter().any(|above| above == name) {
            bail!("these assets name each other: {} → {name}", self.underway.join(" → "));
        }
        let Some(source) = self.waiting.remove(name) else { return Ok(false) };
        self.underway.push(name.to_owned());
        let (bytes, mut uses) = self.fill(&source)?;
        self.underway.pop();
        let path = hashed(name, &bytes);
        uses.insert(path.clone());
        self.done.insert(name.to_owned(), Asset { path, bytes, uses });
        Ok(true)
    }

    fn fill(&mut self, source: &Source) -> Result<(Vec<u8>, BTreeSet<String>)> {
        let mut uses = BTreeSet::new();
        if !source.has_placeholders {
            return Ok((source.bytes.clone(), uses));
        }
        let text =
            std::str::from_utf8(&source.bytes).expect("sources with placeholders are checked to be UTF-8");
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_placeholder(rest) {
            filled.push_str(before);
            if name == "version" {
                filled.push_str(&self.version);
            } else {
                let line = text[..text.len() - after.len()].matches('\n').count() + 1;
                let place = format!("{}:{line}", source.origin);
                if self.underway.iter().any(|above| above == name) {
                    bail!("{place}: these assets name each other: {} → {name}", self.underway.join(" → "));
                }
                if !self.resolve(name)? {
                    bail!(
                        "{place}: nothing is called `{name}`; docs/assets.md tells what a placeholder may name"
                    );
                }
                let asset = &self.done[name];
                filled.push('/');
                filled.push_str(&asset.path);
                uses.extend(asset.uses.iter().cloned());
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok((filled.into_bytes(), uses))
    }
}

/// Splits a text at its first placeholder: what is before it, its name, what follows.
pub fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(found) = text[from..].find("{{") {
        let start = from + found;
        let inner = &text[start + 2..];
        let length = inner.find(|letter: char| !is_name(letter)).unwrap_or(inner.len());
        if length > 0 && inner[length..].starts_with("}}") {
            return Some((&text[..start], &inner[..length], &inner[length + 2..]));
        }
        from = start + 1;
    }
    None
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | '/')
}

/// The path of an asset in the site's folder. Its content is part of the name, so a browser may keep it for ever.
fn hashed(name: &str, bytes: &[u8]) -> String {
    let hash = &fingerprint(&[bytes])[..16];
    match name.rsplit_once('.') {
        Some((stem, extension)) => format!("assets/{stem}-{hash}.{extension}"),
        None => format!("assets/{name}-{hash}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(sources: &[(&str, &str)]) -> Resolver {
        let sources = sources.iter().map(|(name, text)| {
            let source = Source::of_name(name, &format!("public/{name}"), text.as_bytes().to_vec()).unwrap();
            ((*name).to_owned(), source)
        });
        Resolver::new(sources.collect(), "1.2.3")
    }

    fn page(text: &str) -> Source {
        Source::text("public/desk.html", text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_placeholder_becomes_the_address_of_the_asset() {
        let mut resolver = resolver(&[("main.css", "body{}")]);
        let filled = resolver.page(&page("<link href=\"{{main.css}}\"> {{version}}")).unwrap();
        let path = hashed("main.css", b"body{}");
        assert_eq!(String::from_utf8(filled.bytes).unwrap(), format!("<link href=\"/{path}\"> 1.2.3"));
        assert_eq!(filled.uses, BTreeSet::from([path]));
    }

    #[test]
    fn an_assets_name_changes_with_what_it_names() {
        let css = "a{background:url({{logo.svg}})}";
        let first = resolver(&[("main.css", css), ("logo.svg", "<svg/>")]).finish().unwrap();
        let then = resolver(&[("main.css", css), ("logo.svg", "<svg> </svg>")]).finish().unwrap();
        assert_ne!(first["main.css"].path, then["main.css"].path);
    }

    #[test]
    fn a_page_uses_what_its_assets_use() {
        let mut resolver =
            resolver(&[("boot.js", "import '{{desk.js}}'"), ("desk.js", ""), ("other.js", "")]);
        let filled = resolver.page(&page("{{boot.js}}")).unwrap();
        assert_eq!(filled.uses.len(), 2);
        assert_eq!(resolver.finish().unwrap().len(), 3);
    }

    #[test]
    fn an_unknown_name_is_an_error_with_its_place() {
        let error = resolver(&[]).page(&page("<html>\n{{desk.js}}")).err().expect("refused");
        assert!(error.to_string().starts_with("public/desk.html:2: nothing is called `desk.js`"), "{error}");
    }

    #[test]
    fn a_circle_is_an_error() {
        let error = resolver(&[("a.js", "{{b.js}}"), ("b.js", "{{a.js}}")]).finish().err().expect("refused");
        assert_eq!(error.to_string(), "public/b.js:1: these assets name each other: a.js → b.js → a.js");
    }

    #[test]
    fn braces_that_are_no_placeholder_stay() {
        for text in ["{{ a }}", "if(a){{b;}}", "{{}}", "{{{", "{a}}"] {
            assert_eq!(next_placeholder(text), None, "{text}");
        }
        assert_eq!(next_placeholder("{{{a.b}}}"), Some(("{", "a.b", "}")));
    }

    #[test]
    fn folders_stay_in_the_name() {
        let path = hashed("sounds/ring.ogg", b"x");
        assert!(path.starts_with("assets/sounds/ring-") && path.ends_with(".ogg"), "{path}");
    }
}
