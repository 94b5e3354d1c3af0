//! Whatever lines an export has, verifying them ends, without a panic; and no lines but the right ones lead to the root.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use portcullis_audit::log::verify::{Digest, Line, Node, Verifier, Whose};
use portcullis_audit::log::{Entry, Frontier, RecordKind};

const MAX_INPUT: usize = 64 * 1024;

fuzz_target!(|data: &[u8]| -> Corpus {
    let ([flags, seed, lines @ ..], true) = (data, data.len() <= MAX_INPUT) else { return Corpus::Reject };
    let mut verifier = Verifier::new(Frontier::default(), flags & 7);
    let mut frontier = Frontier::default();
    for index in 0..u64::from(*seed) {
        let record =
            format!("{{\"at_ms\":{index},\"event_id\":\"{index}\",\"kind\":\"admin\",\"detail\":{{}}}}");
        let entry = Entry::new(index.to_string(), RecordKind::Admin, index, record.as_bytes());
        frontier.push(entry.leaf(), |_, _, _| {});
        // Some of the lines are good ones, so that what comes between them is looked at closely.
        let line = Line::write(index, &entry, Some(&record));
        let parsed = Line::parse(line.as_bytes()).expect("it was just written");
        if flags & 8 == 0 || index % 3 > 0 {
            verifier.push([Digest::of_line(&parsed, false)]);
        }
    }
    if flags & 16 != 0 {
        verifier.expect(frontier.size(), frontier.root(), Whose::Kept);
    }
    if flags & 32 != 0 {
        verifier.node(Node { level: 1, index: 0, hash: frontier.root() });
    }
    for line in lines.split(|byte| *byte == b'\n') {
        if let Ok(line) = Line::parse(line) {
            verifier.push([Digest::of_line(&line, flags & 64 != 0)]);
        }
    }
    if let Some(progress) = verifier.progress() {
        assert!(Verifier::resume(progress, 0).is_some(), "what it says of itself can be gone on from");
    }
    let (summary, found) = verifier.finish();
    assert!(summary.first <= summary.end);
    for finding in found {
        assert!(!finding.detail.is_empty() && finding.end.is_none_or(|end| Some(end) > finding.index));
    }
    Corpus::Keep
});
