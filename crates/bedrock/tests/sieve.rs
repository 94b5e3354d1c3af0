//! Answers cut into pieces: the tool calls and the text in them, however they arrive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;
mod sieve_common;

use answer_common::{frame, operation};
use portcullis_bedrock::{AnswerFlaw, AnswerHead, CallProblem, Found, Sieve, SieveLimits};
use serde_json::json;
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

fn sift(name: &str, bytes: &[u8]) -> Vec<Found> {
    let head =
        AnswerHead { content_type: Some(b"application/vnd.amazon.eventstream"), ..AnswerHead::default() };
    let limits = SieveLimits { max_arguments: 1_024, max_piece: 100_000, text: false };
    let mut sieve = Sieve::new(Some(operation(name)), &head, limits).unwrap().unwrap();
    let mut found = Vec::new();
    sieve.push(bytes, &mut found);
    sieve.finish(&mut found);
    found
}

/// Every place where a stream can be cut, and every byte that can be wrong: what is whole is told, and no more.
#[test]
fn a_stream_that_is_cut_or_spoilt_tells_whole_frames_only() {
    let call = json!({"toolUseId": "t", "name": "f"});
    let frames = [
        frame("contentBlockStart", &json!({"contentBlockIndex": 0, "start": {"toolUse": call}})),
        frame("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}})),
        frame("contentBlockStop", &json!({"contentBlockIndex": 0})),
        frame("metadata", &json!({"usage": {}})),
    ];
    let body = frames.concat();
    let sound = sift("ConverseStream", &body);
    let whole_until = |at: usize| {
        let edges = frames.iter().scan(0, |sum, frame| {
            *sum += frame.len();
            Some(*sum)
        });
        edges.take_while(|edge| *edge <= at).last().unwrap_or(0)
    };
    for cut in 0..body.len() {
        let found = sift("ConverseStream", &body[..cut]);
        assert_eq!(tiled(&found), whole_until(cut), "cut at {cut}: {found:?}");
        let edge = whole_until(cut) == cut;
        assert_eq!(!edge, found.last() == Some(&Found::Flaw(AnswerFlaw::Truncated)), "cut at {cut}");
        let unfinished = found.iter().any(|found| match found {
            Found::Call { call, .. } => call.problem == Some(CallProblem::Unfinished),
            _ => false,
        });
        let open = (frames[0].len()..frames[..3].concat().len()).contains(&cut);
        assert_eq!(unfinished, open, "cut at {cut}: {found:?}");
    }
    for at in 0..body.len() {
        let mut spoilt = body.clone();
        spoilt[at] ^= 0x04;
        let found = sift("ConverseStream", &spoilt);
        assert_eq!(found.last(), Some(&Found::Flaw(AnswerFlaw::Broken)), "byte {at} is wrong: {found:?}");
        let told = &found[..found.len() - 1];
        assert_eq!(tiled(told), whole_until(at), "byte {at} is wrong");
        assert_eq!(told, &sound[..told.len()], "byte {at} is wrong");
    }
}

/// A frame of these headers and this payload.
fn raw_frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(16 + headers.len() + payload.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload);
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

fn header(name: &str, value: &str) -> Vec<u8> {
    let (name_length, length) = (u8::try_from(name.len()).unwrap(), u16::try_from(value.len()).unwrap());
    [&[name_length][..], name.as_bytes(), &[7], &length.to_be_bytes(), value.as_bytes()].concat()
}

/// A frame's headers say whether it is read: those that not everybody reads alike must not hide a tool call.
#[test]
fn headers_that_are_odd_break_a_stream() {
    let event = header(":event-type", "contentBlockStart");
    let other = header(":event-type", "messageStop");
    let broken = [Found::Flaw(AnswerFlaw::Broken)];
    for (what, headers, sound) in [
        ("none", vec![], true),
        ("another", header("x", "contentBlockStart"), true),
        ("an event that says nothing", other.clone(), true),
        ("two events", [other.clone(), event.clone()].concat(), false),
        ("no value", b"\x01x\x07\0".to_vec(), false),
        ("no such type", [other.clone(), b"\x01x\x0a".to_vec()].concat(), false),
        ("a name that is cut", [other.clone(), b"\xffx".to_vec()].concat(), false),
        ("an event behind 20 KiB", [header("x", &"y".repeat(20_000)), event].concat(), false),
        ("20 KiB that say nothing", header("x", &"y".repeat(20_000)), false),
    ] {
        let bytes = raw_frame(&headers, b"{}");
        let found = sift("ConverseStream", &bytes);
        println!("{what}: {found:?}");
        match sound {
            true => assert_eq!(found, [Found::Piece { len: bytes.len(), calls: vec![] }], "{what}"),
            false => assert_eq!(found, broken, "{what}"),
        }
    }
}

/// What says nothing is let go on in parts when it is long, and told whole when it is not.
#[test]
fn a_long_frame_that_says_nothing_passes_in_parts() {
    for (length, in_parts) in [(1_000, false), (60_000, false), (70_000, true), (1_000_000, true)] {
        let body = frame("files", &json!({"files": [{"bytes": "A".repeat(length)}]}));
        let found = sift("InvokeAgent", &body);
        assert_eq!(found.iter().any(|found| matches!(found, Found::Part { .. })), in_parts, "{length}");
        assert_eq!(tiled(&found), body.len());
        assert!(matches!(found.last(), Some(Found::Piece { .. })));
    }
    let long = frame("returnControl", &json!({"invocationId": "A".repeat(100_000)}));
    assert_eq!(sift("InvokeAgent", &long), [Found::Flaw(AnswerFlaw::TooLong)]);
}

#[test]
fn answers_that_say_nothing_have_no_sieve() {
    let limits = SieveLimits { max_arguments: 1, max_piece: 1, text: true };
    let head = |encoding| AnswerHead { content_encoding: encoding, ..AnswerHead::default() };
    for (name, speaks) in [
        ("Converse", true),
        ("InvokeAgent", true),
        ("InvokeHarness", true),
        ("GetResponse", true),
        ("RetrieveAndGenerate", true),
        ("InvokeAgentRuntime", false),
        ("CountTokens", false),
        ("ListFoundationModels", false),
        ("DeleteResponse", false),
    ] {
        let new =
            |encoding| Sieve::new(Some(operation(name)), &head(encoding), limits).map(|it| it.is_some());
        assert_eq!(new(None), Ok(speaks), "{name}");
        assert_eq!(new(Some(b" Identity ")), Ok(speaks), "{name}");
        let expected = if speaks { Err(AnswerFlaw::Encoded) } else { Ok(false) };
        assert_eq!(new(Some(b"gzip")), expected, "{name}");
    }
    assert!(Sieve::new(None, &head(None), limits).unwrap().is_none());
}
