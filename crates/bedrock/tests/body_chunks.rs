//! However a client cuts a body, the gate reads the same; whatever it sends, the gate only refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod body_common;

use body_common::{bad, cases, kind, read};
use portcullis_bedrock::{Body, BodyPlan, Extractor, Limits, Problem};
use proptest::prelude::*;

fn read_cut(plan: &BodyPlan, limits: Limits, body: &[u8], cuts: &[usize]) -> Result<Body, Problem> {
    let mut extractor = Extractor::new(plan.clone(), limits);
    let mut rest = body;
    for cut in cuts {
        let (slice, tail) = rest.split_at((*cut).min(rest.len()));
        extractor.push(slice)?;
        rest = tail;
    }
    extractor.push(rest)?;
    extractor.finish()
}

fn corpus() -> Vec<(BodyPlan, Vec<u8>)> {
    let good = cases().into_iter().map(|case| (case.kind.clone(), case.body.get().as_bytes().to_vec()));
    let bad =
        bad().into_iter().map(|case| (case.kind.clone().unwrap_or("Converse".to_owned()), case.bytes()));
    good.chain(bad).map(|(name, bytes)| (BodyPlan::RequiredJson(kind(&name)), bytes)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases_wanted(), ..ProptestConfig::default() })]

    #[test]
    fn any_cuts_of_any_mutation_read_the_same(
        pick: prop::sample::Index,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 0..3),
        cuts in prop::collection::vec(0usize..120, 0..40),
        max_text_bytes in prop_oneof![Just(65_536usize), 0usize..60],
    ) {
        let corpus = corpus();
        let (plan, mut bytes) = corpus[pick.index(corpus.len())].clone();
        for (at, byte, edit) in edits {
            if bytes.is_empty() { break; }
            let at = at.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                2 => bytes.insert(at, b"{}[],:\"\\0e-."[usize::from(byte) % 12]),
                _ => bytes.truncate(at),
            }
        }
        let limits = Limits { max_text_bytes, ..Limits::default() };
        let whole = read(&plan, limits, &bytes, usize::MAX);
        prop_assert_eq!(&whole, &read_cut(&plan, limits, &bytes, &cuts));
        prop_assert_eq!(&whole, &read(&plan, limits, &bytes, 1));
        if let Ok(body) = whole {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok(), "what we take is JSON");
            prop_assert!(body.text.len() <= max_text_bytes);
        }
    }
}

/// `PROPTEST_CASES`, or enough for every run.
fn cases_wanted() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_500)
}
