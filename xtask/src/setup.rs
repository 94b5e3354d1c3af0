//! `cargo xtask setup`: what building and testing need beyond cargo. Idempotent; the ordinary way is tried first, and a
//! second run only looks whether things are there, without the network.

mod apt;
mod envoy;
mod mount;
mod node;
mod python;
mod stamp;
pub(crate) mod wasm;

use crate::{paths, shell};
use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// What is there afterwards.
#[derive(Debug)]
pub(crate) struct Tools {
    pub wasm: wasm::Toolchain,
    pub envoy: PathBuf,
    /// Python of the venv, with boto3 in it.
    pub python: PathBuf,
    /// `tests/js` with its packages, unless there is no Node.
    pub js: Option<PathBuf>,
    /// Tests may mount a small file system.
    pub may_mount: bool,
}

/// How a thing came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Found,
    Installed,
    Skipped,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Found => "found",
            Self::Installed => "installed",
            Self::Skipped => "skipped",
        })
    }
}

/// Looks for everything, and installs what is missing.
///
/// # Errors
/// Something is missing and cannot be installed; the message says what to do.
pub(crate) fn run() -> Result<Tools> {
    let started = Instant::now();
    let cache = paths::cache()?;
    fs::create_dir_all(cache.join("bin")).with_context(|| {
        format!(
            "cannot create `{}`: set PORTCULLIS_CACHE to a directory that can be written",
            cache.display()
        )
    })?;

    let wasm = wasm::ensure()?;
    let python = python::ensure(&cache)?;
    let envoy = envoy::ensure(&cache)?;
    let js = node::ensure(&cache)?;
    let may_mount = mount::allowed();
    kubectl();
    println!("setup took {:.1} s", started.elapsed().as_secs_f32());
    Ok(Tools { wasm, envoy, python, js, may_mount })
}

fn say(what: &str, how: How, detail: impl fmt::Display) {
    println!("  {what:<16}{how:<11}{detail}");
}

/// Only the manifests need it, and it cannot be had in the same way everywhere: so it is only looked for.
fn kubectl() {
    match shell::which("kubectl") {
        Some(path) => say("kubectl", How::Found, path.display()),
        None => say(
            "kubectl",
            How::Skipped,
            "not on PATH: `cargo xtask k8s` needs kubectl 1.27 or newer, nothing else does",
        ),
    }
}

/// Runs an installer whose output only matters when it fails.
fn install(command: &mut Command) -> Result<()> {
    shell::output(command).map(drop)
}
