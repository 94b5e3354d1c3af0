use super::*;

#[test]
fn splits_and_kinds_are_read_or_refused_with_a_reason() {
    for (text, expected) in [
        ("100000", Some(Split::Records(100_000))),
        ("64MB", Some(Split::Bytes(64_000_000))),
        ("1GiB", Some(Split::Bytes(1 << 30))),
        ("2 KB", Some(Split::Bytes(2_000))),
        ("0", None),
        ("0MB", None),
        ("MB", None),
        ("-1", None),
        ("99999999999GB", None),
        ("1TB", None),
    ] {
        let found = split(text);
        println!("{text:?}: {found:?}");
        assert_eq!(found.ok(), expected);
    }
    assert_eq!(kind("outcome"), Ok(RecordKind::Outcome));
    assert!(kind("outcomes").unwrap_err().contains("tool_call"));
    assert!(option("region").is_err());
}
