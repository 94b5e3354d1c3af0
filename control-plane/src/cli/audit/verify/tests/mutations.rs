//! Random changes of a store, by SQL: each is found, and named.

use super::{Ended, ORIGIN, key, names, plan, shown, verify_store, write};
use crate::storage::unpack;
use portcullis_audit::log::verify::{Code, Severity};
use portcullis_audit::log::{Checkpoint, Frontier, Hash, SignedNote};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// xorshift64*: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

/// One of these codes, at or around each of these records; without one: anywhere.
type Expected = (&'static [Code], Vec<u64>);
type Change = fn(&Connection, &mut Random, u64) -> Option<Expected>;

fn exec(conn: &Connection, sql: &str, values: impl rusqlite::Params) -> usize {
    conn.execute(sql, values).unwrap()
}

fn blob(conn: &Connection, sql: &str, at: u64) -> Vec<u8> {
    conn.query_row(sql, [at as i64], |row| row.get(0)).unwrap()
}

fn flip(bytes: &mut [u8], random: &mut Random) {
    let at = random.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << random.below(8);
}

fn two(random: &mut Random, size: u64) -> Option<(u64, u64)> {
    let (one, other) = (random.below(size), random.below(size));
    (one != other).then_some((one, other))
}

/// Exchanges columns of two rows.
fn exchange(conn: &Connection, columns: &str, one: u64, other: u64) {
    let names: Vec<_> = columns.split(", ").map(|column| format!("b.{column}")).collect();
    let copy = format!("CREATE TEMP TABLE two AS SELECT idx, {columns} FROM records WHERE idx IN (?1, ?2)");
    exec(conn, &copy, [one as i64, other as i64]);
    let sql = format!(
        "UPDATE records SET ({columns}) = (SELECT {} FROM two b WHERE b.idx = ?2) WHERE idx = ?1",
        names.join(", ")
    );
    exec(conn, &sql, [one as i64, other as i64]);
    exec(conn, &sql, [other as i64, one as i64]);
    exec(conn, "DROP TABLE two", []);
}

/// A decision's column is given another value.
fn column(conn: &Connection, random: &mut Random, sql: &str) -> Option<Expected> {
    let idx: i64 = conn
        .query_row(
            "SELECT idx FROM decisions ORDER BY idx LIMIT 1 OFFSET ?1",
            [random.below(150) as i64],
            |row| row.get(0),
        )
        .unwrap();
    exec(conn, sql, [idx]);
    Some((&[Code::ChangedIndex], vec![idx as u64]))
}

/// Hashes everything again, and signs it.
fn sign_again(conn: &Connection, seed: u8) {
    let mut leaves = conn.prepare("SELECT leaf FROM records ORDER BY idx").unwrap();
    let leaves: Vec<Hash> = leaves.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut frontier = Frontier::default();
    exec(conn, "DELETE FROM log_nodes", []);
    for leaf in leaves {
        frontier.push(leaf, |height, index, hash| {
            if height > 0 && height % 8 == 0 {
                exec(
                    conn,
                    "INSERT INTO log_nodes VALUES (?1, ?2, ?3)",
                    params![height / 8, index as i64, hash],
                );
            }
        });
    }
    let (size, root) = (frontier.size(), frontier.root());
    let note = SignedNote::sign(Checkpoint { origin: ORIGIN.to_owned(), size, root }.to_text(), &key(seed))
        .to_text();
    exec(conn, "UPDATE log_head SET root = ?1, note = ?2, size = ?3", params![root, note, size as i64]);
    exec(conn, "DELETE FROM log_checkpoints", []);
}

const CHANGES: &[(&str, Change)] = &[
    ("records: a bit of a packed record", |conn, random, size| {
        let at = random.below(size);
        let mut bytes = blob(conn, "SELECT record FROM records WHERE idx = ?1", at);
        let dict =
            conn.query_row("SELECT dict FROM records WHERE idx = ?1", [at as i64], |row| row.get(0)).unwrap();
        let record = unpack(dict, &bytes).unwrap();
        flip(&mut bytes, random);
        // A frame of zstd has bits that say nothing (RFC 8878 §3.1.1.1.1.3): with one of them flipped it is the same record.
        if unpack(dict, &bytes).as_ref() == Ok(&record) {
            return None;
        }
        exec(conn, "UPDATE records SET record = ?1 WHERE idx = ?2", params![bytes, at as i64]);
        Some((&[Code::ChangedRecord], vec![at]))
    }),
    ("records: the time", |conn, random, size| {
        let at = random.below(size);
        exec(conn, "UPDATE records SET at = at - 1 WHERE idx = ?1", [at as i64]);
        Some((&[Code::ChangedRecord], vec![at]))
    }),
    ("records: the kind", |conn, random, size| {
        let at = random.below(size);
        exec(
            conn,
            "UPDATE records SET kind = CASE kind WHEN 1 THEN 2 ELSE 1 END WHERE idx = ?1",
            [at as i64],
        );
        Some((&[Code::ChangedRecord], vec![at]))
    }),
    ("records: another dictionary", |conn, random, size| {
        let at = random.below(size);
        exec(conn, "UPDATE records SET dict = 99 WHERE idx = ?1", [at as i64]);
        Some((&[Code::ChangedRecord], vec![at]))
    }),
    ("records: a bit of a leaf hash", |conn, random, size| {
        let at = random.below(size);
        let mut bytes = blob(conn, "SELECT leaf FROM records WHERE idx = ?1", at);
        flip(&mut bytes, random);
        exec(conn, "UPDATE records SET leaf = ?1 WHERE idx = ?2", params![bytes, at as i64]);
        Some((&[Code::ChangedHash], vec![at]))
    }),
    ("records: a row deleted", |conn, random, size| {
        let at = random.below(size - 1);
        exec(conn, "DELETE FROM records WHERE idx = ?1", [at as i64]);
        Some((&[Code::MissingRecord], vec![at]))
    }),
    ("records: the last rows deleted", |conn, random, size| {
        let left = size - 1 - random.below(100);
        exec(conn, "DELETE FROM records WHERE idx >= ?1", [left as i64]);
        Some((&[Code::MissingRecord], vec![left, size - 1]))
    }),
    ("records: two exchanged", |conn, random, size| {
        let (one, other) = two(random, size)?;
        exchange(conn, "record", one, other);
        Some((&[Code::ChangedRecord, Code::ReorderedRecord], vec![one, other]))
    }),
    ("records: two rows exchanged but for their hashes", |conn, random, size| {
        let (one, other) = two(random, size)?;
        exchange(conn, "kind, at, dict, record", one, other);
        Some((&[Code::ReorderedRecord], vec![one, other]))
    }),
    ("records: two rows exchanged with their hashes", |conn, random, size| {
        let (one, other) = two(random, size)?;
        exchange(conn, "kind, at, leaf, dict, record", one, other);
        Some((&[Code::ReorderedRecord, Code::ChangedRecord, Code::RootMismatch], vec![one, other]))
    }),
    ("records: a row written over another", |conn, random, size| {
        let (one, other) = two(random, size)?;
        let sql = "UPDATE records SET (kind, at, leaf, dict, record) = (SELECT kind, at, leaf, dict, record FROM records WHERE idx = ?1) WHERE idx = ?2";
        exec(conn, sql, [one as i64, other as i64]);
        Some((&[Code::DuplicateRecord, Code::ChangedRecord, Code::RootMismatch], vec![other]))
    }),
    ("records: rows appended", |conn, random, size| {
        let sql =
            "INSERT INTO records SELECT ?2, kind, at, leaf, dict, record, entry FROM records WHERE idx = ?1";
        exec(conn, sql, [random.below(size) as i64, size as i64]);
        Some((&[Code::UnsignedRecord], vec![size]))
    }),
    ("records: taken away as if pruned", |conn, random, size| {
        let at = random.below(size);
        exec(conn, "UPDATE records SET record = NULL, entry = '{\"id\":\"x\"}' WHERE idx = ?1", [at as i64]);
        Some((&[Code::ChangedRecord], vec![at]))
    }),
    ("records: a leaf, its tile, the root, signed by another key", |conn, random, size| {
        let at = random.below(size);
        let mut bytes = blob(conn, "SELECT leaf FROM records WHERE idx = ?1", at);
        flip(&mut bytes, random);
        exec(conn, "UPDATE records SET leaf = ?1 WHERE idx = ?2", params![bytes, at as i64]);
        sign_again(conn, 2);
        Some((&[Code::UnknownKey], vec![size]))
    }),
    ("records: rows exchanged, all hashed again", |conn, random, size| {
        let (one, other) = two(random, size)?;
        exchange(conn, "kind, at, leaf, dict, record", one, other);
        let note: String = conn.query_row("SELECT note FROM log_head", [], |row| row.get(0)).unwrap();
        let root: Vec<u8> = conn.query_row("SELECT root FROM log_head", [], |row| row.get(0)).unwrap();
        sign_again(conn, 1);
        exec(conn, "UPDATE log_head SET note = ?1, root = ?2", params![note, root]);
        Some((&[Code::RootMismatch], vec![one, other]))
    }),
    ("log_nodes: a bit", |conn, random, size| {
        let tile = random.below(size / 256);
        let mut bytes = blob(conn, "SELECT hash FROM log_nodes WHERE level = 1 AND n = ?1", tile);
        flip(&mut bytes, random);
        exec(conn, "UPDATE log_nodes SET hash = ?1 WHERE level = 1 AND n = ?2", params![bytes, tile as i64]);
        Some((&[Code::ChangedHash], vec![tile * 256]))
    }),
    ("log_nodes: a row deleted", |conn, random, size| {
        let tile = random.below(size / 256);
        exec(conn, "DELETE FROM log_nodes WHERE level = 1 AND n = ?1", [tile as i64]);
        Some((&[Code::ChangedHash], vec![tile * 256]))
    }),
    ("log_nodes: a row inserted", |conn, random, _| {
        let sql = "INSERT INTO log_nodes VALUES (?1, ?2, zeroblob(32))";
        exec(conn, sql, [1 + random.below(7) as i64, 100 + random.below(1_000) as i64]);
        Some((&[Code::ChangedHash], vec![]))
    }),
    ("log_head: a bit of the root", |conn, random, size| {
        let mut bytes = blob(conn, "SELECT root FROM log_head WHERE one = ?1", 1);
        flip(&mut bytes, random);
        exec(conn, "UPDATE log_head SET root = ?1", params![bytes]);
        Some((&[Code::MisplacedCheckpoint], vec![size]))
    }),
    ("log_head: the size", |conn, random, size| {
        let other = random.below(size);
        exec(conn, "UPDATE log_head SET size = ?1", [other as i64]);
        Some((&[Code::MisplacedCheckpoint], vec![other]))
    }),
    ("log_head: a character of the note", |conn, random, _| {
        let note: String = conn.query_row("SELECT note FROM log_head", [], |row| row.get(0)).unwrap();
        let mut bytes = note.into_bytes();
        let at = random.below(bytes.len() as u64 - 1) as usize;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        exec(conn, "UPDATE log_head SET note = ?1", [String::from_utf8_lossy(&bytes)]);
        Some((&[Code::BadSignature, Code::MalformedCheckpoint, Code::UnknownKey, Code::WrongOrigin], vec![]))
    }),
    ("log_head: an older checkpoint", |conn, _, size| {
        let sql = "UPDATE log_head SET (size, note) = (SELECT size, note FROM log_checkpoints ORDER BY size LIMIT 1)";
        exec(conn, sql, []);
        Some((&[Code::UnsignedRecord], vec![size - 1]))
    }),
    ("log_head: deleted", |conn, _, _| {
        exec(conn, "DELETE FROM log_head", []);
        Some((&[Code::MissingRecord], vec![]))
    }),
    ("log_checkpoints: a character", |conn, random, _| {
        let (size, note): (i64, String) = conn
            .query_row(
                "SELECT size, note FROM log_checkpoints ORDER BY size LIMIT 1 OFFSET ?1",
                [random.below(4) as i64],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        let mut bytes = note.into_bytes();
        let at = random.below(bytes.len() as u64 - 1) as usize;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        exec(
            conn,
            "UPDATE log_checkpoints SET note = ?1 WHERE size = ?2",
            params![String::from_utf8_lossy(&bytes), size],
        );
        Some((&[Code::BadSignature, Code::MalformedCheckpoint, Code::UnknownKey, Code::WrongOrigin], vec![]))
    }),
    ("log_checkpoints: moved to another size", |conn, random, _| {
        let size: i64 = conn
            .query_row(
                "SELECT size FROM log_checkpoints ORDER BY size LIMIT 1 OFFSET ?1",
                [random.below(4) as i64],
                |row| row.get(0),
            )
            .unwrap();
        exec(conn, "UPDATE log_checkpoints SET size = size - 1 WHERE size = ?1", [size]);
        Some((&[Code::MisplacedCheckpoint], vec![size as u64 - 1]))
    }),
    ("log_checkpoints: of records that are not there", |conn, _, size| {
        let root = [7; 32];
        let text = Checkpoint { origin: ORIGIN.to_owned(), size: size + 9, root }.to_text();
        let note = SignedNote::sign(text, &key(1)).to_text();
        exec(conn, "INSERT INTO log_checkpoints VALUES (?1, 0, ?2)", params![size as i64 + 9, note]);
        Some((&[Code::MissingRecord], vec![size]))
    }),
    ("decisions: the principal", |conn, random, _| {
        column(conn, random, "UPDATE decisions SET principal = 'nobody' WHERE idx = ?1")
    }),
    ("decisions: the model", |conn, random, _| {
        column(conn, random, "UPDATE decisions SET model = 'other' WHERE idx = ?1")
    }),
    ("decisions: the verdict", |conn, random, _| {
        column(conn, random, "UPDATE decisions SET verdict = 'throttle' WHERE idx = ?1")
    }),
    ("decisions: the call", |conn, random, _| {
        column(conn, random, "UPDATE decisions SET call_id = 'other' WHERE idx = ?1")
    }),
    ("decisions: the session", |conn, random, _| {
        column(conn, random, "UPDATE decisions SET session = 's' WHERE idx = ?1")
    }),
    ("decisions: the key", |conn, random, _| {
        column(conn, random, "UPDATE decisions SET seq = seq + 1 WHERE idx = ?1")
    }),
    ("decisions: a row deleted", |conn, random, _| {
        column(conn, random, "DELETE FROM decisions WHERE idx = ?1")
    }),
    ("decisions: pointing elsewhere", |conn, random, _| {
        column(conn, random, "UPDATE decisions SET idx = idx + 1 WHERE idx = ?1")
    }),
    ("outcomes: the state", |conn, random, _| {
        let call = format!("call-{}", random.below(150));
        let idx: i64 =
            conn.query_row("SELECT idx FROM outcomes WHERE call_id = ?1", [&call], |row| row.get(0)).unwrap();
        exec(conn, "UPDATE outcomes SET state = 'failed' WHERE call_id = ?1", [call]);
        Some((&[Code::ChangedIndex], vec![idx as u64]))
    }),
    ("events: who", |conn, random, _| {
        let seq = 1 + random.below(5) as i64;
        let idx: i64 =
            conn.query_row("SELECT idx FROM events WHERE seq = ?1", [seq], |row| row.get(0)).unwrap();
        exec(conn, "UPDATE events SET actor = 'nobody' WHERE seq = ?1", [seq]);
        Some((&[Code::ChangedIndex], vec![idx as u64]))
    }),
];

fn judge(name: &str, (codes, indexes): &Expected, ended: &Ended) {
    let any = ended.findings.iter().any(|finding| codes.contains(&finding.code));
    let all = indexes.iter().all(|index| ended.findings.iter().any(|finding| names(finding, codes, *index)));
    assert!(any && all, "{name}: {codes:?} at {indexes:?}\n{}", shown(ended));
    assert!(ended.has(Severity::Integrity));
}

#[tokio::test]
async fn random_changes_of_a_store_are_found_and_named() {
    // All of them where that takes seconds.
    let long = !cfg!(debug_assertions) || std::env::var_os("PORTCULLIS_LONG").is_some();
    let rounds = if long { 1_000 } else { CHANGES.len() * 3 };
    let source = tempfile::tempdir().unwrap();
    let (records, _) = write(source.path(), 150).await;
    let size = records.len() as u64;
    let database = source.path().join("portcullis.db");
    Connection::open(&database).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let plan = super::Plan { threads: 1, ..plan(1) };
    let mut random = Random(0x5eed);
    let mut counts: BTreeMap<&str, (u32, BTreeMap<&str, u32>)> = BTreeMap::new();
    let mut done = 0;
    while done < rounds {
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(&database, copy.path().join("portcullis.db")).unwrap();
        let (name, change) = CHANGES[done % CHANGES.len()];
        let conn = Connection::open(copy.path().join("portcullis.db")).unwrap();
        // Whoever has the file is held by no constraint.
        conn.execute_batch(
            "PRAGMA ignore_check_constraints = 1; PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF",
        )
        .unwrap();
        let expected = change(&conn, &mut random, size);
        drop(conn);
        let Some(expected) = expected else { continue };
        let ended = verify_store(copy.path(), &plan);
        judge(name, &expected, &ended);
        let row = counts.entry(name).or_default();
        row.0 += 1;
        let first = ended.findings.iter().find(|finding| expected.0.contains(&finding.code)).unwrap();
        *row.1.entry(first.code.as_str()).or_default() += 1;
        done += 1;
    }
    for (name, (changes, codes)) in counts {
        println!("{name:<60} {changes:>4} found: {codes:?}");
    }
}
