//! `docs/policy.md` says what the code does.

use super::repository;
use crate::fields_markdown;
use crate::load::operator::OPERATORS;

const BEGIN: &str = "<!-- fields: generated from crates/policy/src/field.rs; UPDATE_EXPECTED=1 cargo test -p portcullis-policy docs -->\n";
const TESTS_BEGIN: &str = "<!-- test keys: generated from crates/policy/src/testcase; UPDATE_EXPECTED=1 cargo test -p portcullis-policy docs -->\n";
const TESTS_END: &str = "<!-- end of test keys -->";
const END: &str = "<!-- end of fields -->";

#[test]
fn the_tables_are_the_code_s() {
    // One after the other: both may rewrite the page.
    generated(BEGIN, END, &fields_markdown());
    generated(TESTS_BEGIN, TESTS_END, &crate::testcase::keys_markdown());
}

/// What stands between two markers is what the code says.
fn generated(begin: &str, end: &str, expected: &str) {
    let path = repository().join("docs/policy.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(begin).expect("docs/policy.md lacks the marker of a generated table");
    let (table, tail) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, format!("{head}{begin}{expected}{end}{tail}")).unwrap();
        return;
    }
    assert_eq!(table, expected);
}

#[test]
fn every_operator_is_described() {
    let text = std::fs::read_to_string(repository().join("docs/policy.md")).unwrap();
    for (name, _) in OPERATORS {
        assert!(text.contains(&format!("`{name}`")), "docs/policy.md does not mention `{name}`");
    }
}
