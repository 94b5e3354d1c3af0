//! A thousand random changes, each found and named.

use super::shown;
use super::world::{Random, StoredRow, World, key};
use crate::log::RecordKind;
use crate::log::verify::*;
use std::collections::BTreeMap;

const SIZE: u64 = 600;

/// What must be found: one of these codes, at or around each of these records; without one: anywhere.
struct Expected {
    codes: &'static [Code],
    /// Each of them is named.
    indexes: Vec<u64>,
    /// At least one of them is named, if there are any.
    either: Vec<u64>,
}

fn at(codes: &'static [Code], indexes: impl IntoIterator<Item = u64>) -> Option<Expected> {
    Some(Expected { codes, indexes: indexes.into_iter().collect(), either: Vec::new() })
}

type Change = fn(&mut World, &mut Random) -> Option<Expected>;

/// A random record, changed so that it stays one.
fn change_record(row: &mut StoredRow) -> bool {
    let Some(record) = &mut row.record else { return false };
    let changed = record
        .replace("\"gate\":\"gate-1\"", "\"gate\":\"gate-2\"")
        .replace("\"actor\":\"cli\"", "\"actor\":\"clj\"");
    std::mem::replace(record, changed.clone()) != changed
}

fn pick(random: &mut Random) -> usize {
    random.below(SIZE) as usize
}

const STORE: &[(&str, Change)] = &[
    ("a byte of a record", |world, random| {
        let index = pick(random);
        let mut bytes = world.rows[index].record.take().unwrap().into_bytes();
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
        world.rows[index].record = Some(String::from_utf8_lossy(&bytes).into_owned());
        at(&[Code::ChangedRecord], [index as u64])
    }),
    ("the time of a record", |world, random| {
        let index = pick(random);
        world.rows[index].time_ms -= 1 + random.below(3);
        at(&[Code::ChangedRecord], [index as u64])
    }),
    ("the kind of a record", |world, random| {
        let index = pick(random);
        let row = &mut world.rows[index];
        row.kind = if row.kind == RecordKind::Decision { RecordKind::ToolCall } else { RecordKind::Decision };
        at(&[Code::ChangedRecord], [index as u64])
    }),
    ("a leaf hash", |world, random| {
        let index = pick(random);
        world.rows[index].leaf[random.below(32) as usize] ^= 1 << random.below(8);
        at(&[Code::ChangedHash], [index as u64])
    }),
    ("a node", |world, random| {
        let tile = random.below(2);
        world.nodes.get_mut(&(1, tile)).unwrap()[random.below(32) as usize] ^= 1 << random.below(8);
        at(&[Code::ChangedHash], [tile * 256])
    }),
    ("a node removed", |world, random| {
        let tile = random.below(2);
        world.nodes.remove(&(1, tile));
        at(&[Code::ChangedHash], [tile * 256])
    }),
    ("a node that there should not be", |world, random| {
        world.nodes.insert((1, 2 + random.below(9)), [7; 32]);
        at(&[Code::ChangedHash], [])
    }),
    ("a row removed", |world, random| {
        let index = pick(random);
        world.rows.remove(index);
        at(&[Code::MissingRecord], [index as u64])
    }),
    ("rows at the end removed", |world, random| {
        let left = SIZE - 1 - random.below(300);
        world.rows.truncate(left as usize);
        at(&[Code::MissingRecord], [left, SIZE - 1])
    }),
    ("two records exchanged", |world, random| {
        let (one, other) = (pick(random), pick(random));
        if one == other || world.rows[one].kind != world.rows[other].kind {
            return None;
        }
        let record = world.rows[one].record.clone();
        world.rows[one].record = std::mem::replace(&mut world.rows[other].record, record);
        at(&[Code::ChangedRecord, Code::ReorderedRecord], [one as u64, other as u64])
    }),
    ("two rows exchanged, without their hashes", |world, random| {
        let (one, other) = (pick(random), pick(random));
        let (a, b) = (world.rows[one].clone(), world.rows[other].clone());
        world.rows[one] = StoredRow { index: a.index, leaf: a.leaf, ..b.clone() };
        world.rows[other] = StoredRow { index: b.index, leaf: b.leaf, ..a };
        (one != other).then_some(())?;
        at(&[Code::ReorderedRecord], [one as u64, other as u64])
    }),
    ("two rows exchanged, with their hashes", |world, random| {
        let (one, other) = (pick(random), pick(random));
        let (a, b) = (world.rows[one].clone(), world.rows[other].clone());
        world.rows[one] = StoredRow { index: a.index, ..b.clone() };
        world.rows[other] = StoredRow { index: b.index, ..a };
        (one != other).then_some(())?;
        at(&[Code::ReorderedRecord, Code::ChangedRecord, Code::RootMismatch], [one as u64, other as u64])
    }),
    ("a row written over another", |world, random| {
        let (one, other) = (pick(random), pick(random));
        world.rows[other] = StoredRow { index: other as u64, ..world.rows[one].clone() };
        (one != other).then_some(())?;
        at(&[Code::DuplicateRecord, Code::ChangedRecord, Code::RootMismatch], [other as u64])
    }),
    ("a row inserted, the rest renumbered", |world, random| {
        let index = pick(random);
        let mut row = world.rows[index].clone();
        change_record(&mut row);
        row.hash_again();
        world.rows.insert(index, row);
        for (index, row) in (0..).zip(&mut world.rows) {
            row.index = index;
        }
        at(&[Code::ChangedRecord, Code::RootMismatch], [index as u64])
    }),
    ("a row removed, the rest renumbered", |world, random| {
        let index = pick(random);
        world.rows.remove(index);
        for (index, row) in (0..).zip(&mut world.rows) {
            row.index = index;
        }
        // Behind the last checkpoint but one nothing of it shows but that one is missing.
        if index + 1 == SIZE as usize {
            return at(&[Code::MissingRecord], [SIZE - 1]);
        }
        at(&[Code::ChangedRecord, Code::RootMismatch, Code::UnsignedRecord], [index as u64])
    }),
    ("rows appended", |world, random| {
        let mut row = world.rows[pick(random)].clone();
        row.index = SIZE;
        row.time_ms = world.rows.last().unwrap().time_ms;
        world.rows.push(row);
        at(&[Code::UnsignedRecord], [SIZE])
    }),
    ("a record, and its hash with it", |world, random| {
        let index = pick(random);
        change_record(&mut world.rows[index]).then_some(())?;
        world.rows[index].hash_again();
        at(&[Code::ChangedRecord, Code::RootMismatch], [index as u64])
    }),
    ("a record, and every hash with it", |world, random| {
        let index = pick(random);
        change_record(&mut world.rows[index]).then_some(())?;
        world.rows[index].hash_again();
        world.build_nodes();
        at(&[Code::RootMismatch], [index as u64])
    }),
    ("a record, every hash, and signed again by another key", |world, random| {
        let index = pick(random);
        change_record(&mut world.rows[index]).then_some(())?;
        world.rows[index].hash_again();
        world.build(&key(2));
        at(&[Code::UnknownKey], [])
    }),
    ("the newest checkpoint signed by another key", |world, _| {
        let mut other = world.clone();
        other.build(&key(2));
        world.head = other.head;
        at(&[Code::UnknownKey], [SIZE])
    }),
    ("a byte of a checkpoint", |world, random| {
        let place = random.below(world.kept.len() as u64) as usize;
        let mut bytes = world.kept[place].clone().into_bytes();
        let byte = random.below(bytes.len() as u64 - 1) as usize;
        bytes[byte] = if bytes[byte] == b'A' { b'B' } else { b'A' };
        world.kept[place] = String::from_utf8_lossy(&bytes).into_owned();
        at(&[Code::BadSignature, Code::MalformedCheckpoint, Code::WrongOrigin, Code::UnknownKey], [])
    }),
    ("the newest checkpoint replaced by an older one", |world, random| {
        let place = random.below(world.kept.len() as u64 - 1) as usize;
        world.head = world.kept[place].clone();
        world.kept.truncate(place);
        at(&[Code::UnsignedRecord], [SIZE - 1])
    }),
    ("a record taken away as if pruned", |world, random| {
        let index = pick(random);
        world.rows[index].prune();
        at(&[Code::PrunedWithoutRetention], [index as u64])
    }),
    ("the entry of a pruned record", |world, random| {
        let index = pick(random);
        let row = &mut world.rows[index];
        row.prune();
        row.entry = row.entry.replace("\"time_ms\":17", "\"time_ms\":16");
        at(&[Code::ChangedRecord], [index as u64])
    }),
];

type LineChange = fn(&mut Vec<String>, &mut World, &mut Random) -> Option<Expected>;

const EXPORT: &[(&str, LineChange)] = &[
    ("a byte of a line", |lines, _, random| {
        let index = pick(random);
        let mut bytes = lines[index].clone().into_bytes();
        let place = random.below(bytes.len() as u64) as usize;
        bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
        lines[index] = String::from_utf8_lossy(&bytes).into_owned();
        at(
            &[Code::ChangedRecord, Code::ChangedEntry, Code::MissingRecord, Code::RootMismatch],
            [index as u64],
        )
    }),
    ("a line removed", |lines, _, random| {
        let index = pick(random);
        lines.remove(index);
        at(&[Code::MissingRecord], [index as u64])
    }),
    ("a line twice", |lines, _, random| {
        let (index, place) = (pick(random), pick(random));
        lines.insert(place, lines[index].clone());
        at(&[Code::DuplicateRecord], [index as u64])
    }),
    ("two lines exchanged", |lines, _, random| {
        let (one, other) = (pick(random), pick(random));
        lines.swap(one, other);
        (one != other).then_some(())?;
        let both = vec![one as u64, other as u64];
        // Of neighbours one has moved; which of them nobody can tell.
        if one.abs_diff(other) == 1 {
            return Some(Expected { codes: &[Code::ReorderedRecord], indexes: Vec::new(), either: both });
        }
        at(&[Code::ReorderedRecord], both)
    }),
    ("two records exchanged, with their entries", |lines, world, random| {
        let (one, other) = (pick(random), pick(random));
        (one != other).then_some(())?;
        let (a, b) = (world.rows[one].clone(), world.rows[other].clone());
        world.rows[one] = StoredRow { index: a.index, ..b.clone() };
        world.rows[other] = StoredRow { index: b.index, ..a };
        *lines = world.lines();
        at(&[Code::ReorderedRecord, Code::ChangedRecord, Code::RootMismatch], [one as u64, other as u64])
    }),
    ("the time of an entry", |lines, world, random| {
        let index = pick(random);
        let row = &mut world.rows[index];
        row.entry = row.entry.replace(&format!("{}}}", row.time_ms), &format!("{}}}", row.time_ms - 1));
        *lines = world.lines();
        at(&[Code::ChangedRecord, Code::RootMismatch], [index as u64])
    }),
    ("a record and its entry", |lines, world, random| {
        let index = pick(random);
        change_record(&mut world.rows[index]).then_some(())?;
        world.rows[index].hash_again();
        *lines = world.lines();
        at(&[Code::ChangedRecord, Code::RootMismatch], [index as u64])
    }),
    ("the end cut off", |lines, _, random| {
        let left = SIZE - 1 - random.below(300);
        lines.truncate(left as usize);
        at(&[Code::MissingRecord], [left])
    }),
    ("cut inside of a line", |lines, _, random| {
        let left = pick(random);
        lines.truncate(left + 1);
        let keep = random.below(lines[left].len() as u64) as usize;
        let keep = (0..=keep).rev().find(|at| lines[left].is_char_boundary(*at)).unwrap();
        lines[left].truncate(keep);
        // Cut close to its end it still is a line, of another record.
        at(&[Code::MissingRecord, Code::ChangedRecord], [left as u64])
    }),
    ("an older checkpoint", |_, world, random| {
        let place = random.below(world.kept.len() as u64 - 1) as usize;
        world.head = world.kept[place].clone();
        at(&[Code::UnsignedRecord], [SIZE - 1])
    }),
    ("everything, signed by another key", |lines, world, random| {
        let index = pick(random);
        change_record(&mut world.rows[index]).then_some(())?;
        world.rows[index].hash_again();
        world.build(&key(2));
        *lines = world.lines();
        at(&[Code::UnknownKey], [])
    }),
];

/// Of each kind of change how many there were, and by which code they were found.
type Counts = BTreeMap<(&'static str, &'static str), (u32, BTreeMap<&'static str, u32>)>;

/// What `Expected` asks for is there: of a random change at least one finding names it.
fn judge(name: &str, expected: &Expected, found: &[Finding]) {
    let named = |index: u64| {
        found.iter().any(|finding| expected.codes.contains(&finding.code) && finding.covers(index))
    };
    let any = found.iter().any(|finding| expected.codes.contains(&finding.code));
    let all = expected.indexes.iter().all(|index| named(*index))
        && (expected.either.is_empty() || expected.either.iter().any(|index| named(*index)));
    assert!(any && all, "{name}: {:?} at {:?}, found\n{}", expected.codes, expected.indexes, shown(found));
}

#[test]
fn a_thousand_changes_are_found_and_named() {
    // All of them where that takes seconds.
    let long = !cfg!(debug_assertions) || std::env::var_os("PORTCULLIS_LONG").is_some();
    let rounds = if long { 1_000 } else { 250 };
    let whole = World::of(SIZE);
    let lines = whole.lines();
    let mut random = Random(0x5eed);
    let mut counts = Counts::new();
    let count = |counts: &mut Counts, what, name, expected: &Expected, found: &[Finding]| {
        let row = counts.entry((what, name)).or_default();
        row.0 += 1;
        let first = found.iter().find(|finding| expected.codes.contains(&finding.code)).unwrap();
        *row.1.entry(first.code.as_str()).or_default() += 1;
    };
    let mut done = 0;
    while done < rounds {
        let (name, change) = STORE[done % STORE.len()];
        let mut world = whole.clone();
        let Some(expected) = change(&mut world, &mut random) else { continue };
        assert_ne!(world, whole, "{name} changes something");
        let (_, found) = world.verify();
        judge(name, &expected, &found);
        count(&mut counts, "store", name, &expected, &found);
        done += 1;
    }
    let mut done = 0;
    while done < rounds {
        let (name, change) = EXPORT[done % EXPORT.len()];
        let (mut world, mut changed) = (whole.clone(), lines.clone());
        let Some(expected) = change(&mut changed, &mut world, &mut random) else { continue };
        let (_, found) = World::verify_lines(&changed, &world.head, Some(&whole.nodes));
        judge(name, &expected, &found);
        // Without the roots of tiles it is found all the same, if not always named.
        let (_, plain) = World::verify_lines(&changed, &world.head, None);
        assert!(
            plain.iter().any(|finding| finding.code.severity() == Severity::Integrity),
            "{name}: {}",
            shown(&plain)
        );
        count(&mut counts, "export", name, &expected, &found);
        done += 1;
    }
    for ((what, name), (changes, codes)) in counts {
        println!("{what:<7} {name:<56} {changes:>4} found: {codes:?}");
    }
}
