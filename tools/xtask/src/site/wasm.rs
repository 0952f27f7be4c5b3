//! The WASM modules of `frontend/` and the JavaScript that loads them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use wasm_bindgen_cli_support::Bindgen;

use super::Mode;
use super::imports;
use super::memo::Memo;
use super::sources::Source;
use super::styles::minify;
use crate::house::{House, files_below, output, run};
use crate::npm::NodeTools;

const PACKAGE: &str = "hotdesk-frontend";

/// Twice, and from a flat form: together one in a hundred smaller after brotli than `-Oz` alone.
const OPTIMISE: &[&str] = &["--strip-debug", "--flatten", "--rereloop", "-Oz", "-Oz"];

/// What the compiler may emit and every browser of the last years understands. Named one by one: with
/// `--all-features` wasm-opt writes modules that browsers refuse.
const FEATURES: &[&str] = &[
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Compiles each binary of `frontend/` to `NAME.wasm` and `NAME.js`.
///
/// # Errors
/// The compiler's, or that of a tool.
pub fn build(house: &House, mode: Mode, tools: &NodeTools, memo: &Memo) -> Result<BTreeMap<String, Source>> {
    let (profile, folder) = match mode {
        Mode::Dev => ("dev", "debug"),
        Mode::Release => ("wasm-release", "wasm-release"),
    };
    run(house
        .cargo()
        .args(["build", "--target", "wasm32-unknown-unknown", "-p", PACKAGE, "--bins"])
        .args(["--profile", profile]))?;
    let compiled = house.target.join("wasm32-unknown-unknown").join(folder);
    let mut sources = BTreeMap::new();
    for name in binaries(house)? {
        let path = compiled.join(&name).with_extension("wasm");
        let module = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let bound = memo
            .folder(&[b"bind", profile.as_bytes(), tools.fingerprint.as_bytes(), &module], |folder| {
                bind(&name, &path, mode, tools, folder)
            })?;
        collect(&name, &bound, mode, tools, memo, &mut sources)?;
    }
    Ok(sources)
}

/// The names of the binaries, as cargo knows them.
fn binaries(house: &House) -> Result<Vec<String>> {
    let metadata = output(house.cargo().args(["metadata", "--no-deps", "--format-version=1", "--offline"]))?;
    let metadata: Value = serde_json::from_slice(&metadata).context("cargo's metadata are no JSON")?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages.filter(|package| package["name"] == PACKAGE).flat_map(|p| p["targets"].as_array());
    let bins = targets.flatten().filter(|target| target["kind"][0] == "bin");
    let names: Vec<String> = bins.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect();
    if names.is_empty() {
        bail!("{PACKAGE} has no binaries");
    }
    Ok(names)
}

/// wasm-bindgen, and in release wasm-opt and short imports.
fn bind(name: &str, module: &Path, mode: Mode, tools: &NodeTools, folder: &Path) -> Result<()> {
    println!("   wasm-bindgen {name}");
    Bindgen::new()
        .input_path(module)
        .out_name(name)
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .debug(mode == Mode::Dev)
        .remove_name_section(mode == Mode::Release)
        .remove_producers_section(mode == Mode::Release)
        .generate(folder)
        .with_context(|| format!("wasm-bindgen cannot bind {name}"))?;
    let bound = folder.join(format!("{name}_bg.wasm"));
    let finished = folder.join(format!("{name}.wasm"));
    if mode == Mode::Dev {
        std::fs::rename(bound, finished)?;
        return Ok(());
    }
    let mut optimise: Command = tools.command("wasm-opt");
    run(optimise.args(OPTIMISE).args(FEATURES).arg(&bound).arg("-o").arg(&finished))?;
    std::fs::remove_file(bound)?;
    let glue = folder.join(format!("{name}.js"));
    let (module, short) = imports::shorten(&std::fs::read(&finished)?, &std::fs::read_to_string(&glue)?)
        .with_context(|| format!("cannot shorten the imports of {name}"))?;
    std::fs::write(finished, module)?;
    std::fs::write(glue, short)?;
    Ok(())
}

/// Reads what was bound, and makes the imports of snippets placeholders, since those get hashed names too.
fn collect(
    name: &str,
    folder: &Path,
    mode: Mode,
    tools: &NodeTools,
    memo: &Memo,
    sources: &mut BTreeMap<String, Source>,
) -> Result<()> {
    let read = |file: &str| -> Result<Vec<u8>> {
        let bytes = std::fs::read(folder.join(file))?;
        let script = file.ends_with(".js") && mode == Mode::Release;
        if script { minify(&bytes, "js", &format!("the glue {file}"), tools, memo) } else { Ok(bytes) }
    };
    let mut glue = String::from_utf8(read(&format!("{name}.js"))?).context("the glue is no UTF-8")?;
    let snippets = files_below(&folder.join("snippets"))?;
    for snippet in &snippets {
        let path = format!("snippets/{snippet}");
        glue = glue.replace(&format!("./{path}"), &format!("{{{{{path}}}}}"));
        sources.insert(path.clone(), Source::opaque(&path, read(&path)?));
    }
    let glue = match snippets.is_empty() {
        true => Source::opaque(name, glue.into_bytes()),
        false => Source::text(name, glue.into_bytes())?,
    };
    sources.insert(format!("{name}.js"), glue);
    sources.insert(format!("{name}.wasm"), Source::opaque(name, read(&format!("{name}.wasm"))?));
    Ok(())
}
