//! Order of arrival.

use super::shown;
use super::world::World;
use crate::log::verify::*;

fn found(lines: &[String], world: &World) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
    let (_, found) = World::verify_lines(lines, &world.head, Some(&world.nodes));
    println!("{}", shown(&found));
    let found = found.into_iter().filter(|finding| finding.code.severity() == Severity::Integrity);
    found.map(|finding| (finding.code.as_str(), finding.index, finding.end)).collect()
}

#[test]
fn lines_out_of_order_are_named() {
    let world = World::of(6_000);
    let lines = world.lines();
    let mut swapped = lines.clone();
    swapped.swap(10, 14);
    assert_eq!(
        found(&swapped, &world),
        [("reordered_record", Some(14), None), ("reordered_record", Some(10), None)]
    );
    let mut moved = lines.clone();
    let line = moved.remove(300);
    moved.insert(900, line);
    assert_eq!(found(&moved, &world), [("reordered_record", Some(300), None)]);
    let mut far = lines.clone();
    let line = far.remove(300);
    far.insert(5_000, line);
    let far = found(&far, &world);
    assert!(
        far.contains(&("missing_record", Some(300), Some(301)))
            && far.contains(&("reordered_record", Some(300), None))
    );
    assert_eq!(far.len(), 2);
}

#[test]
fn what_is_missing_or_there_twice_is_named() {
    let world = World::of(6_000);
    let lines = world.lines();
    let mut dropped = lines.clone();
    dropped.remove(777);
    assert_eq!(found(&dropped, &world), [("missing_record", Some(777), Some(778))]);
    let mut hole = lines.clone();
    hole.drain(1_000..4_000);
    assert_eq!(found(&hole, &world), [("missing_record", Some(1_000), Some(4_000))]);
    let mut twice = lines.clone();
    twice.insert(3_000, lines[5].clone());
    assert_eq!(found(&twice, &world), [("duplicate_record", Some(5), None)]);
    let mut beside = lines.clone();
    beside.insert(3_000, lines[2_999].clone());
    assert_eq!(found(&beside, &world), [("duplicate_record", Some(2_999), None)]);
    let mut cut = lines.clone();
    cut.truncate(5_500);
    let expected = [("missing_record", Some(5_500), Some(6_000)), ("unsigned_record", Some(0), Some(5_500))];
    assert_eq!(found(&cut, &world), expected);
    let mut headless = lines.clone();
    headless.drain(..3);
    assert_eq!(found(&headless, &world), [("missing_record", Some(0), Some(3))]);
}

#[test]
fn an_index_that_was_changed_is_named_by_its_place() {
    let world = World::of(1_000);
    for claim in ["4", "999999999999", "300"] {
        let mut lines = world.lines();
        lines[200] = lines[200].replace(",\"index\":200,", &format!(",\"index\":{claim},"));
        assert_eq!(found(&lines, &world), [("changed_entry", Some(200), None)], "{claim}");
    }
    let mut lines = world.lines();
    lines.push(lines[3].replace(",\"index\":3,", ",\"index\":18446744073709551615,"));
    let named = found(&lines, &world);
    assert!(
        named.contains(&("inserted_record", Some(u64::MAX), None))
            || named.contains(&("changed_entry", Some(1_000), None)),
        "{named:?}"
    );
}
