//! Decisions and their outcomes, gaps, pruned records, times.

use super::shown;
use super::world::{World, decision, event, outcome, uuid};
use crate::log::verify::*;
use crate::log::{Checkpoint, Frontier, RecordKind, SignedNote};
use serde_json::{Value, json};

fn codes(found: &[Finding]) -> Vec<(&'static str, Option<u64>)> {
    found.iter().map(|finding| (finding.code.as_str(), finding.index)).collect()
}

fn log(records: impl IntoIterator<Item = ((RecordKind, Value), u64)>) -> (Summary, Vec<Finding>) {
    let (summary, found) = World::with(records).verify();
    println!("{}", shown(&found));
    (summary, found)
}

#[test]
fn every_call_that_was_let_out_has_one_outcome() {
    let (_, found) = log([
        (decision(0, 1, "allow"), 1),
        (decision(1, 2, "allow"), 2),
        (decision(2, 3, "deny"), 3),
        // Told twice: nobody reported in time, then somebody did.
        (outcome(0, 4, "unknown"), 4),
        (outcome(0, 5, "completed"), 5),
        // Before its decision.
        (outcome(3, 6, "completed"), 6),
        (decision(3, 7, "allow"), 7),
        (decision(4, 8, "allow"), 8),
        (outcome(4, 9, "unknown"), 9),
        (outcome(5, 10, "completed"), 10),
        (decision(6, 11, "allow"), 11),
        (outcome(6, 12, "completed"), 12),
    ]);
    let expected = [
        ("decision_without_outcome", Some(1)),
        ("outcome_unknown", Some(8)),
        ("outcome_without_decision", Some(9)),
    ];
    assert_eq!(codes(&found), expected);
}

#[test]
fn gaps_are_summed_up() {
    let gap = |number, unaudited, lost| {
        event(RecordKind::Gap, number, number, json!({"unaudited": unaudited, "lost": lost}))
    };
    let (summary, found) = log([(gap(1, 3, 0), 1), (gap(2, 4, 5), 2)]);
    assert_eq!(codes(&found), [("gap", Some(0)), ("gap", Some(1))]);
    assert_eq!((summary.gaps, summary.gap), (2, Gap { unaudited: 7, lost: 5 }));
}

#[test]
fn pruned_is_what_a_record_of_retention_says() {
    let retention = |said: &[Value]| {
        let records = (0..6).map(|n| (decision(n, n + 1, "deny"), n + 1));
        let kept = said.iter().map(|said| {
            let mut detail = json!({"what": "retention_pruned", "before_ms": 7, "records": 3, "held": {}});
            detail.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
            (event(RecordKind::Admin, 9, 9, detail), 9)
        });
        let mut world = World::with(records.chain(kept));
        for at in [1, 2, 4] {
            world.rows[at].prune();
        }
        let (summary, found) = world.verify();
        assert_eq!(summary.pruned, 3);
        // An export says the same.
        assert_eq!(World::verify_lines(&world.lines(), &world.head, None).1, found);
        println!("{}", shown(&found));
        found.iter().map(|finding| (finding.code.as_str(), finding.index, finding.end)).collect::<Vec<_>>()
    };
    let of = |kinds: &[&str], first: u64, last: u64| json!({"kinds": kinds, "first": first, "last": last});
    assert_eq!(retention(&[of(&["decision"], 1, 4)]), []);
    assert_eq!(retention(&[of(&["outcome", "decision"], 1, 2), of(&["decision"], 4, 4)]), []);
    assert_eq!(retention(&[of(&["decision"], 1, 2)]), [("pruned_without_retention", Some(4), Some(5))]);
    let expected =
        [("pruned_without_retention", Some(1), Some(3)), ("pruned_without_retention", Some(4), Some(5))];
    assert_eq!(retention(&[]), expected);
    assert_eq!(retention(&[of(&["outcome"], 0, 5)]), expected, "of another kind");
    assert_eq!(retention(&[json!({"kinds": ["decision"], "first": "all"})]), expected);
}

/// What a key holder has signed may still contradict itself.
#[test]
fn what_is_back_dated_is_found_also_under_a_good_signature() {
    let plain = |times: [u64; 4]| times.map(|time| (decision(time, time, "deny"), time)).to_vec();
    assert_eq!(codes(&log(plain([100_000, 100_000, 100_001, 100_002])).1), []);
    // Times of entries go back: the one that does not fit to those beside it is named.
    assert_eq!(codes(&log(plain([100_000, 100_001, 50, 100_002])).1), [("back_dated", Some(2))]);
    assert_eq!(codes(&log(plain([100_000, 900_001, 100_002, 100_003])).1), [("back_dated", Some(1))]);
    for (own, id_time, entry) in
        [(1_001, 1_001, 1_000), (1_000, 1_000, 61_001), (1_000, 999, 1_000), (1_000, 1_001, 1_000)]
    {
        let (kind, mut record) = decision(7, own, "deny");
        record["decision_id"] = json!(uuid(id_time, 7));
        assert_eq!(
            codes(&log([((kind, record), entry)]).1),
            [("back_dated", Some(0))],
            "{own} {id_time} {entry}"
        );
    }
    assert_eq!(codes(&log([(decision(7, 1_000, "deny"), 61_000)]).1), []);
}

#[test]
fn an_older_checkpoint_must_be_an_earlier_state_of_the_log() {
    let world = World::of(600);
    for kept in &world.kept {
        let (summary, found) = world.verify_with(&[kept], &[]);
        assert_eq!((summary.checkpoints, found.len()), (12, world.verify().1.len()), "{}", shown(&found));
    }
    let given = |checkpoint: &str, world: &World| {
        let (_, found) = world.verify_with(&[checkpoint], &[]);
        println!("{}", shown(&found));
        let found = found.into_iter().filter(|finding| finding.code.severity() == Severity::Integrity);
        found.map(|finding| (finding.code.as_str(), finding.index, finding.end)).collect::<Vec<_>>()
    };
    // An old copy of the store, sound in itself.
    assert_eq!(given(&world.head, &World::of(450)), [("shrunk", Some(450), Some(600))]);
    // Another history, signed with the same key.
    let mut other = World::of(700);
    other.rows[123].record = other.rows[121].record.clone();
    other.rows[123].hash_again();
    other.build(&super::world::key(1));
    assert_eq!(given(&world.head, &other), [("forked", Some(600), None)]);
    assert_eq!(given(&world.kept[1], &other), [], "the histories part later");
    // Two checkpoints of one size.
    let text = Checkpoint { origin: super::world::ORIGIN.to_owned(), size: 50, root: [7; 32] }.to_text();
    let forged = SignedNote::sign(text, &super::world::key(1)).to_text();
    assert_eq!(given(&forged, &world), [("forked", Some(50), None)]);
    let mut store = world.clone();
    store.kept.push(forged);
    let (_, found) = store.verify();
    assert!(found.iter().any(|finding| finding.code == Code::Forked && finding.index == Some(50)));
}

#[test]
fn it_goes_on_where_it_stopped() {
    let world = World::of(700);
    let digests = || {
        world.rows.iter().map(|row| {
            let (index, kind, time_ms, leaf) = (row.index, row.kind, row.time_ms, row.leaf);
            Digest::of_row(
                &Row { index, kind, time_ms, leaf, record: row.record.as_deref().unwrap().as_bytes() },
                false,
            )
        })
    };
    let expect = |verifier: &mut Verifier| {
        let (checkpoint, _) = Checkpoint::parse_note(&world.head).unwrap();
        verifier.expect(checkpoint.size, checkpoint.root, Whose::Kept);
    };
    let mut whole = Verifier::new(Frontier::default(), 0);
    expect(&mut whole);
    whole.push(digests());
    let expected = whole.finish();
    for stop in [0, 1, 256, 300, 511, 512, 700] {
        let mut first = Verifier::new(Frontier::default(), 0);
        first.push(digests().take(stop));
        let text = serde_json::to_string(&first.progress().unwrap()).unwrap();
        let progress: Progress = serde_json::from_str(&text).unwrap();
        let next = progress.next().unwrap();
        assert_eq!(next as usize, stop / 256 * 256);
        let mut second = Verifier::resume(progress, 0).unwrap();
        expect(&mut second);
        second.push(digests().skip(next as usize));
        let mut ended = second.finish();
        let mut found = first.found();
        found.append(&mut ended.1);
        assert_eq!((ended.0, found), expected, "stopped after {stop}");
        println!("stopped after {stop}, went on from {next}: {} bytes", text.len());
    }
    let mut damaged: Value =
        serde_json::to_value(Verifier::new(Frontier::default(), 0).progress().unwrap()).unwrap();
    damaged["frontier"]["size"] = json!(3);
    assert!(Verifier::resume(serde_json::from_value(damaged).unwrap(), 0).is_none());
}
