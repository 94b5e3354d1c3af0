//! `testdata/bundles/bad/*`: bundles that must not load, each with the findings that it must give in `EXPECTED`.
//! `UPDATE_EXPECTED=1` rewrites them.

use super::{read_directory, render, repository};
use crate::compile;

const EXPECTED: &str = "EXPECTED";

#[test]
fn every_bad_bundle_says_where_and_why() {
    let root = repository().join("testdata/bundles/bad");
    let mut names: Vec<_> =
        std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert!(!names.is_empty());
    let mut differ = Vec::new();
    for name in names {
        let directory = root.join(&name);
        let mut files = read_directory(&directory);
        files.retain(|file| file.path != EXPECTED);
        let got = match compile(&files) {
            Ok(bundle) => format!("loaded as {}\n", bundle.name()),
            Err(error) => render(&error.diagnostics),
        };
        println!("--- {}\n{got}", name.to_string_lossy());
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(directory.join(EXPECTED), &got).unwrap();
        }
        let expected = std::fs::read_to_string(directory.join(EXPECTED)).unwrap_or_default();
        if got != expected || got.starts_with("loaded") {
            println!("expected:\n{expected}");
            differ.push(name);
        }
    }
    assert!(differ.is_empty(), "these differ: {differ:?}");
}
