//! `docs/policy.md` says what the code does.

use super::repository;
use crate::fields_markdown;
use crate::load::operator::OPERATORS;

const BEGIN: &str = "<!-- fields: generated from crates/policy/src/field.rs; UPDATE_EXPECTED=1 cargo test -p portcullis-policy docs -->\n";
const END: &str = "<!-- end of fields -->";

#[test]
fn the_field_table_is_the_code_s() {
    let path = repository().join("docs/policy.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).expect("docs/policy.md lacks the marker of the field table");
    let (table, tail) = rest.split_once(END).unwrap();
    let expected = fields_markdown();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{expected}{END}{tail}")).unwrap();
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
