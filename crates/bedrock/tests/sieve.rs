//! Answers cut into pieces: the tool calls and the text in them, however they arrive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;
mod sieve_common;

use portcullis_bedrock::Found;
use sieve_common::{cases, tiled, without_lengths};

#[test]
fn each_answer_says_its_calls_and_text() {
    let mut wrong = 0;
    for case in cases() {
        let parts = case.parts();
        let body = parts.concat();
        let found = case.read(&body, &[]);
        let (got, expected) = (without_lengths(&found), case.expected());
        if got != expected {
            wrong += 1;
            println!("{} ({})\n     got {got:#?}\nexpected {expected:#?}", case.name, case.operation);
            continue;
        }
        println!("{} ({}): {} findings", case.name, case.operation, got.len());
        let flawed = found.iter().any(|found| matches!(found, Found::Flaw(_)));
        assert!(flawed || tiled(&found) == body.len(), "{}: {found:?} of {}", case.name, body.len());
        if case.is_event_stream() {
            let pieces = found.iter().filter_map(|found| match found {
                Found::Piece { len, .. } => Some(*len),
                _ => None,
            });
            let frames = parts.iter().map(Vec::len);
            assert!(pieces.zip(frames).all(|(piece, frame)| piece == frame), "{}: {found:?}", case.name);
        }
    }
    assert_eq!(wrong, 0, "cases are wrong");
}

/// However an answer arrives, the same is found.
#[test]
fn a_byte_at_a_time_says_the_same() {
    for case in cases() {
        let body = case.body();
        assert_eq!(case.read(&body, &[]), case.read(&body, &vec![1; body.len()]), "{}", case.name);
    }
}
