//! Whatever comes, and however it comes: the same is found, pieces tile the answer, and no wrong byte passes unseen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;
mod sieve_common;

use portcullis_bedrock::Found;
use proptest::prelude::*;
use sieve_common::{Case, cases, tiled, with_whole_parts};

fn case() -> impl Strategy<Value = Case> {
    proptest::sample::select(cases())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases_wanted(), ..ProptestConfig::default() })]

    #[test]
    fn any_cuts_of_any_mutation_find_the_same(
        case in case(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 0..3),
        cuts in prop::collection::vec(0usize..200, 0..40),
        small in any::<bool>(),
        wants_text in any::<bool>(),
    ) {
        let mut case = case;
        case.wants_text = wants_text;
        if small {
            case.max_piece = Some(500);
            case.max_arguments = Some(12);
        }
        let mut body = case.body();
        let sound = body.clone();
        for (at, byte, edit) in edits {
            if body.is_empty() { break; }
            let at = at.index(body.len());
            match edit {
                0 => body[at] = byte,
                1 => { body.remove(at); }
                2 => body.insert(at, b"{}[],:\"\\0e-.\r\n"[usize::from(byte) % 14]),
                _ => body.truncate(at),
            }
        }
        let whole = with_whole_parts(&case.read(&body, &[]));
        prop_assert_eq!(&whole, &with_whole_parts(&case.read(&body, &cuts)));
        prop_assert_eq!(&whole, &with_whole_parts(&case.read(&body, &vec![1; body.len()])));

        let flaws = whole.iter().filter(|found| matches!(found, Found::Flaw(_))).count();
        let last = matches!(whole.last(), Some(Found::Flaw(_)));
        prop_assert!(flaws == usize::from(last), "a flaw is the last finding: {:?}", whole);
        prop_assert!(tiled(&whole) <= body.len());
        prop_assert!(last || tiled(&whole) == body.len(), "{:?} of {}", whole, body.len());
        if case.is_event_stream() && body != sound && !sound.starts_with(&body) {
            prop_assert!(last, "a wrong byte passed: {:?}", whole);
        }
        let mut told: Vec<u32> = Vec::new();
        let mut held: Vec<u32> = Vec::new();
        for found in &whole {
            match found {
                Found::Call { key, call } => {
                    prop_assert!(!told.contains(key), "a call is told once: {:?}", whole);
                    told.push(*key);
                    prop_assert!(call.arguments.len() <= case.limits().max_arguments.max(4_096));
                }
                Found::Piece { calls, .. } => held.extend(calls),
                _ => {}
            }
        }
        // Whoever waits for the calls of a piece does not wait for ever.
        prop_assert!(last || held.iter().all(|key| told.contains(key)), "{:?}", whole);
    }
}

/// `PROPTEST_CASES`, or enough for every run.
fn cases_wanted() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_500)
}
