//! Which tests a part of them is, as cargo is told.
//!
//! Every part selects the whole workspace and then targets of it: cargo unifies features over the packages selected, so that
//! another selection would build most of the dependencies once more.

use crate::{paths, shell};
use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, TargetKind};
use std::collections::BTreeSet;

/// The package, and the target in it, of the end-to-end tests.
const E2E: &str = "e2e";

/// Tests that are long when they are optimised: names, or parts of them.
pub(super) const LONG: [&str; 5] = [
    "storage::tests::power",
    "a_thousand_changes_are_found_and_named",
    "random_changes_of_a_store_are_found_and_named",
    "kill_9_loses_nothing_acknowledged",
    "retention::tests::",
];

/// A part of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Unit and property tests: everything but the end-to-end tests
    Unit,
    /// The examples in the documentation
    Documentation,
    /// End-to-end
    EndToEnd,
    /// What takes too long for every change, see [`LONG`]
    Long,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit, property",
            Self::Documentation => "documentation",
            Self::EndToEnd => "end-to-end",
            Self::Long => "long",
        }
    }

    /// As arguments of `cargo test`.
    ///
    /// # Errors
    /// cargo cannot say which tests there are.
    pub(super) fn selection(self) -> Result<Vec<String>> {
        let mut selection = vec!["--workspace".to_owned()];
        match self {
            Self::Unit => {
                let metadata = MetadataCommand::new().current_dir(paths::root()).no_deps().exec();
                selection.extend(["--lib", "--bins"].map(str::to_owned));
                for target in test_targets(&metadata.context("cargo metadata")?) {
                    if target != E2E {
                        selection.extend(["--test".to_owned(), target]);
                    }
                }
            }
            Self::Documentation => selection.push("--doc".to_owned()),
            Self::EndToEnd => selection.extend(["--test", E2E].map(str::to_owned)),
            Self::Long => {
                let own = [
                    "--release",
                    "--package",
                    "portcullis",
                    "--package",
                    "portcullis-audit",
                    "--lib",
                    "--tests",
                ];
                selection = own.map(str::to_owned).to_vec();
            }
        }
        Ok(selection)
    }
}

/// The names of the files (or folders) in `tests/` of every crate.
fn test_targets(metadata: &Metadata) -> BTreeSet<String> {
    let packages = metadata.workspace_packages();
    let targets = packages.iter().flat_map(|package| &package.targets);
    let tests = targets.filter(|target| target.kind.contains(&TargetKind::Test));
    tests.map(|target| target.name.clone()).collect()
}

/// How many tests run when these are selected; builds them.
///
/// # Errors
/// They do not compile; cargo has said why.
pub(super) fn count(selection: &[String], filter: Option<&str>) -> Result<usize> {
    let list = |ignored: &[&str]| -> Result<usize> {
        let mut command = shell::cargo();
        command.args(["test", "--quiet"]).args(selection).args(filter);
        command.args(["--", "--list", "--format", "terse"]).args(ignored);
        Ok(listed(&shell::printed(&mut command)?))
    };
    Ok(list(&[])?.saturating_sub(list(&["--ignored"])?))
}

fn listed(text: &str) -> usize {
    text.lines().filter(|line| line.ends_with(": test")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_test_harness_lists() {
        assert_eq!(listed("a::b: test\nc: test\n\n2 tests, 1 benchmark\nd: benchmark\n"), 2);
        assert_eq!(listed(""), 0);
    }

    #[test]
    fn no_test_is_in_no_part() {
        let metadata = MetadataCommand::new().current_dir(paths::root()).no_deps().exec().unwrap();
        let unit = Part::Unit.selection().unwrap();
        let of_e2e: Vec<_> = metadata
            .workspace_packages()
            .iter()
            .flat_map(|package| {
                package.targets.iter().map(|target| (package.name.to_string(), target.clone()))
            })
            .filter(|(_, target)| target.kind.contains(&TargetKind::Test) && !unit.contains(&target.name))
            .map(|(package, _)| package)
            .collect();
        println!("{unit:?} and {of_e2e:?}");
        assert_eq!(of_e2e, [E2E], "one target is not in the unit part, and that is the end-to-end tests'");
    }
}
