//! What answers say of tokens, tool calls and exceptions, however they arrive and however they end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;

use answer_common::{Case, cases, frame, operation};
use portcullis_bedrock::{AnswerFlaw, AnswerHead, AnswerReader, AnswerSummary, CallOrigin, GuardrailSaid};
use proptest::prelude::*;
use serde_json::json;

const EVENT_STREAM: AnswerHead<'static> = AnswerHead {
    content_type: Some(b"application/vnd.amazon.eventstream"),
    content_encoding: None,
    input_tokens: None,
    output_tokens: None,
    cache_read_tokens: None,
    cache_write_tokens: None,
    session: None,
};

fn converse_stream(bytes: &[u8]) -> AnswerSummary {
    let mut reader = AnswerReader::new(Some(operation("ConverseStream")), &EVENT_STREAM);
    reader.push(bytes);
    reader.finish()
}

fn numbers(summary: &AnswerSummary) -> Option<[u64; 4]> {
    summary.usage.map(|usage| [usage.input, usage.output, usage.cache_read, usage.cache_write])
}

fn guardrail(said: &GuardrailSaid) -> Vec<String> {
    let action = if said.intervened { "intervened" } else { "none" };
    [action].iter().chain(&said.policies).map(|&word| word.to_owned()).collect()
}

fn calls(summary: &AnswerSummary) -> Vec<(Option<String>, String, String)> {
    let origin = |origin| match origin {
        CallOrigin::Model => "model",
        CallOrigin::Server => "server",
        CallOrigin::ReturnControl => "return_control",
        CallOrigin::Agent => "agent",
    };
    summary
        .calls
        .iter()
        .map(|call| (call.id.clone(), call.name.clone(), origin(call.origin).to_owned()))
        .collect()
}

fn flaw(name: &str) -> AnswerFlaw {
    match name {
        "encoded" => AnswerFlaw::Encoded,
        "unreadable" => AnswerFlaw::Unreadable,
        "truncated" => AnswerFlaw::Truncated,
        other => panic!("no flaw `{other}`"),
    }
}

#[test]
fn each_answer_says_what_it_used() {
    for case in cases() {
        let got = case.read(&case.body(), &[]);
        println!("{} ({}): {got:?}", case.name, case.operation);
        assert_eq!(numbers(&got), case.usage, "{}", case.name);
        assert_eq!(got.tool_calls, case.tool_calls, "{}", case.name);
        assert_eq!(got.exception, case.exception, "{}", case.name);
        assert_eq!(got.flaw, case.flaw.as_deref().map(flaw), "{}", case.name);
        assert_eq!(got.stop_reason, case.stop, "{}", case.name);
        assert_eq!(got.guardrail.as_ref().map(guardrail), case.guardrail, "{}", case.name);
        assert_eq!(got.models, case.models, "{}", case.name);
        assert_eq!(calls(&got), case.calls, "{}", case.name);
        assert_eq!(got.session, case.session, "{}", case.name);
        assert_eq!(got.counted_tokens, case.counted, "{}", case.name);
    }
}

/// Frames made by an independent framer, and taken by botocore.
#[test]
fn known_frames_are_read() {
    let stop = "0000007a00000051ca2c46650b3a6576656e742d7479706507000b6d65737361676553746f700d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b2273746f70526561736f6e223a22656e645f7475726e227d5fbf09fc";
    let exception = "00000086000000616131cb950f3a657863657074696f6e2d7479706507001376616c69646174696f6e457863657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b226d657373616765223a22626c6f636b6564227d3b49d96d";
    let got = converse_stream(&hex::decode(stop).unwrap());
    assert_eq!(got, AnswerSummary { stop_reason: Some("end_turn".to_owned()), ..AnswerSummary::default() });
    let got = converse_stream(&hex::decode(format!("{stop}{exception}")).unwrap());
    assert_eq!(got.exception.as_deref(), Some("ValidationException"));
    assert_eq!(got.flaw, None);
}

/// Every place where a stream can be cut, and every byte that can be wrong: usage that was proven stays, and no more.
#[test]
fn a_stream_that_is_cut_or_spoilt_keeps_what_it_proved() {
    let start = frame("messageStart", &json!({"role": "assistant"}));
    let metadata = frame("metadata", &json!({"usage": {"inputTokens": 11, "outputTokens": 7}}));
    let tail = frame("messageStop", &json!({"stopReason": "end_turn"}));
    let whole = [start.clone(), metadata.clone(), tail].concat();
    let edges = [0, start.len(), start.len() + metadata.len(), whole.len()];
    for cut in 0..=whole.len() {
        let got = converse_stream(&whole[..cut]);
        // Even at a frame's edge: its author has not said that it ends.
        let expected = (cut < whole.len()).then_some(AnswerFlaw::Truncated);
        assert_eq!(got.flaw, expected, "cut at {cut} of {edges:?}");
        assert_eq!(got.usage.is_some(), cut >= edges[2], "cut at {cut} of {edges:?}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let got = converse_stream(&bytes);
        assert_eq!(got.flaw, Some(AnswerFlaw::Broken), "byte {at} is wrong");
        assert_eq!(got.usage.is_some(), at >= edges[2], "byte {at} is wrong");
    }
}

#[test]
fn lengths_that_make_no_sense_break_a_stream_at_once() {
    let prelude = |total: u32, headers: u32| {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        let crc = crc32(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    };
    for (total, headers, broken) in [
        (16, 0, false),
        (15, 0, true),
        (16, 1, true),
        (0, 0, true),
        (u32::MAX, 0, true),
        (u32::MAX, u32::MAX, true),
        (16 + 24 * 1024 * 1024, 0, false),
        (17 + 24 * 1024 * 1024, 0, true),
        (16 + 128 * 1024, 128 * 1024, false),
        (17 + 128 * 1024, 128 * 1024 + 1, true),
    ] {
        let got = converse_stream(&prelude(total, headers));
        println!("total {total}, headers {headers}: {:?}", got.flaw);
        let expected = if broken { AnswerFlaw::Broken } else { AnswerFlaw::Truncated };
        assert_eq!(got.flaw, Some(expected));
    }
    let mut reader = AnswerReader::new(Some(operation("ConverseStream")), &EVENT_STREAM);
    reader.push(&prelude(15, 0));
    assert!(!reader.wants_more(), "nothing more can come of it");
}

/// The plain form of the checksum (RFC 1952, section 8), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn a_call_of_no_known_operation_is_not_read() {
    let reader = AnswerReader::new(None, &EVENT_STREAM);
    assert!(!reader.wants_more());
    assert_eq!(reader.finish(), AnswerSummary::default());
}

fn case() -> impl Strategy<Value = Case> {
    proptest::sample::select(cases())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: cases_wanted(), ..ProptestConfig::default() })]

    /// However an answer arrives, and whatever is wrong with it, the same is read of it.
    #[test]
    fn any_cuts_of_any_mutation_read_the_same(
        case in case(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..3),
        cuts in prop::collection::vec(0usize..200, 0..40),
    ) {
        let mut body = case.body();
        let sound = body.clone();
        for (at, byte, edit) in edits {
            if body.is_empty() { break; }
            let at = at.index(body.len());
            match edit {
                0 => body[at] = byte,
                1 => { body.remove(at); }
                _ => body.truncate(at),
            }
        }
        let whole = case.read(&body, &[]);
        prop_assert_eq!(&whole, &case.read(&body, &cuts));
        prop_assert_eq!(&whole, &case.read(&body, &vec![1; body.len()]));
        // Some bytes of a gzip header mean nothing.
        if case.is_event_stream() && !case.is_compressed() && body != sound && !sound.starts_with(&body) {
            prop_assert!(whole.flaw.is_some(), "no wrong byte passes unseen");
        }
    }
}

/// `PROPTEST_CASES`, or enough for every run.
fn cases_wanted() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}
