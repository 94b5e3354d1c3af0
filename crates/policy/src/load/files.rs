//! What a bundle's files are, before any is parsed: sizes, paths, digest.

use super::cedar::{ENTITIES, SCHEMA};
use crate::SourceFile;
use crate::limits::{MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_FILES};
use crate::source::read::did_you_mean;
use crate::source::report::{Pos, Report};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// The one file that every bundle has.
pub(crate) const MANIFEST: &str = "bundle.yaml";

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Manifest,
    Rules,
    /// A file of `cedar/`.
    Cedar,
    /// Test cases, documentation: part of the digest, not of the policy.
    Other,
}

/// Where a signature of the digest stands: minisign's format, and base64 of a bare Ed25519 signature.
pub const SIGNATURE_FILES: [&str; 2] = ["bundle.minisig", "bundle.sig"];

/// Hex SHA-256 over the files sorted by path, each as length of the path, path, length of the content, content (lengths
/// as 8 bytes, big-endian). The same files give the same digest wherever they come from. [`SIGNATURE_FILES`] are left
/// out: what they sign is this digest.
#[must_use]
pub fn digest(files: &[SourceFile]) -> String {
    let signed = |file: &&SourceFile| !SIGNATURE_FILES.contains(&file.path.as_str());
    let mut sorted: Vec<&SourceFile> = files.iter().filter(signed).collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hash = Sha256::new();
    for file in sorted {
        for part in [file.path.as_bytes(), &file.bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hex::encode(hash.finalize())
}

/// Checks sizes and paths. When this reports an error nothing may be parsed.
pub(crate) fn check(files: &[SourceFile], report: &mut Report) {
    let mut total = 0_u64;
    let mut seen = HashSet::new();
    for file in files {
        let bytes = file.bytes.len() as u64;
        total = total.saturating_add(bytes);
        if bytes > MAX_FILE_BYTES {
            report.error(&file.path, Pos::START, too_large(bytes));
        }
        if !seen.insert(file.path.as_str()) {
            report.error(&file.path, Pos::START, "the bundle has this file twice");
        }
        if file.path.split('/').any(|part| matches!(part, "" | "." | ".."))
            || file.path.contains(['\\', '\0'])
        {
            report.error(&file.path, Pos::START, "not a clean relative path");
        }
    }
    if total > MAX_BUNDLE_BYTES {
        let message = format!("the bundle's files are {total} bytes, the limit is {MAX_BUNDLE_BYTES}");
        report.error(MANIFEST, Pos::START, message);
    }
    if files.len() > MAX_FILES {
        let message = format!("the bundle has {} files, the limit is {MAX_FILES}", files.len());
        report.error(MANIFEST, Pos::START, message);
    }
    if !seen.contains(MANIFEST) {
        let names = files.iter().map(|file| file.path.as_str());
        let hint = if files.is_empty() {
            "; the directory is empty".to_owned()
        } else if seen.contains("bundle.yml") || seen.contains("bundle.json") {
            "; rename the one you have".to_owned()
        } else {
            names
                .filter(|name| !name.contains('/'))
                .find(|name| !did_you_mean(name, std::iter::once(MANIFEST)).is_empty())
                .map_or_else(String::new, |name| format!("; is it `{name}`?"))
        };
        report.error(MANIFEST, Pos::START, format!("the bundle has no `{MANIFEST}`{hint}"));
    }
}

/// The message for a file over the limit.
#[must_use]
pub fn too_large(bytes: u64) -> String {
    format!("the file is {bytes} bytes, the limit is {MAX_FILE_BYTES}; split it")
}

/// What a file is for. A policy file in the wrong place is an error: its author believes that it protects something.
pub(crate) fn role(path: &str, report: &mut Report) -> Role {
    let any_case = |path: &str| [".yaml", ".yml", ".json"].iter().any(|end| path.ends_with(end));
    // `RULES/A.YAML` looks like a policy file to whoever put it there.
    let lower = path.to_ascii_lowercase();
    let yaml = any_case(path);
    let directory = path.split_once('/').map_or("", |(first, _)| first);
    match directory {
        "" if path == MANIFEST => return Role::Manifest,
        "rules" if yaml => return Role::Rules,
        "rules" if path.ends_with(".md") => return Role::Other,
        "rules" => {
            report.error(
                path,
                Pos::START,
                "rules are files ending in `.yaml`, `.yml` or `.json`; move this away",
            );
        }
        "tests" | "docs" => return Role::Other,
        "cedar" if path.ends_with(".cedar") || [ENTITIES, SCHEMA].contains(&path) => return Role::Cedar,
        "cedar" if path.ends_with(".md") => return Role::Other,
        "cedar" => {
            report.error(
                path,
                Pos::START,
                "Cedar policies are files ending in `.cedar`, beside `entities.json`; move this away",
            );
        }
        _ if lower.ends_with(".cedar") || lower.ends_with(".cedarschema") => {
            report.error(path, Pos::START, "Cedar policies belong in `cedar/`; move this there");
        }
        _ if any_case(&lower) => {
            report.error(path, Pos::START, "policy files belong in `rules/`; move this there");
        }
        _ => {}
    }
    Role::Other
}
