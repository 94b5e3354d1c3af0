//! Where the things under test are. `cargo xtask test` names them in the environment; without it the places that
//! `cargo xtask setup` and `cargo xtask build` fill are looked at.

use anyhow::{Result, bail, ensure};
use std::path::{Path, PathBuf};

/// Root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The Envoy under test.
///
/// # Errors
/// There is none.
pub fn envoy() -> Result<PathBuf> {
    find(
        "ENVOY",
        &[cache().join("bin/envoy"), cache().join("venv/lib/python3.11/site-packages/envoy/_bin/envoy")],
    )
}

/// The filter.
///
/// # Errors
/// It is not built.
pub fn wasm() -> Result<PathBuf> {
    find("PORTCULLIS_WASM", &[root().join("target/wasm/portcullis_filter.wasm")])
}

/// The control plane.
///
/// # Errors
/// It is not built.
pub fn portcullis() -> Result<PathBuf> {
    find(
        "PORTCULLIS_BIN",
        &[root().join("target/debug/portcullis"), root().join("target/release/portcullis")],
    )
}

/// The fake.
///
/// # Errors
/// It is not built.
pub fn fake_bedrock() -> Result<PathBuf> {
    find(
        "FAKE_BEDROCK_BIN",
        &[root().join("target/debug/fake-bedrock"), root().join("target/release/fake-bedrock")],
    )
}

/// A Python with boto3.
///
/// # Errors
/// There is none.
pub fn python() -> Result<PathBuf> {
    find("PORTCULLIS_PYTHON", &[cache().join("venv/bin/python")])
}

/// `cargo xtask`, as a program.
///
/// # Errors
/// It is not built.
pub fn xtask() -> Result<PathBuf> {
    find("PORTCULLIS_XTASK", &[root().join("target/debug/xtask"), root().join("target/release/xtask")])
}

/// `tests/js` with its packages.
///
/// # Errors
/// They are not installed.
pub fn javascript() -> Result<PathBuf> {
    let scripts = std::env::var_os("PORTCULLIS_JS").map_or_else(|| root().join("tests/js"), PathBuf::from);
    if !scripts.join("node_modules/@aws-sdk").exists() {
        bail!("the AWS SDK for JavaScript is not in `{}`: run `cargo xtask setup` first", scripts.display());
    }
    Ok(scripts)
}

/// Refuses to do without something that this machine was found to have, when `PORTCULLIS_REQUIRE` names it; otherwise says
/// that a test is left out. `cargo xtask test` sets it, and lists at its end what it could not.
///
/// # Errors
/// It must be there.
pub fn may_skip(name: &str, why: &str) -> Result<()> {
    let required = std::env::var("PORTCULLIS_REQUIRE").unwrap_or_default();
    ensure!(!required.split(',').any(|required| required == name), "{why}, but `{name}` is required");
    println!("SKIPPED: {why}");
    Ok(())
}

/// Where `cargo xtask setup` keeps what it installs.
#[must_use]
pub fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    std::env::var_os("PORTCULLIS_CACHE").map_or_else(
        || {
            std::env::var_os("XDG_CACHE_HOME")
                .map_or_else(|| home().join(".cache"), PathBuf::from)
                .join("portcullis")
        },
        PathBuf::from,
    )
}

fn find(variable: &str, places: &[PathBuf]) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        let named = PathBuf::from(named);
        if named.exists() {
            return Ok(named);
        }
        bail!("{variable} names `{}`, which is not there", named.display());
    }
    if let Some(found) = places.iter().find(|place| place.exists()) {
        return Ok(found.clone());
    }
    bail!(
        "{variable} is not set and none of {places:?} is there: run `cargo xtask setup && cargo xtask build` first"
    )
}
