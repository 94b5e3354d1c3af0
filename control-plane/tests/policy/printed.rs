//! Commands without a server, each with what it prints and its exit code, in `testdata/cli/expected`.
//! `UPDATE_EXPECTED=1` rewrites them.

use super::{portcullis, repository};
use std::io::Write;
use std::process::Stdio;

const OPUS: &str = "{access_key: AKIAIOSFODNN7EXAMPLE, region: eu-central-1, model: anthropic.claude-opus-4-20250514-v1:0, request: {max_tokens: 4096, text: secret}}";

/// The name of the file, the arguments, and standard input.
const CASES: &[(&str, &str, &str)] = &[
    ("check-good", "check testdata/cli/bundles/team", ""),
    ("check-broken", "check testdata/cli/bundles/broken", ""),
    ("check-broken-json", "check --output json testdata/cli/bundles/broken", ""),
    ("check-missing", "check testdata/cli/bundles/nothing", ""),
    ("test", "test testdata/cli/bundles/team", ""),
    ("test-filter", "test testdata/cli/bundles/team --filter Sonnet", ""),
    ("test-filter-nothing", "test testdata/cli/bundles/team --filter nothing", ""),
    ("test-coverage", "test testdata/cli/bundles/team --filter shadowed --coverage 90", ""),
    ("test-json", "test testdata/cli/bundles/team --filter Opus --output json", ""),
    ("test-broken", "test testdata/cli/bundles/broken", ""),
    ("explain", "explain testdata/cli/bundles/team --call -", OPUS),
    ("explain-all", "explain testdata/cli/bundles/team --all --call -", OPUS),
    ("explain-json", "explain testdata/cli/bundles/team --output json --call -", OPUS),
    ("explain-bad-call", "explain testdata/cli/bundles/team --call -", "{model: x, modle: y}"),
    ("diff", "diff --tests testdata/cli/bundles/team testdata/cli/bundles/next", ""),
    ("diff-json", "diff --tests --output json testdata/cli/bundles/team testdata/cli/bundles/next", ""),
    ("diff-same", "diff testdata/cli/bundles/team testdata/cli/bundles/team", ""),
    ("schema-nothing", "schema", ""),
    ("keys-create-help", "keys create --help", ""),
    ("keys-agent-without-tools", "keys create --data-dir DIR --kind agent --name a --agent AGENT12345", ""),
    (
        "keys-agent-bad-glob",
        "keys create --data-dir DIR --kind agent --name a --agent AGENT12345 --tools {a,b}",
        "",
    ),
    (
        "keys-agent-bad-time",
        "keys create --data-dir DIR --kind agent --name a --agent A --tools * --expires soon",
        "",
    ),
    ("keys-list-nothing", "keys list --data-dir DIR", ""),
];

#[test]
fn every_command_prints_what_is_expected() {
    let directory = repository().join("testdata/cli/expected");
    let mut differ = Vec::new();
    let data = tempfile::tempdir().unwrap();
    for (name, args, input) in CASES {
        let mut args: Vec<&str> = args.split(' ').collect();
        if !name.starts_with("keys-") {
            args.insert(0, "policy");
        }
        let typed = args.iter().map(|arg| if *arg == "DIR" { data.path().to_str().unwrap() } else { arg });
        let mut child = portcullis(&typed.collect::<Vec<_>>())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Commands that read nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let got = format!(
            "$ portcullis {}\n{}--- stderr\n{}--- exit code {}\n",
            args.join(" "),
            text(&output.stdout),
            text(&output.stderr),
            output.status.code().unwrap()
        );
        println!("--- {name}\n{got}");
        let path = directory.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, &got).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != got {
            differ.push(*name);
        }
    }
    println!("compared {} commands", CASES.len());
    assert!(differ.is_empty(), "these differ: {differ:?}; UPDATE_EXPECTED=1 rewrites them");
}

#[test]
fn an_archive_is_a_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("team.tar.gz");
    let archive = archive.to_str().unwrap();
    let packed =
        portcullis(&["policy", "pack", "testdata/cli/bundles/team", "--file", archive]).output().unwrap();
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    for (args, code) in [
        (vec!["check", archive], 0),
        (vec!["test", archive], 1),
        (vec!["diff", archive, "testdata/cli/bundles/team"], 0),
    ] {
        let output = portcullis(&["policy"]).args(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn junit_xml_parses_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.xml");
    let output =
        portcullis(&["policy", "test", "testdata/cli/bundles/team", "--junit"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let script = "import sys, xml.etree.ElementTree as E\n\
                  r = E.parse(sys.argv[1]).getroot()\n\
                  print(r.tag, r.get('tests'), r.get('failures'), len(r.findall('.//testcase')), len(r.findall('.//failure')))\n";
    let parsed = std::process::Command::new(super::schemas::python())
        .args(["-c", script])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&parsed.stdout).trim(), "testsuites 4 1 4 1", "{parsed:?}");
}

#[test]
fn every_command_teaches() {
    for command in ["check", "test", "explain", "diff", "replay", "schema", "shadow-report"] {
        let help = portcullis(&["policy", command, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for part in
            ["Usage: portcullis policy", "Examples:", "Exit codes:", &format!("portcullis policy {command}")]
        {
            assert!(help.contains(part), "{command}: {part}\n{help}");
        }
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = portcullis(&["completions", shell]).output().unwrap();
        let script = String::from_utf8(script.stdout).unwrap();
        for word in ["shadow-report", "replay", "enforce-shadow", "deny-warnings"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
