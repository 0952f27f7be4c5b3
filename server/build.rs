//! Tells the compiler which folder of finished pages to put into the binary.
//!
//! `HOTDESK_SITE` names that folder when a release is built. Without it an empty folder is used, so that a plain
//! `cargo build` works; such a server then says where its pages are missing.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=HOTDESK_SITE");
    let site = match env::var_os("HOTDESK_SITE").filter(|site| !site.is_empty()) {
        Some(site) => {
            let site = PathBuf::from(site);
            println!("cargo::rerun-if-changed={}", site.display());
            site
        }
        None => {
            let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
            PathBuf::from(out).join("no-site")
        }
    };
    if let Err(error) = fs::create_dir_all(&site) {
        println!("cargo::error=cannot use {} as the folder of pages: {error}", site.display());
    }
    println!("cargo::rustc-env=HOTDESK_SITE_DIR={}", site.display());
}
