//! `cargo xtask walls`: the dependency walls of `walls.toml`, enforced. What is deliberately absent stays absent.

mod dependencies;
mod rules;
mod sources;

use crate::{paths, shell};
use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};
use rules::Rules;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

/// One hole in a wall.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    /// A crate, or `file:line`.
    place: String,
    what: String,
    reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    because {}", self.place, self.what, self.reason)
    }
}

pub(crate) fn run() -> Result<()> {
    let file = paths::root().join("walls.toml");
    let rules = Rules::parse(
        &fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?,
    )?;
    let metadata = MetadataCommand::new().current_dir(paths::root()).exec().context("cargo metadata")?;

    let mut violations = dependencies::check(&rules, &metadata, alone)?;
    let files = sources::check(&rules, &crates(&metadata), &paths::root(), &mut violations)?;
    violations.sort();
    for violation in &violations {
        eprintln!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} holes in the walls of walls.toml", violations.len());
    }
    println!(
        "walls hold: {} crates, {} third-party crates within reach of the pure ones, {files} source files read",
        rules.crates.len(),
        dependencies::reached_by_pure(&rules, &metadata)?.len()
    );
    Ok(())
}

/// The crates that a crate of ours is made of when it is built by itself.
fn alone(name: &str) -> Result<BTreeSet<String>> {
    let arguments = ["tree", "--quiet", "--package", name, "--edges", "normal,build", "--prefix", "none"];
    let tree =
        shell::output(shell::cargo().args(arguments).args(["--format", "{p}"]).current_dir(paths::root()))?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// Name and folder of every workspace crate.
fn crates(metadata: &Metadata) -> Vec<(String, &Path)> {
    let packages = metadata.workspace_packages().into_iter();
    packages
        .filter_map(|package| Some((package.name.to_string(), package.manifest_path.parent()?.as_std_path())))
        .collect()
}
