//! `cargo xtask build`: the control plane and the fake for this machine, the filter for Envoy's Wasm VM.

use crate::setup::wasm::{TARGET, Toolchain};
use crate::{paths, setup, shell};
use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Build the control plane, the fake Bedrock and the filter.
///
/// The filter goes to target/wasm/portcullis_filter.wasm, always optimised: it is what Envoy runs in every test, too.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Optimise the control plane and the fake as well
    #[arg(long)]
    release: bool,
}

/// What was built.
#[derive(Debug)]
pub(crate) struct Built {
    pub portcullis: PathBuf,
    pub fake_bedrock: PathBuf,
    pub wasm: PathBuf,
}

/// Compiler flags of the filter: V8 in Envoy runs SIMD, and hashing bodies is several times as fast with it.
const WASM_FLAGS: &str = "-Ctarget-feature=+simd128";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let tools = setup::run()?;
    let built = build(&tools.wasm, arguments.release)?;
    for path in [&built.portcullis, &built.fake_bedrock, &built.wasm] {
        let size = path.metadata().map_or(0, |meta| meta.len()) / 1024;
        println!("  {}  {size} KiB", paths::shown(path));
    }
    Ok(())
}

/// Builds all of it.
///
/// # Errors
/// A compiler failed; it has said why.
pub(crate) fn build(toolchain: &Toolchain, release: bool) -> Result<Built> {
    let programs = programs(&["portcullis", "fake-bedrock"], release)?;
    Ok(Built {
        portcullis: program(&programs, "portcullis")?,
        fake_bedrock: program(&programs, "fake-bedrock")?,
        wasm: filter(toolchain)?,
    })
}

/// Builds the control plane alone, for its command line.
///
/// # Errors
/// The compiler failed; it has said why.
pub(crate) fn portcullis() -> Result<PathBuf> {
    program(&programs(&["portcullis"], false)?, "portcullis")
}

/// Builds the benchmark, optimised.
///
/// # Errors
/// The compiler failed; it has said why.
pub(crate) fn bench() -> Result<PathBuf> {
    program(&programs(&["gate-bench"], true)?, "gate-bench")
}

fn program(programs: &[PathBuf], name: &str) -> Result<PathBuf> {
    let found = programs.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    found.cloned().with_context(|| format!("cargo built no program called `{name}`"))
}

/// Builds these programs and gives back where they are, wherever cargo puts them on this machine.
///
/// The whole workspace is selected, although a part of it is built: cargo unifies features over the packages selected, and
/// another selection than that of the tests would build most of the dependencies once more.
fn programs(names: &[&str], release: bool) -> Result<Vec<PathBuf>> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--workspace"]).args(names.iter().flat_map(|name| ["--bin", name]));
    if release {
        cargo.arg("--release");
    }
    cargo.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cannot run cargo")?;
    let Some(output) = child.stdout.take() else { bail!("cargo gave no output") };
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        if let Message::CompilerArtifact(artifact) = message.context("cannot read what cargo built")? {
            programs.extend(artifact.executable.map(PathBuf::from));
        }
    }
    if !child.wait()?.success() {
        bail!("the build failed; cargo said why above");
    }
    Ok(programs)
}

/// Builds the filter, in a target directory of its own: two compilers in one evict each other's results.
fn filter(toolchain: &Toolchain) -> Result<PathBuf> {
    let directory = paths::target().join("wasm-build");
    let mut cargo = shell::cargo();
    // Flags and wrappers that somebody set for their own machine's code mean nothing here.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", WASM_FLAGS);
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "portcullis-filter",
        "--target",
        TARGET,
        "--profile",
        "wasm",
    ]);
    cargo.arg("--target-dir").arg(&directory);
    if let Toolchain::Debian { rustc, linker } = toolchain {
        // A stable compiler that lets cargo build std from source, as there is no std for the target to download.
        cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        cargo.arg("-Zbuild-std=std,panic_abort");
    }
    shell::run(&mut cargo)?;
    let made = directory.join(TARGET).join("wasm/portcullis_filter.wasm");
    let wanted = paths::target().join("wasm/portcullis_filter.wasm");
    copy_if_changed(&made, &wanted)?;
    Ok(wanted)
}

/// Leaves the file alone when it says the same, for whoever watches it; replaces it whole otherwise.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    if fs::read(to).is_ok_and(|current| current == content) {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder)?;
    let unfinished = to.with_extension("wasm.new");
    fs::write(&unfinished, content)
        .and_then(|()| fs::rename(&unfinished, to))
        .with_context(|| format!("cannot write `{}`", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("made"), folder.path().join("there/filter.wasm"));
        fs::write(&from, "one").unwrap();
        copy_if_changed(&from, &to).unwrap();
        let written = || to.metadata().unwrap().modified().unwrap();
        let first = written();
        copy_if_changed(&from, &to).unwrap();
        assert_eq!(written(), first, "same content: not written again");
        fs::write(&from, "two").unwrap();
        copy_if_changed(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
    }
}
