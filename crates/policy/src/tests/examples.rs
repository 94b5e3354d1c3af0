//! Every bundle under `examples/bundles` loads, without a warning but one, and passes its own cases, which reach all of it.

use super::{read_directory, render, repository};
use crate::{compile, testcase};

#[test]
fn every_example_loads_and_passes_its_cases() {
    let root = repository().join("examples/bundles");
    let mut paths: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_dir());
    paths.sort();
    let mut problems = String::new();
    for path in &paths {
        let name = path.file_name().unwrap().to_string_lossy();
        let files = read_directory(path);
        let bundle = compile(&files).unwrap_or_else(|error| panic!("{name}:\n{error}"));
        assert_eq!(bundle.name(), name, "the bundle is named as its directory");
        let warnings = render(bundle.warnings());
        assert!(warnings.is_empty(), "{name}: {warnings}");
        let cases = testcase::read_cases(&files).unwrap_or_else(|error| panic!("{name}:\n{error}"));
        let report = testcase::run(&bundle, cases.iter().flat_map(|file| &file.cases));
        println!(
            "{name}: {} rules, {} cases, {} of {} rules, routes and limits reached",
            bundle.rule_count(),
            report.results.len(),
            report.covered(),
            report.coverage.len()
        );
        for result in report.results.iter().filter(|result| !result.passed()) {
            let matched: Vec<_> = result.decision.matched.iter().map(|rule| rule.id.as_str()).collect();
            problems.push_str(&format!(
                "{name}: {}:{}: {}: {:?}; matched {matched:?}\n",
                result.case.path, result.case.line, result.case.name, result.mismatches
            ));
        }
        for one in report.coverage.iter().filter(|one| one.cases == 0) {
            problems.push_str(&format!("{name}: no case reaches {} `{}`\n", one.kind, one.id));
        }
    }
    println!("{problems}");
    assert!(problems.is_empty(), "see above");
    assert!(paths.len() >= 7, "only {} examples", paths.len());
}
