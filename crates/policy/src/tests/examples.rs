//! Every bundle under `examples/bundles` loads, without a warning.

use super::{read_directory, render, repository};
use crate::compile;

#[test]
fn every_example_loads() {
    let root = repository().join("examples/bundles");
    let mut count = 0;
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let bundle =
            compile(&read_directory(&path)).unwrap_or_else(|error| panic!("{}:\n{error}", path.display()));
        println!(
            "{}: {} {} with {} rules",
            path.display(),
            bundle.name(),
            bundle.version(),
            bundle.rule_count()
        );
        assert_eq!(render(bundle.warnings()), "", "{}", path.display());
        count += 1;
    }
    assert!(count >= 3, "only {count} examples");
}
