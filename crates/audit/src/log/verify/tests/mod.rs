//! What is found of a log that somebody has changed.

mod calls;
mod mutations;
mod parts;
mod world;

use super::*;
use world::World;

/// The findings, one per line.
fn shown(found: &[Finding]) -> String {
    found.iter().map(|finding| format!("  {}\n", serde_json::to_string(finding).unwrap())).collect()
}

#[test]
fn a_log_that_nobody_has_touched_is_sound() {
    for size in [0, 1, 49, 50, 255, 256, 257, 511, 512, 700] {
        let world = World::of(size);
        let (summary, found) = world.verify();
        println!("{summary:?}\n{}", shown(&found));
        let integrity: Vec<_> =
            found.iter().filter(|finding| finding.code.severity() == Severity::Integrity).collect();
        assert!(integrity.is_empty(), "{size}");
        assert_eq!((summary.records, summary.end), (size, size));
        assert_eq!(summary.checkpoints, size / 50 + u64::from(size % 50 != 0 || size == 0), "{size}");
        let (same, found) = World::verify_lines(&world.lines(), &world.head, None);
        assert!(
            found.iter().all(|finding| finding.code.severity() == Severity::Completeness),
            "{size}: {}",
            shown(&found)
        );
        assert_eq!((same.records, same.checkpoints), (size, 1), "{size}");
    }
}

#[test]
fn codes_have_their_names() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.as_str()));
    }
    assert_eq!(Code::ALL.iter().collect::<std::collections::BTreeSet<_>>().len(), Code::ALL.len());
}

#[test]
fn lines_are_taken_apart_as_they_stand() {
    let line = br#"{"entry":{"id":"a,\"index\":1"},"index":12,"record":{"x":1}}"#;
    let read = Line::parse(line).unwrap();
    assert_eq!((read.index, read.entry), (12, br#"{"id":"a,\"index\":1"}"#.as_slice()));
    assert_eq!(read.record, Some(br#"{"x":1}"#.as_slice()));
    assert_eq!(Line::parse(br#"{"entry":{},"index":0}"#).unwrap().record, None);
    for wrong in [
        "",
        "{}",
        "{\"entry\":",
        "{\"entry\":{}}",
        "{\"entry\":{},\"index\":}",
        "{\"entry\":{},\"index\":01}",
        "{\"entry\":{},\"index\":1",
        "{\"entry\":{},\"index\":1,}",
        "{\"entry\":{},\"index\":18446744073709551616}",
        "{\"entry\":{},\"index\":1,\"recor\":{}}",
        "{\"index\":1,\"entry\":{}}",
        " {\"entry\":{},\"index\":1}",
    ] {
        println!("{wrong:?}: {:?}", Line::parse(wrong.as_bytes()));
        assert!(Line::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
