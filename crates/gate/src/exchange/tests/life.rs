//! Lives of exchanges, one by one.

use super::world::{Answer, BODY, HOST, Request, World};
use crate::effect::Flow;
use crate::metric::Metric;
use portcullis_protocol::{Outcome, OutcomeKind, Usage};

fn asked(request: &Request) -> World {
    let mut world = World::pass_through("closed");
    world.request(request);
    world.body(BODY, true);
    assert_eq!(world.questions.len(), 1);
    world
}

#[test]
fn an_allowed_call_goes_out_and_is_reported_when_its_answer_is_over() {
    let mut world = asked(&Request::converse());
    assert_eq!(world.flow(), Flow::Hold);
    world.wait(3);
    world.answer(Answer::Allow);
    assert_eq!((world.resumed, world.flow()), (1, Flow::Continue));
    world.response(200, true, false);
    assert_eq!(world.added, [("x-portcullis-decision-id", "decision-1".to_owned())]);
    world.wait(10);
    world.response_body(b"12345", false);
    world.response_body(b"678", true);
    assert!(world.reports.is_empty(), "it is not over before the stream is");
    world.close("via_upstream", 0);
    let outcome = world.outcome();
    println!("{outcome:?}");
    assert_eq!(outcome.outcome, OutcomeKind::Completed);
    assert_eq!(outcome.decision_id.as_deref(), Some("decision-1"));
    assert_eq!(outcome.aws_request_id.as_deref(), Some("aws-1"));
    assert_eq!((outcome.status, outcome.response_bytes), (Some(200), 8));
    assert_eq!((outcome.duration_ms, outcome.decision_ms), (13, 3));
    assert!(outcome.forwarded);
    let facts = outcome.answer.as_deref().unwrap();
    assert_eq!(facts.first_byte_ms, Some(13));
    // SHA-256 of `12345678`.
    let sha256 = "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f";
    assert_eq!(facts.sha256.as_deref(), Some(sha256));
}

#[test]
fn the_question_says_what_the_call_is() {
    let world = asked(&Request::converse());
    let question = &world.questions[0];
    println!("{question:#}");
    assert_eq!(question["call_id"], world.call_id.as_str());
    assert_eq!(question["gate"], "gate-1");
    assert_eq!(question["entrance"], "pass_through");
    assert_eq!(question["operation"], "Converse");
    assert_eq!(question["host"], HOST);
    assert_eq!(question["path"], "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse");
    assert_eq!(question["model"]["id"], "anthropic.claude-3-5-sonnet-20241022-v2:0");
    assert_eq!(question["credential"]["access_key_id"], "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(question["source"]["address"], "10.0.0.7:40000");
    assert_eq!(question["body"]["bytes"], BODY.len());
    assert!(question["body"]["sha256"].is_string());
    assert!(question["body"]["text"].is_null(), "no text unless a rule reads it");
    assert!(question["signing"].is_null(), "no signature where it passes through");
}

#[test]
fn text_is_sent_only_when_asked_for_and_then_from_the_start() {
    let mut world = asked(&Request::converse());
    world.answer(Answer::NeedText);
    assert_eq!(world.questions[1]["body"]["text"]["text"], "hello");
    assert_eq!(world.questions[0]["call_id"], world.questions[1]["call_id"]);
    assert!(world.wants_text, "the next call's text goes along at once");
    world.answer(Answer::Deny);
    assert_eq!(world.reply(), (403, "AccessDeniedException"));

    let mut world = World::pass_through("closed");
    world.wants_text = true;
    world.request(&Request::converse());
    world.body(BODY, true);
    assert_eq!(world.questions[0]["body"]["text"]["text"], "hello");
}

#[test]
fn headers_that_end_the_message_are_a_complete_body() {
    let mut world = World::pass_through("closed");
    world.request(&Request { method: "GET", ..Request::post("/model/x/converse") }.ended());
    assert_eq!(world.questions.len(), 1);
    world.answer(Answer::Deny);
    assert_eq!(world.reply(), (403, "AccessDeniedException"));
}

#[test]
fn trailers_end_the_body() {
    let mut world = World::pass_through("closed");
    world.request(&Request::converse());
    world.body(BODY, false);
    assert!(world.questions.is_empty());
    world.trailers();
    assert!(!world.is_malformed());
    assert_eq!(world.questions.len(), 1);
}

#[test]
fn a_bidirectional_call_is_decided_at_its_headers() {
    let mut world = World::pass_through("closed");
    world.request(&Request::bidirectional());
    assert_eq!(world.questions.len(), 1);
    world.body(b"frame", false);
    assert_eq!(world.flow(), Flow::Hold, "what comes before the verdict waits");
    world.answer(Answer::Allow);
    assert_eq!(world.flow(), Flow::Continue);
    world.body(b"frame", false);
    assert_eq!(world.flow(), Flow::Continue);
}

#[test]
fn a_call_that_is_too_long_is_refused_at_its_headers_and_answered_after_its_body() {
    let mut world = World::pass_through("closed");
    world.request(&Request::converse().with("content-length", "1001"));
    assert_eq!(world.questions[0]["problem"]["code"], "body_too_large");
    assert_eq!(world.flow(), Flow::Discard);
    world.answer(Answer::Allow);
    assert!(world.replies.is_empty(), "the client is still sending");
    world.body(b"...", true);
    assert_eq!(world.reply(), (400, "ValidationException"));
    assert_eq!(world.outcome().reason.as_deref(), Some("body_too_large"));
    assert_eq!(world.outcome().decision_id.as_deref(), Some("decision-1"));
}

#[test]
fn a_body_that_never_ends_is_refused_at_its_deadline() {
    let mut world = World::pass_through("closed");
    world.request(&Request::converse());
    world.body(b"{", false);
    world.wait(1_999);
    assert!(world.questions.is_empty());
    world.wait(1);
    assert_eq!(world.questions[0]["problem"]["code"], "body_timeout");
    world.answer(Answer::Allow);
    assert_eq!(world.reply(), (400, "ValidationException"));
}

#[test]
fn a_refused_body_that_never_ends_is_answered_all_the_same() {
    let mut world = World::pass_through("closed");
    world.request(&Request::malformed());
    world.answer(Answer::Deny);
    assert!(world.replies.is_empty());
    world.wait(2_000);
    assert_eq!(world.reply(), (400, "ValidationException"));
}

#[test]
fn a_verdict_that_comes_too_late_is_none() {
    let mut world = asked(&Request::converse());
    world.now.monotonic_us += 1_000_000;
    world.answer(Answer::Allow);
    assert_eq!(world.reply(), (503, "ServiceUnavailableException"));
    assert_eq!(world.outcome().reason.as_deref(), Some("decision_timeout"));
}

#[test]
fn asking_again_does_not_move_the_deadline() {
    let mut world = asked(&Request::converse());
    world.wait(600);
    world.answer(Answer::NeedText);
    world.wait(400);
    assert_eq!(world.reply(), (503, "ServiceUnavailableException"));
}

#[test]
fn a_call_that_needs_an_approval_is_held_until_it_is_there() {
    let mut world = asked(&Request::converse());
    world.wait(400);
    world.answer(Answer::Hold(45));
    assert_eq!(world.flow(), Flow::Hold);
    assert_eq!(world.timeouts, [1_000, 49_600], "45 s and 5 more, within 50 s of the headers");
    assert_eq!(world.questions[1]["held"], "ap-1");
    assert_eq!(world.questions[1]["wait_ms"], 49_600);
    assert_eq!(world.questions[0]["call_id"], world.questions[1]["call_id"]);
    world.wait(30_000);
    assert_eq!((world.resumed, world.flow()), (0, Flow::Hold));
    world.answer(Answer::Allow);
    assert_eq!((world.resumed, world.flow()), (1, Flow::Continue));
    world.response(200, true, true);
    world.close("via_upstream", 0);
    let outcome = world.outcome();
    assert_eq!((outcome.outcome, outcome.decision_ms), (OutcomeKind::Completed, 30_400));
    assert_eq!(world.counted.iter().filter(|metric| **metric == Metric::Hold).count(), 1);
}

#[test]
fn a_call_whose_approval_does_not_come_is_pending() {
    let mut world = asked(&Request::converse());
    world.answer(Answer::Hold(2));
    assert_eq!(world.timeouts, [1_000, 7_000]);
    world.wait(2_000);
    world.answer(Answer::Pending);
    assert_eq!(world.reply(), (403, "AccessDeniedException"));
    assert_eq!(world.outcome().reason.as_deref(), Some("pending_approval"));
    assert_eq!(world.outcome().decision_id.as_deref(), Some("decision-1"));
}

#[test]
fn a_call_is_held_once_and_never_let_out_for_want_of_an_answer() {
    for mode in ["closed", "open"] {
        for (what, seconds_later, code) in
            [(Some(Answer::Hold(9)), 1, "decision_held_twice"), (None, 10, "decision_timeout")]
        {
            let mut world = World::pass_through(mode);
            world.request(&Request::converse());
            world.body(BODY, true);
            world.answer(Answer::Hold(5));
            world.wait(seconds_later * 1_000);
            what.into_iter().for_each(|answer| world.answer(answer));
            println!("{mode}: {code}");
            assert_eq!(world.reply(), (503, "ServiceUnavailableException"));
            assert_eq!(world.outcome().reason.as_deref(), Some(code));
        }
    }
}

#[test]
fn a_client_that_goes_away_while_its_call_waits_for_an_approval_is_aborted() {
    let mut world = asked(&Request::converse());
    world.answer(Answer::Hold(45));
    world.wait(10_000);
    world.close("downstream_remote_disconnect", 0x4000);
    let outcome = world.outcome();
    assert_eq!((outcome.outcome, outcome.reason.as_deref()), (OutcomeKind::Aborted, Some("client_gone")));
    assert_eq!((outcome.decision_id.as_deref(), outcome.forwarded), (None, false));
}

#[test]
fn a_client_that_goes_away_while_held_is_aborted() {
    let mut world = asked(&Request::converse());
    world.close("downstream_remote_disconnect", 0x4000);
    let outcome = world.outcome();
    assert_eq!((outcome.outcome, outcome.reason.as_deref()), (OutcomeKind::Aborted, Some("client_gone")));
    assert_eq!(outcome.decision_id, None);
    assert!(!outcome.forwarded);
    assert!(world.counted.contains(&Metric::GoneWhileHeld));
}

#[test]
fn nobody_was_asked_so_nothing_is_reported() {
    let mut world = World::pass_through("closed");
    world.request(&Request::converse());
    world.close("", 0x4000);
    assert!(world.reports.is_empty());
}

#[test]
fn a_cut_answer_has_failed() {
    let mut world = asked(&Request::converse());
    world.answer(Answer::Allow);
    world.response(200, true, false);
    world.response_body(b"12345", false);
    world.close("via_upstream", 0x40);
    let outcome = world.outcome();
    assert_eq!((outcome.outcome, outcome.reason.as_deref()), (OutcomeKind::Failed, Some("upstream_reset")));
    assert_eq!((outcome.status, outcome.response_bytes, outcome.forwarded), (Some(200), 5, true));
}

/// A frame of an event stream without headers: `metadata` would need one, so it says nothing.
const FRAME: &[u8] = b"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff";

fn answered(content_type: &'static str, encoding: Option<&'static str>, body: &[u8]) -> Outcome {
    let mut world = asked(&Request::converse());
    world.answer(Answer::Allow);
    world.answer = crate::AnswerHead {
        content_type: Some(content_type.as_bytes()),
        content_encoding: encoding.map(str::as_bytes),
        ..crate::AnswerHead::default()
    };
    world.response(200, true, body.is_empty());
    body.iter().for_each(|byte| world.response_body(&[*byte], false));
    world.response_trailers();
    world.close("via_upstream", 0);
    println!("{:?}", world.outcome());
    world.outcome().clone()
}

#[test]
fn an_answer_is_read_for_what_it_used_while_it_passes() {
    let body = br#"{"usage": {"inputTokens": 11, "outputTokens": 7, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 6},
        "output": {"message": {"content": [{"toolUse": {"name": "a"}}]}}}"#;
    let outcome = answered("application/json", None, body);
    let expected = Usage {
        input_tokens: 11,
        output_tokens: 7,
        cache_read_tokens: 5,
        cache_write_tokens: 6,
        tool_calls: 1,
    };
    assert_eq!(outcome.usage, Some(expected));
    assert_eq!((outcome.outcome, outcome.reason), (OutcomeKind::Completed, None));
    assert_eq!(answered("application/json", None, b"{}").usage, None, "unknown is not 0");
}

#[test]
fn an_answer_that_cannot_be_read_says_why_its_usage_is_not_known() {
    for (kind, encoding, body, outcome, reason) in [
        ("application/json", Some("br"), &b"\x1f\x8b"[..], OutcomeKind::Completed, Some("answer_encoded")),
        ("application/json", Some("gzip"), b"no gzip", OutcomeKind::Completed, Some("answer_encoded")),
        ("application/json", Some("gzip"), b"\x1f\x8b", OutcomeKind::Failed, Some("stream_truncated")),
        ("application/json", None, b"<html>", OutcomeKind::Completed, Some("answer_unreadable")),
        ("application/json", None, b"", OutcomeKind::Completed, None),
        ("application/vnd.amazon.eventstream", None, FRAME, OutcomeKind::Completed, None),
        ("application/vnd.amazon.eventstream", None, b"", OutcomeKind::Completed, None),
        (
            "application/vnd.amazon.eventstream",
            None,
            &FRAME[..9],
            OutcomeKind::Failed,
            Some("stream_truncated"),
        ),
        ("application/vnd.amazon.eventstream", None, &FRAME[1..], OutcomeKind::Failed, Some("stream_broken")),
    ] {
        let got = answered(kind, encoding, body);
        assert_eq!((got.outcome, got.reason.as_deref(), got.usage), (outcome, reason, None));
        let facts = got.answer.unwrap_or_default();
        assert_eq!(facts.flaw.as_deref(), reason);
        assert_eq!(
            facts.sha256.is_some(),
            !body.is_empty(),
            "what is passed on is fingerprinted, sound or not"
        );
    }
}

#[test]
fn an_answer_of_envoys_own_has_failed() {
    let mut world = asked(&Request::converse());
    world.answer(Answer::Allow);
    world.response(503, false, false);
    world.response_body(b"no upstream", true);
    world.close("", 0);
    assert_eq!(world.outcome().outcome, OutcomeKind::Failed);
    assert_eq!(world.added.len(), 1, "even that answer names the decision");
}

#[test]
fn the_type_of_an_error_is_read_from_its_body_where_no_header_says_it() {
    let mut world = asked(&Request::converse());
    world.answer(Answer::Allow);
    world.response(400, true, false);
    world.response_body(br#"{"__type": "com.amazon#Thrott"#, false);
    world.response_body(br#"lingException"}"#, true);
    world.close("", 0);
    assert_eq!(world.outcome().error_type.as_deref(), Some("ThrottlingException"));
}

#[test]
fn where_the_gate_signs_the_callers_signature_goes_and_is_sent_for_checking() {
    let mut world = World::resign();
    world.request(&Request::converse());
    world.body(BODY, true);
    let signing = &world.questions[0]["signing"];
    assert_eq!(signing["scope"], "20261121/us-east-1/bedrock/aws4_request");
    assert_eq!(signing["payload_sha256"], world.questions[0]["body"]["sha256"]);
    assert!(world.stripped.is_empty());
    world.answer(Answer::Allow);
    assert_eq!(world.stripped.len(), 1);
}

#[test]
fn request_metadata_that_could_be_read_in_two_ways_is_refused() {
    let path = "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/invoke";
    for (value, problem) in [
        (r#"{"team": "a"}"#, false),
        (r#"{"team": "a", "team": "b"}"#, true),
        (r#"{"team": 1}"#, true),
        ("nonsense", true),
    ] {
        let mut world = World::pass_through("closed");
        world.request(&Request::post(path).with("x-amzn-bedrock-request-metadata", value));
        world.body(b"{}", true);
        println!("{value}: {}", world.questions[0]["problem"]);
        assert_eq!(world.is_malformed(), problem);
        if !problem {
            assert_eq!(world.questions[0]["body"]["request_metadata"]["team"], "a");
        }
    }
}

#[test]
fn the_self_test_is_answered_after_its_body_and_never_forwarded() {
    let mut world = World::pass_through("closed");
    world.request(&Request::post("/.portcullis/selftest").with("x-portcullis-selftest", "1"));
    assert_eq!(world.flow(), Flow::Hold);
    assert!(world.replies.is_empty());
    world.body(b"x", true);
    let reply = world.replies.first().unwrap();
    assert_eq!(
        (reply.status, reply.headers.clone()),
        (200, vec![("x-portcullis-selftest", "held".to_owned())])
    );
    assert!(world.questions.is_empty());
}
