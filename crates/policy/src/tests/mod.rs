//! The table of cases in `testdata/policy`, the broken bundles in `testdata/bundles/bad`, and properties.

mod bad_bundles;
mod cases;
mod cedar;
mod conditions;
mod docs;
mod examples;
mod manifest;
mod properties;
mod speed;

use crate::{Bundle, Diagnostic, Severity, SourceFile, compile};
use std::path::{Path, PathBuf};

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn file(path: &str, text: impl AsRef<[u8]>) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.as_ref().to_vec() }
}

/// Every file below a directory.
pub(crate) fn read_directory(root: &Path) -> Vec<SourceFile> {
    let (mut files, mut open) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push(SourceFile { path: name, bytes: std::fs::read(&path).unwrap() });
            }
        }
    }
    files
}

/// A bundle with this default and these rules.
pub(crate) fn bundle(default: &str, rules: &str) -> Bundle {
    let manifest = format!("version: \"1\"\nname: test\ndefault: {default}\n");
    compile(&[file("bundle.yaml", manifest), file("rules/rules.yaml", rules)]).unwrap()
}

pub(crate) fn render(diagnostics: &[Diagnostic]) -> String {
    let line = |diagnostic: &Diagnostic| format!("{diagnostic}\n");
    diagnostics.iter().map(line).collect()
}

#[test]
fn files_over_the_limit_are_refused_unparsed() {
    // 50 MB that would be a finding in every line, were it parsed.
    let big = file("rules/big.yaml", vec![b'\t'; 50 * 1000 * 1000]);
    let error = compile(&[file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n"), big]).unwrap_err();
    println!("{error}");
    assert_eq!(error.diagnostics.len(), 2);
    assert!(
        error.to_string().contains("rules/big.yaml:1:1: the file is 50000000 bytes, the limit is 5242880")
    );
}

#[test]
fn too_many_bytes_in_all_are_refused() {
    let mut files = vec![file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n")];
    files.extend((0..5).map(|n| file(&format!("rules/{n}.yaml"), vec![b'#'; 5 * 1024 * 1024])));
    let error = compile(&files).unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("the limit is 20971520"));
}

#[test]
fn unclean_paths_are_refused() {
    for path in ["../rules/a.yaml", "/rules/a.yaml", "rules//a.yaml", "rules/./a.yaml", "rules\\a.yaml", ""] {
        let manifest = file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n");
        let error = compile(&[manifest, file(path, "rules: []\n")]).unwrap_err();
        println!("{path:?}: {error}");
        assert!(error.to_string().contains("not a clean relative path"));
    }
}

#[test]
fn findings_are_capped() {
    let rules: String = (0..10_000).map(|n| format!("- {{id: r{n}, action: nope}}\n")).collect();
    let manifest = file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n");
    let error = compile(&[manifest, file("rules/a.yaml", format!("rules:\n{rules}"))]).unwrap_err();
    let last = error.diagnostics.last().unwrap();
    println!("{} findings, last: {last}", error.diagnostics.len());
    assert_eq!((error.diagnostics.len(), last.severity), (201, Severity::Error));
    assert!(last.message.starts_with("9800 more findings"));
}

#[test]
fn the_digest_depends_on_content_and_paths_only() {
    let (a, b) = (file("a", "1"), file("b", "2"));
    let digest = |files: &[&SourceFile]| crate::digest(&files.iter().copied().cloned().collect::<Vec<_>>());
    assert_eq!(digest(&[&a, &b]), digest(&[&b, &a]));
    assert_ne!(digest(&[&a, &b]), digest(&[&a]));
    assert_eq!(digest(&[&a, &file("bundle.sig", "x"), &file("bundle.minisig", "y")]), digest(&[&a]));
    assert_ne!(digest(&[&a, &file("docs/bundle.sig", "x")]), digest(&[&a]));
    assert_ne!(digest(&[&file("a", "1b")]), digest(&[&file("a1", "b")]));
    // sha256 of eight zero bytes but for a 1, "a", the same, "1".
    assert_eq!(digest(&[&a]), "0e9c3156ac694b081269e7631db910df955a4df29e20086134d7aa57f4e54795".to_owned());
}
