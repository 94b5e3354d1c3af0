//! What is printed, compared with `testdata/cli/expected`. `UPDATE_EXPECTED=1` rewrites it.

use super::super::output::table;
use super::*;
use crate::http::CorrelationView;
use std::path::PathBuf;

fn repository() -> PathBuf {
    let above = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    if above.join("testdata").exists() { above } else { PathBuf::from(".") }
}

fn input<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = repository().join("testdata/cli/audit").join(name);
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compare(name: &str, got: &str) {
    println!("--- {name}\n{got}");
    let path = repository().join("testdata/cli/expected").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), got, "{}", path.display());
}

#[test]
fn loops_are_printed_as_timelines() {
    for name in ["loop", "session-cut"] {
        let view: CorrelationView = input(&format!("{name}.json"));
        let mut out = Vec::new();
        trace::print(&mut out, &view).unwrap();
        compare(&format!("audit-trace-{name}"), &String::from_utf8(out).unwrap());
        let again: CorrelationView = serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap();
        assert_eq!(again, view, "JSON says all of it");
    }
}

#[test]
fn decisions_of_every_kind_are_printed() {
    let page: DecisionsPage = input("decisions.json");
    let mut out = Vec::new();
    table(&mut out, &HEADING, &page.decisions.iter().map(row).collect::<Vec<_>>()).unwrap();
    compare("audit-search", &String::from_utf8(out).unwrap());
    let lines: Vec<_> = page.decisions.iter().rev().map(|decision| printable(&tail_line(decision))).collect();
    compare("audit-tail", &format!("{}\n", lines.join("\n")));
    let mut out = Vec::new();
    for decision in &page.decisions {
        show::print(&mut out, decision).unwrap();
        out.push(b'\n');
    }
    compare("audit-show", &String::from_utf8(out).unwrap());
}

#[test]
fn cells_are_quoted_and_run_nowhere() {
    for (cells, expected) in [
        (vec!["a", "b c", ""], "a,b c,\r\n"),
        (vec!["a,b", "say \"no\"", "two\nlines"], "\"a,b\",\"say \"\"no\"\"\",\"two\nlines\"\r\n"),
        (vec!["=1+1", "@x", "-"], "\"'=1+1\",\"'@x\",\"'-\"\r\n"),
    ] {
        let mut out = Vec::new();
        search::csv(&mut out, &cells).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn values_are_printed_with_their_numbers() {
    let view: crate::http::FacetView = input("facets.json");
    let mut out = Vec::new();
    facets::print(&mut out, &view).unwrap();
    compare("audit-facets", &String::from_utf8(out).unwrap());
}
