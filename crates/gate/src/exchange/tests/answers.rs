//! Answers that must be inspected: what goes on, what is held, how they end.

use super::host::{End, Headers, Place};
use super::world::{Answer, BODY, Request, World};
use crate::AnswerHead;
use crate::metric::Metric;
use portcullis_protocol::{Inspect, OutcomeKind};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const CALLS: Inspect = Inspect { tool_calls: true, text: false };
const TEXT: Inspect = Inspect { tool_calls: false, text: true };
const BOTH: Inspect = Inspect { tool_calls: true, text: true };

/// A frame of an AWS event stream.
fn frame(event: &str, payload: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in
        [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend(name.as_bytes());
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let payload = payload.to_string();
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
    let mut bytes = total.to_be_bytes().to_vec();
    bytes.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload.as_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

/// One frame of an answer, and what it tells.
#[derive(Debug, Clone)]
struct Frame {
    bytes: Vec<u8>,
    /// The tool call that it is part of.
    call: Option<usize>,
    text: &'static str,
}

fn plain(event: &str, payload: &Value) -> Frame {
    Frame { bytes: frame(event, payload), call: None, text: "" }
}

fn text(index: usize, text: &'static str) -> Frame {
    let payload = json!({"contentBlockIndex": index, "delta": {"text": text}});
    Frame { bytes: frame("contentBlockDelta", &payload), call: None, text }
}

/// Tool call number `call`, its arguments in as many frames as there are parts.
fn tool(call: usize, arguments: &[&str]) -> Vec<Frame> {
    let index = call + 1;
    let start = json!({"contentBlockIndex": index,
        "start": {"toolUse": {"toolUseId": format!("t{call}"), "name": format!("tool_{call}")}}});
    let mut frames = vec![("contentBlockStart", start)];
    for part in arguments {
        frames.push((
            "contentBlockDelta",
            json!({"contentBlockIndex": index, "delta": {"toolUse": {"input": part}}}),
        ));
    }
    frames.push(("contentBlockStop", json!({"contentBlockIndex": index})));
    frames
        .into_iter()
        .map(|(event, payload)| Frame { bytes: frame(event, &payload), call: Some(call), text: "" })
        .collect()
}

fn end() -> Vec<Frame> {
    let usage = json!({"usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}});
    vec![plain("messageStop", &json!({"stopReason": "tool_use"})), plain("metadata", &usage)]
}

fn bytes(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.bytes.clone()).collect()
}

/// A call that has been let out, and whose answer begins.
fn begun(mode: &str, path: &'static str, kind: &'static str, inspect: Inspect) -> World {
    let mut world = World::pass_through(mode);
    world.inspect = inspect;
    world.request(&Request::post(path));
    world.body(BODY, true);
    world.answer(Answer::Allow);
    world.answer = AnswerHead { content_type: Some(kind.as_bytes()), ..AnswerHead::default() };
    world.response(200, true, false);
    world
}

const STREAM: &str = "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream";
const PLAIN: &str = "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse";

fn stream(inspect: Inspect) -> World {
    begun("closed", STREAM, "application/vnd.amazon.eventstream", inspect)
}

fn document(inspect: Inspect) -> World {
    begun("closed", PLAIN, "application/json", inspect)
}

/// The client's bytes without the gate's last words, and whether there are any.
fn without_last_words(delivered: &[u8]) -> (&[u8], bool) {
    let mut at = 0;
    while let Some(head) = delivered.get(at..at + 4) {
        let len = u32::from_be_bytes(head.try_into().unwrap()) as usize;
        let Some(frame) = delivered.get(at..at + len) else { break };
        if frame.windows(15).any(|window| window == b":exception-type") {
            assert_eq!(at + len, delivered.len(), "nothing follows the last words");
            return (&delivered[..at], true);
        }
        at += len;
    }
    (delivered, false)
}

fn close(world: &mut World) {
    world.close("via_upstream", 0);
    let outcome = world.outcome();
    let delivered = &world.host.delivered;
    if world.host.end != End::Replaced {
        assert_eq!(outcome.response_bytes, delivered.len() as u64, "the record and the client agree");
        let sha256 = outcome.answer.as_ref().and_then(|facts| facts.sha256.clone());
        assert_eq!(sha256, (!delivered.is_empty()).then(|| hex::encode(Sha256::digest(delivered))));
    }
}

#[test]
fn text_leaves_at_once_and_a_tool_call_when_it_is_allowed() {
    let mut world = stream(CALLS);
    assert_eq!(world.removed, ["content-length"]);
    let before = bytes(&[text(0, "Let me "), text(0, "see.")]);
    let call = tool(0, &["{\"amount\"", ": 4000}"]);
    let after = bytes(&end());
    world.response_body(&before, false);
    assert_eq!(world.host.delivered, before, "text is not held");
    for frame in &call {
        assert!(world.inspections.is_empty(), "it is not complete");
        world.response_body(&frame.bytes, false);
        assert_eq!(world.host.place, Place::Holds);
    }
    let question = &world.inspections[0];
    println!("{question:#}");
    assert_eq!((&question["number"], &question["decision_id"]), (&json!(1), &json!("decision-1")));
    assert_eq!(question["call_id"], world.call_id.as_str());
    assert_eq!(question["released_bytes"], before.len());
    let proposed = &question["subject"]["tool_call"];
    assert_eq!((&proposed["name"], &proposed["id"]), (&json!("tool_0"), &json!("t0")));
    assert_eq!(proposed["arguments"], "{\"amount\": 4000}");
    world.response_body(&after, true);
    assert_eq!(world.host.delivered, before, "what comes later waits behind it");
    world.answer(Answer::Allow);
    let whole = [before, bytes(&call), after].concat();
    assert_eq!((&world.host.delivered, world.host.end), (&whole, End::Complete));
    close(&mut world);
    assert_eq!(
        (world.outcome().outcome, world.outcome().usage.unwrap().output_tokens),
        (OutcomeKind::Completed, 7)
    );
}

#[test]
fn a_refused_tool_call_ends_the_stream_and_the_rest_is_read_and_dropped() {
    for (answer, code, words, metric) in [
        (Answer::Deny, "tool_call_denied", "validationException", Metric::AnswerToolCallDenied),
        (Answer::Throttle, "tool_call_denied", "validationException", Metric::AnswerToolCallDenied),
        (Answer::Pending, "tool_call_pending", "validationException", Metric::AnswerToolCallPending),
        (Answer::NeedText, "inspection_unavailable", "serviceUnavailableException", Metric::AnswerUndecided),
        (Answer::WrongCall, "inspection_unavailable", "serviceUnavailableException", Metric::AnswerUndecided),
        (
            Answer::WrongNumber,
            "inspection_unavailable",
            "serviceUnavailableException",
            Metric::AnswerUndecided,
        ),
        (
            Answer::NoDecisionId,
            "inspection_unavailable",
            "serviceUnavailableException",
            Metric::AnswerUndecided,
        ),
        (
            Answer::UnknownVerdict,
            "inspection_unavailable",
            "serviceUnavailableException",
            Metric::AnswerUndecided,
        ),
        (Answer::Garbage, "inspection_unavailable", "serviceUnavailableException", Metric::AnswerUndecided),
        (Answer::Status500, "inspection_unavailable", "serviceUnavailableException", Metric::AnswerUndecided),
        (Answer::Reset, "inspection_unavailable", "serviceUnavailableException", Metric::AnswerUndecided),
    ] {
        let mut world = stream(CALLS);
        let before = bytes(&[text(0, "Let me see.")]);
        world.response_body(&before, false);
        world.response_body(&bytes(&tool(0, &["{}"])), false);
        world.answer(answer);
        let ended = world.host.delivered.len();
        let last = String::from_utf8_lossy(&world.host.delivered[before.len()..]).into_owned();
        println!("{answer:?}: {last:?}");
        assert!(world.host.delivered.starts_with(&before) && last.contains(words), "{last:?}");
        assert!(!last.contains("tool_0"), "nothing of the call");
        world.response_body(&bytes(&end()), true);
        assert_eq!(world.host.end, End::Complete);
        assert_eq!(world.host.delivered.len(), ended, "the rest is dropped");
        close(&mut world);
        let outcome = world.outcome();
        assert_eq!((outcome.outcome, outcome.reason.as_deref()), (OutcomeKind::Blocked, Some(code)));
        assert_eq!((outcome.status, outcome.forwarded), (Some(200), true));
        assert_eq!(outcome.usage.unwrap().output_tokens, 7, "what was dropped was read");
        assert_eq!(world.counted.iter().filter(|counted| **counted == metric).count(), 1);
    }
}

#[test]
fn what_was_decided_while_the_stream_flowed_takes_effect_with_the_next_bytes() {
    for refused in [false, true] {
        let mut world = stream(CALLS);
        let (before, call) = (bytes(&[text(0, "Let me see.")]), bytes(&tool(0, &["{}"])));
        // Both in one piece: what may go on does, so Envoy holds nothing.
        world.response_body(&[before.clone(), call.clone()].concat(), false);
        assert_eq!((&world.host.delivered, world.host.place), (&before, Place::Flows));
        assert!(world.held().is_some(), "the question has a deadline all the same");
        world.answer(if refused { Answer::Deny } else { Answer::Allow });
        assert_eq!(world.host.delivered, before);
        assert_eq!(world.held(), None);
        world.response_body(&bytes(&end()), false);
        let (out, words) = without_last_words(&world.host.delivered);
        let expected = if refused { before } else { [before, call, bytes(&end())].concat() };
        assert_eq!((out, words), (expected.as_slice(), refused));
        world.response_body(b"", true);
        assert_eq!(world.host.end, End::Complete);
        close(&mut world);
    }
}

#[test]
fn parallel_calls_are_asked_about_one_after_the_other_and_leave_in_order() {
    let mut world = stream(CALLS);
    let (first, second) = (tool(0, &["{\"a\":", "1}"]), tool(1, &["{}"]));
    let mixed = [&first[..2], &second[..2], &first[2..], &second[2..]].concat();
    world.response_body(&bytes(&mixed), false);
    assert_eq!(world.inspections.len(), 1, "one question at a time");
    world.answer(Answer::Allow);
    assert_eq!(world.inspections.len(), 2);
    assert_eq!(world.inspections[1]["number"], 2);
    assert_eq!(
        world.host.delivered,
        bytes(&mixed[..2]),
        "up to the first frame of the call that is undecided"
    );
    world.answer(Answer::Allow);
    world.response_body(&bytes(&end()), true);
    assert_eq!(world.host.delivered, [bytes(&mixed), bytes(&end())].concat());
    close(&mut world);
}

#[test]
fn a_call_that_needs_an_approval_is_held_until_it_is_there() {
    let mut world = stream(CALLS);
    world.response_body(&bytes(&tool(0, &["{}"])), false);
    world.wait(400);
    world.answer(Answer::Hold(45));
    assert_eq!(
        world.timeouts,
        [1_000, 1_000, 49_600],
        "45 s and 5 more, within 50 s of the request's headers"
    );
    assert_eq!(world.inspections[1]["held"], "ap-1");
    assert_eq!(world.inspections[1]["wait_ms"], 49_600);
    assert_eq!(world.inspections[1]["number"], 1, "it is the same question");
    world.wait(30_000);
    assert!(world.host.delivered.is_empty());
    world.answer(Answer::Allow);
    assert_eq!(world.host.delivered, bytes(&tool(0, &["{}"])));
    assert!(world.counted.contains(&Metric::InspectionHold));
    world.response_body(b"", true);
    close(&mut world);
    let mut world = stream(CALLS);
    world.response_body(&bytes(&tool(0, &["{}"])), false);
    world.answer(Answer::Hold(45));
    world.answer(Answer::Hold(45));
    assert!(without_last_words(&world.host.delivered).1, "once, and no more");
    close(&mut world);
}

#[test]
fn no_answer_in_time_ends_the_stream_whatever_the_failure_mode() {
    for mode in ["closed", "open"] {
        let mut world = begun(mode, STREAM, "application/vnd.amazon.eventstream", CALLS);
        world.response_body(&bytes(&tool(0, &["{}"])), true);
        world.wait(999);
        assert_eq!(world.host.end, End::Open);
        world.wait(1);
        assert_eq!(world.host.end, End::Complete);
        assert_eq!(without_last_words(&world.host.delivered), (&b""[..], true));
        close(&mut world);
        assert_eq!(world.outcome().reason.as_deref(), Some("inspection_unavailable"));
        assert_eq!(world.unaudited, 0);
    }
}

#[test]
fn a_callout_that_cannot_be_sent_ends_the_stream_in_the_same_callback() {
    for whole in [false, true] {
        let mut world = stream(CALLS);
        world.deaf = true;
        world.response_body(&bytes(&[text(0, "a")]), false);
        world.response_body(&bytes(&tool(0, &["{}"])), whole);
        let (out, words) = without_last_words(&world.host.delivered);
        assert_eq!((out, words), (bytes(&[text(0, "a")]).as_slice(), true));
        if !whole {
            world.response_body(b"", true);
        }
        assert_eq!(world.host.end, End::Complete);
        close(&mut world);
    }
    let mut world = document(CALLS);
    world.deaf = true;
    world.response_body(DOCUMENT.as_bytes(), true);
    assert_eq!(world.reply(), (503, "ServiceUnavailableException"));
    close(&mut world);
}

#[test]
fn a_client_that_leaves_while_a_tool_call_is_held_is_aborted() {
    let mut world = stream(CALLS);
    let before = bytes(&[text(0, "Let me see.")]);
    world.response_body(&before, false);
    world.response_body(&bytes(&tool(0, &["{}"])), false);
    world.close("downstream_remote_disconnect", 0x4000);
    let outcome = world.outcome();
    assert_eq!((outcome.outcome, outcome.reason.as_deref()), (OutcomeKind::Aborted, Some("client_gone")));
    assert_eq!(outcome.response_bytes, before.len() as u64);
    assert!(world.counted.contains(&Metric::GoneWhileHeld));
    world.answer(Answer::Allow);
}

#[test]
fn what_cannot_be_read_is_not_believed() {
    let sound = bytes(&[text(0, "a")]);
    let mut broken = bytes(&[text(0, "b")]);
    *broken.last_mut().unwrap() ^= 1;
    let half = bytes(&tool(0, &["{\"a\": 1}"])[..2]);
    for (what, tail, asked, flaw) in [
        ("a wrong checksum", broken.clone(), 0, "stream_broken"),
        ("an end within a frame", broken[..20].to_vec(), 0, "stream_truncated"),
        ("an end within a tool call", half, 1, "stream_truncated"),
    ] {
        let mut world = stream(CALLS);
        world.response_body(&[sound.clone(), tail].concat(), true);
        assert_eq!(world.inspections.len(), asked, "{what}");
        if asked == 1 {
            assert_eq!(world.inspections[0]["subject"]["tool_call"]["problem"], "unfinished");
            world.answer(Answer::Deny);
        }
        assert_eq!(without_last_words(&world.host.delivered), (sound.as_slice(), true), "{what}");
        assert_eq!(world.host.end, End::Complete);
        close(&mut world);
        let outcome = world.outcome();
        println!("{what}: {outcome:?}");
        assert_eq!(outcome.outcome, OutcomeKind::Blocked);
        assert_eq!(outcome.answer.as_ref().and_then(|facts| facts.flaw.as_deref()).unwrap_or_default(), flaw);
    }
}

#[test]
fn an_answer_that_is_compressed_is_refused_at_its_headers() {
    for path in [STREAM, PLAIN] {
        let mut world = World::pass_through("closed");
        world.inspect = CALLS;
        world.request(&Request::post(path));
        world.body(BODY, true);
        world.answer(Answer::Allow);
        world.answer = AnswerHead { content_encoding: Some(b"gzip"), ..AnswerHead::default() };
        world.response(200, true, false);
        assert_eq!(world.reply(), (424, "ModelErrorException"));
        world.close("", 0);
        assert_eq!(world.outcome().reason.as_deref(), Some("answer_unreadable"));
        assert_eq!(world.outcome().status, Some(424));
    }
}

#[test]
fn an_answer_that_will_be_inspected_is_asked_for_plain() {
    for (inspect, codings, plain) in
        [(CALLS, Some("gzip"), true), (CALLS, None, false), (Inspect::default(), Some("gzip"), false)]
    {
        let mut world = World::pass_through("closed");
        world.inspect = inspect;
        let mut request = Request::post(STREAM);
        request.headers.extend(codings.map(|codings| ("accept-encoding", codings)));
        world.request(&request);
        world.body(BODY, true);
        world.answer(Answer::Allow);
        println!("{inspect:?} {codings:?} -> {}", world.asked_plain);
        assert_eq!(world.asked_plain, plain);
    }
}

#[test]
fn more_than_the_gate_keeps_is_not_let_out() {
    let mut world = stream(CALLS);
    world.gate.answers.max_held_bytes = 2_000;
    let call = tool(0, &["{\"a\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; 30]);
    for frame in &call {
        world.response_body(&frame.bytes, false);
    }
    assert_eq!(without_last_words(&world.host.delivered), (&b""[..], true));
    assert!(world.inspections.is_empty());
    close(&mut world);
    assert_eq!(world.outcome().reason.as_deref(), Some("answer_too_large"));
}

#[test]
fn much_at_once_of_which_nothing_stays_goes_on() {
    let mut world = stream(CALLS);
    world.gate.answers.max_held_bytes = 2_000;
    let much = bytes(&(0..100).map(|_| text(0, "a few words of what is said")).collect::<Vec<_>>());
    println!("{} bytes at once, 2000 may stay", much.len());
    world.response_body(&much, false);
    assert_eq!(world.host.delivered, much);
}

#[test]
fn a_flaw_within_a_tool_call_ends_the_stream() {
    let mut world = stream(CALLS);
    let before = text(0, "a").bytes;
    world.response_body(&before, false);
    let call = tool(1, &["{\"a\": ", "1}"]);
    world.response_body(&call[0].bytes, false);
    let mut spoilt = call[1].bytes.clone();
    if let Some(last) = spoilt.last_mut() {
        *last = !*last;
    }
    world.response_body(&spoilt, false);
    assert_eq!(without_last_words(&world.host.delivered), (&before[..], true));
    assert!(world.inspections.is_empty());
    close(&mut world);
    assert_eq!(world.outcome().reason.as_deref(), Some("answer_unreadable"));
}

#[test]
fn only_what_is_to_be_inspected_is_asked_about() {
    let frames = [vec![text(0, "a")], tool(0, &["{}"]), end()].concat();
    let mut world = stream(TEXT);
    world.response_body(&bytes(&frames), true);
    assert_eq!(world.inspections.len(), 1);
    assert_eq!(world.inspections[0]["subject"]["text"]["text"], "a");
    world.answer(Answer::Allow);
    assert_eq!((world.inspections.len(), world.host.end), (1, End::Complete));
    let mut world = stream(Inspect::default());
    for frame in &frames {
        world.response_body(&frame.bytes, false);
    }
    assert_eq!(world.host.delivered, bytes(&frames));
    assert!(world.inspections.is_empty() && world.removed.is_empty());
}

#[test]
fn text_is_judged_in_stretches_that_overlap_and_what_came_meanwhile_together() {
    let mut world = stream(TEXT);
    world.response_body(&bytes(&[text(0, "one ")]), false);
    world.response_body(&bytes(&[text(0, "two ")]), false);
    world.response_body(&bytes(&[text(0, "thr\u{e9}e ")]), false);
    assert!(world.host.delivered.is_empty());
    world.answer(Answer::Allow);
    assert_eq!(world.inspections.len(), 2);
    assert_eq!(
        (&world.inspections[0]["subject"]["text"], &world.inspections[1]["subject"]["text"]),
        (
            &json!({"text": "one ", "fresh": 4, "before": 0}),
            &json!({"text": "one two thr\u{e9}e ", "fresh": 11, "before": 0})
        )
    );
    assert_eq!(world.host.delivered, bytes(&[text(0, "one ")]));
    world.answer(Answer::Deny);
    // What came before had left, so Envoy held nothing.
    world.response_body(&bytes(&end()), true);
    assert_eq!(without_last_words(&world.host.delivered), (bytes(&[text(0, "one ")]).as_slice(), true));
    close(&mut world);
    assert_eq!(world.outcome().reason.as_deref(), Some("text_denied"));
}

#[test]
fn text_that_no_rule_concerns_needs_no_record_and_a_tool_call_does() {
    for (inspect, frames, ended) in [(TEXT, vec![text(0, "a")], false), (CALLS, tool(0, &["{}"]), true)] {
        let mut world = stream(inspect);
        world.response_body(&bytes(&frames), false);
        world.answer(Answer::NoDecisionId);
        assert_eq!(without_last_words(&world.host.delivered).1, ended, "{inspect:?}");
    }
}

#[test]
fn long_text_is_judged_to_its_end() {
    let mut world = document(TEXT);
    let long = "\u{e9}".repeat(50_000);
    let body = json!({"output": {"message": {"role": "assistant", "content": [{"text": long}]}}, "stopReason": "end_turn"});
    world.response_body(body.to_string().as_bytes(), true);
    while world.host.end == End::Open {
        world.answer(Answer::Allow);
    }
    let mut judged = 0;
    for question in &world.inspections {
        let text = &question["subject"]["text"];
        let (all, fresh) = (text["text"].as_str().unwrap(), text["fresh"].as_u64().unwrap());
        let overlap = all.len() as u64 - fresh;
        assert!(fresh <= 32_768 && overlap <= 4_096 && (overlap > 4_000 || judged == 0));
        assert_eq!(text["before"], judged - overlap);
        judged += fresh;
    }
    assert_eq!((judged, world.inspections.len()), (100_000, 4));
    assert_eq!(world.host.delivered, body.to_string().as_bytes());
}

const DOCUMENT: &str = r#"{"output": {"message": {"role": "assistant", "content": [{"text": "Let me see."},
    {"toolUse": {"toolUseId": "t0", "name": "tool_0", "input": {"amount": 9000}}}]}}, "stopReason": "tool_use",
    "usage": {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}}"#;

#[test]
fn a_document_is_held_whole_and_replaced_when_it_is_refused() {
    for (answer, reply, code) in [
        (Answer::Deny, (403, "AccessDeniedException"), "tool_call_denied"),
        (Answer::Pending, (403, "AccessDeniedException"), "tool_call_pending"),
        (Answer::Throttle, (403, "AccessDeniedException"), "tool_call_denied"),
        (Answer::Reset, (503, "ServiceUnavailableException"), "inspection_unavailable"),
    ] {
        let mut world = document(CALLS);
        assert_eq!((world.host.headers, world.removed.len()), (Headers::Held, 0));
        for piece in DOCUMENT.as_bytes().chunks(40) {
            world.response_body(piece, false);
        }
        world.response_body(b"", true);
        assert_eq!((world.host.place, world.host.delivered.len()), (Place::Holds, 0));
        assert_eq!(world.inspections[0]["subject"]["tool_call"]["arguments"], "{\"amount\":9000}");
        world.answer(answer);
        assert_eq!(world.reply(), reply);
        let id = world.replies[0].headers.iter().find(|(name, _)| *name == "x-portcullis-decision-id");
        assert_eq!(id.map(|(_, id)| id.as_str()), Some("decision-1"));
        world.close("", 0);
        let outcome = world.outcome();
        println!("{outcome:?}");
        assert_eq!((outcome.outcome, outcome.reason.as_deref()), (OutcomeKind::Blocked, Some(code)));
        assert_eq!((outcome.response_bytes, outcome.status, outcome.forwarded), (0, Some(reply.0), true));
        assert_eq!(outcome.usage.unwrap().output_tokens, 7);
    }
    for pieces in [1, 40, 4_000] {
        let mut world = document(CALLS);
        DOCUMENT.as_bytes().chunks(pieces).for_each(|piece| world.response_body(piece, false));
        world.response_body(b"", true);
        world.answer(Answer::Allow);
        assert_eq!((world.host.delivered.as_slice(), world.host.end), (DOCUMENT.as_bytes(), End::Complete));
        close(&mut world);
        assert_eq!(world.outcome().outcome, OutcomeKind::Completed);
    }
}

#[test]
fn a_document_without_a_tool_call_is_not_asked_about() {
    let mut world = document(CALLS);
    world.response_body(br#"{"output": {"message": {"content": [{"text": "Hello."}]}}}"#, true);
    assert_eq!((world.host.end, world.inspections.len()), (End::Complete, 0));
    close(&mut world);
}

#[test]
fn a_document_that_cannot_be_held_or_read_is_refused() {
    let mut world = document(CALLS);
    world.gate.answers.max_held_answer_bytes = 100;
    world.response_body(&[b' '; 60], false);
    world.response_body(&[b' '; 60], false);
    assert_eq!(world.reply(), (424, "ModelErrorException"));
    world.close("", 0);
    assert_eq!(world.outcome().reason.as_deref(), Some("answer_too_large"));
    let mut world = document(CALLS);
    world.response_body(b"<html>", true);
    assert_eq!(world.reply(), (424, "ModelErrorException"));
    world.close("", 0);
    assert_eq!(world.outcome().reason.as_deref(), Some("answer_unreadable"));
}

#[test]
fn errors_and_calls_let_out_undecided_pass_as_they_come() {
    let mut world = World::pass_through("open");
    world.inspect = BOTH;
    world.request(&Request::post(PLAIN));
    world.body(BODY, true);
    world.answer(Answer::Reset);
    world.answer = AnswerHead { content_type: Some(b"application/json"), ..AnswerHead::default() };
    world.response(200, true, false);
    world.response_body(DOCUMENT.as_bytes(), true);
    assert_eq!((world.host.delivered.as_slice(), world.inspections.len()), (DOCUMENT.as_bytes(), 0));
    let mut world = World::pass_through("closed");
    world.inspect = BOTH;
    world.request(&Request::post(PLAIN));
    world.body(BODY, true);
    world.answer(Answer::Allow);
    world.response(400, true, false);
    world.response_body(DOCUMENT.as_bytes(), true);
    assert_eq!((world.host.delivered.as_slice(), world.inspections.len()), (DOCUMENT.as_bytes(), 0));
}

#[test]
fn trailers_wait_with_what_is_held_and_reset_where_nothing_is() {
    let frames = tool(0, &["{}"]);
    let mut world = stream(CALLS);
    world.response_body(&bytes(&frames), false);
    world.response_trailers();
    assert_eq!(world.host.end, End::Open);
    world.answer(Answer::Allow);
    assert_eq!((&world.host.delivered, world.host.end), (&bytes(&frames), End::Complete));
    close(&mut world);
    let mut world = stream(CALLS);
    world.response_body(&bytes(&[text(0, "a")]), false);
    world.response_trailers();
    assert_eq!(world.host.end, End::Complete);
    close(&mut world);
    // It went out as it came, though its author has not said that it ends.
    assert_eq!(world.outcome().reason.as_deref(), Some("stream_truncated"));
    // What came before the call went on in the same moment, so Envoy holds nothing, and takes nothing any more.
    let mut world = stream(CALLS);
    world.response_body(&bytes(&[vec![text(0, "a")], frames].concat()), false);
    world.response_trailers();
    assert_eq!(world.host.end, End::Reset);
    close(&mut world);
    assert_eq!(world.outcome().reason.as_deref(), Some("answer_unreadable"));
}

#[derive(Debug, Clone)]
enum Act {
    Bytes(usize),
    Answer(Answer),
    Wait(u64),
    Close,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..400_usize).prop_map(Act::Bytes),
        8 => Just(Act::Answer(Answer::Allow)),
        1 => proptest::sample::select(&Answer::ALL[..]).prop_map(Act::Answer),
        1 => (0..1_200_u64).prop_map(Act::Wait),
        1 => prop_oneof![9 => Just(Act::Wait(1)), 1 => Just(Act::Close)],
    ]
}

/// What a model says in one block.
#[derive(Debug, Clone, Copy)]
enum Block {
    Text(&'static str),
    Call(&'static [&'static str]),
}

const BLOCKS: [Block; 6] = [
    Block::Text("a"),
    Block::Text("Let me see. "),
    Block::Text("\u{e9}\u{1f600}"),
    Block::Call(&["{}"]),
    Block::Call(&["{\"a\"", ": 1}"]),
    Block::Call(&["", "{", "}", ""]),
];

fn answer() -> impl Strategy<Value = Vec<Frame>> {
    (prop::collection::vec(proptest::sample::select(&BLOCKS[..]), 0..7), any::<bool>()).prop_map(
        |(blocks, weave)| {
            let mut frames = vec![plain("messageStart", &json!({"role": "assistant"}))];
            let mut calls = Vec::new();
            for block in blocks {
                match block {
                    Block::Text(said) => frames.push(text(0, said)),
                    Block::Call(arguments) => {
                        calls.push(tool(calls.len(), arguments));
                        if !weave {
                            frames.append(calls.last_mut().unwrap());
                        }
                    }
                }
            }
            // Blocks that are open at the same time, frame by frame.
            while calls.iter().any(|call| !call.is_empty()) {
                for call in calls.iter_mut().filter(|call| !call.is_empty()) {
                    frames.push(call.remove(0));
                }
            }
            frames.extend(end());
            frames
        },
    )
}

/// What may have left, at most: everything before the first frame about which something is undecided.
fn bound(world: &World, frames: &[Frame], inspect: Inspect, allowed: &[usize]) -> usize {
    let allowed: Vec<&Value> = allowed.iter().map(|at| &world.inspections[*at]["subject"]).collect();
    let judged: u64 = allowed.iter().filter_map(|subject| subject["text"]["fresh"].as_u64()).sum();
    let (mut at, mut said) = (0, 0);
    for frame in frames {
        said += frame.text.len() as u64;
        let called = frame.call.is_none_or(|call| {
            allowed.iter().any(|subject| subject["tool_call"]["name"] == format!("tool_{call}"))
        });
        if inspect.tool_calls && !called || inspect.text && judged < said {
            return at;
        }
        at += frame.bytes.len();
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// No byte of what is undecided or refused is let out, whatever comes in whatever order; bytes leave in order, unchanged;
    /// every hold has somebody who ends it (checked at each step by [`World`]).
    #[test]
    fn nothing_undecided_is_ever_let_out(
        frames in answer(), tool_calls: bool, text: bool, slice in 1..300_usize, trailers: bool, kept in 300..20_000_usize,
        acts in prop::collection::vec(act(), 0..40),
    ) {
        let inspect = Inspect { tool_calls, text };
        let whole = bytes(&frames);
        let mut world = stream(inspect);
        world.slice = slice;
        world.gate.answers.max_held_bytes = kept;
        let (mut sent, mut allowed, mut faults) = (0, Vec::new(), kept < whole.len());
        let mut open = true;
        for act in acts.into_iter().chain([Act::Bytes(usize::MAX)]).chain(vec![Act::Answer(Answer::Allow); 40]) {
            match act {
                Act::Bytes(count) if open => {
                    let upto = sent + count.min(whole.len() - sent);
                    let last = upto == whole.len();
                    world.response_body(&whole[sent..upto], last && !trailers);
                    sent = upto;
                    open = !last;
                    if last && trailers {
                        faults |= world.host.place == Place::Flows && !world.host.delivered.ends_with(&frames.last().unwrap().bytes);
                        world.response_trailers();
                    }
                }
                Act::Bytes(_) => {}
                Act::Answer(said) if world.token.is_some() => {
                    let about = world.inspections.len() - 1;
                    let cleared = said == Answer::Allow
                        || said == Answer::NoDecisionId && world.inspections[about]["subject"]["text"].is_object();
                    if cleared {
                        allowed.push(about);
                    } else {
                        // Once it may ask for a hold.
                        let held = !world.inspections[about]["held"].is_null();
                        faults |= held || !matches!(said, Answer::Hold(_));
                    }
                    world.answer(said);
                }
                Act::Answer(_) => {}
                Act::Wait(millis) => {
                    faults |= world.held().is_some_and(|held| held.deadline_us <= world.now.monotonic_us + millis * 1_000);
                    world.wait(millis);
                }
                Act::Close => {
                    close(&mut world);
                    return Ok(());
                }
            }
            let (out, _) = without_last_words(&world.host.delivered);
            prop_assert!(whole.starts_with(out), "order or bytes have changed");
            prop_assert!(out.len() <= bound(&world, &frames, inspect, &allowed), "something undecided has left");
        }
        if !faults {
            prop_assert!(world.host.delivered == whole && world.host.end == End::Complete, "all is allowed");
        }
        prop_assert!(world.host.end != End::Open, "it never ends");
        close(&mut world);
    }
}
