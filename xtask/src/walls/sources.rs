//! Walls inside the source: what a pure crate may not say, and what only one file may. The source is parsed, so that
//! comments and strings may speak of anything; code that only tests compile is left out.

mod names;

use super::Violation;
use super::rules::{Pure, Rules};
use anyhow::{Context, Result};
use names::{Forbidden, Said};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::Visit;

/// Reads the sources of the crates that a rule speaks of; gives back how many files that were.
pub(super) fn check(
    rules: &Rules,
    crates: &[(String, &Path)],
    root: &Path,
    violations: &mut Vec<Violation>,
) -> Result<usize> {
    let mut read = 0;
    for (name, folder) in crates {
        let pure = rules.of(name).is_some_and(|rule| rule.pure).then_some(&rules.pure);
        let special: Vec<_> = rules.source.iter().filter(|rule| rule.crates.contains(name)).collect();
        if pure.is_none() && special.is_empty() {
            continue;
        }
        for (file, parsed) in sources(&folder.join("src"))? {
            let shown = file.strip_prefix(root).unwrap_or(&file).display().to_string();
            read += 1;
            if let Some(pure) = pure {
                violations.extend(violations_of(&shown, &parsed, &forbidden(pure), &pure.reason));
            }
            for rule in special.iter().filter(|rule| !rule.except.contains(&shown)) {
                let forbidden = Forbidden { paths: &rule.paths, macros: &[], static_types: &[] };
                violations.extend(violations_of(&shown, &parsed, &forbidden, &rule.reason));
            }
        }
    }
    Ok(read)
}

fn forbidden(pure: &Pure) -> Forbidden<'_> {
    Forbidden { paths: &pure.paths, macros: &pure.macros, static_types: &pure.static_types }
}

fn violations_of(shown: &str, parsed: &syn::File, forbidden: &Forbidden<'_>, reason: &str) -> Vec<Violation> {
    let mut said = Said::new(forbidden);
    said.visit_file(parsed);
    let found = said.found.into_iter();
    found
        .map(|(line, what)| Violation { place: format!("{shown}:{line}"), what, reason: reason.to_owned() })
        .collect()
}

/// Every source file below the folder that is compiled outside tests.
fn sources(folder: &Path) -> Result<Vec<(PathBuf, syn::File)>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let mut parsed = Vec::new();
    let mut only_tests = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let syntax = syn::parse_file(&text).with_context(|| format!("cannot parse `{}`", file.display()))?;
        let modules = names::test_modules(&syntax);
        only_tests.extend(modules.into_iter().map(|module| children(&file).join(module)));
        parsed.push((file, syntax));
    }
    parsed.retain(|(file, _)| {
        !only_tests.iter().any(|module| file.starts_with(module) || *file == module.with_extension("rs"))
    });
    Ok(parsed)
}

/// Where the modules that a file declares are.
fn children(file: &Path) -> PathBuf {
    match file.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs" | "main.rs" | "mod.rs") => file.parent().unwrap_or(file).to_path_buf(),
        _ => file.with_extension(""),
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
