//! The schemas are those that are committed, and say what the loader reads.

use super::shape::{Key, names};
use super::{SchemaKind, json_schema, manifest, rules, testcases};
use crate::load;
use crate::names::Selector;
use crate::testcase;
use crate::tests::repository;

#[test]
fn the_committed_schemas_are_the_generated() {
    let directory = repository().join("schemas");
    for kind in SchemaKind::ALL {
        let path = directory.join(kind.file_name());
        let generated = format!("{}\n", serde_json::to_string_pretty(&json_schema(kind)).unwrap());
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        println!("{}: {} bytes", path.display(), generated.len());
        assert!(
            committed == generated,
            "{} is not what is generated; UPDATE_EXPECTED=1 writes it",
            path.display()
        );
    }
}

#[test]
fn every_key_that_the_loader_reads_is_described() {
    let limit_keys: Vec<&str> = load::limits::KEYS
        .iter()
        .copied()
        .chain(Selector::ALL.iter().map(|selector| selector.key()))
        .collect();
    let tables: [(&str, &'static [Key], &[&str]); 20] = [
        ("bundle", manifest::FILE, load::manifest::KEYS),
        ("principal", manifest::PRINCIPAL, load::manifest::PRINCIPAL_KEYS),
        ("route", manifest::ROUTE, load::routes::KEYS),
        ("guardrail", manifest::GUARDRAIL, load::routes::GUARDRAIL_KEYS),
        ("limit", manifest::LIMIT, &limit_keys),
        ("prices", manifest::PRICES, load::prices::KEYS),
        ("price", manifest::PRICE, load::prices::ROW_KEYS),
        ("estimate", manifest::ESTIMATE, load::prices::ESTIMATE_KEYS),
        ("approval", rules::APPROVAL, load::approvals::KEYS),
        ("rule file", rules::FILE, load::rules::FILE_KEYS),
        ("settings", rules::SETTINGS, load::rules::SETTINGS_KEYS),
        ("rule", rules::RULE, load::rule::KEYS),
        ("output rule", rules::OUTPUT_RULE, load::output::KEYS),
        ("past", rules::PAST, load::sequence::KEYS),
        ("policy", rules::POLICY, load::policy::KEYS),
        ("test file", testcases::FILE, testcase::FILE_KEYS),
        ("test", testcases::CASE, testcase::CASE_KEYS),
        ("fixture file", testcases::VETO_FILE, testcase::VETO_FILE_KEYS),
        ("fixture", testcases::VETO_CASE, testcase::VETO_CASE_KEYS),
        ("fixture expect", testcases::VETO_EXPECT, testcase::VETO_EXPECT_KEYS),
    ];
    for (what, described, read) in tables {
        let mut described = names(described);
        let mut read = read.to_vec();
        described.sort_unstable();
        read.sort_unstable();
        println!("{what}: {}", read.join(", "));
        assert_eq!(described, read, "{what}");
    }
}
