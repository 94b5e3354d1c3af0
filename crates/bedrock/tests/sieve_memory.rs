//! However long an answer is, a sieve keeps what is open and no more: in Wasm, memory is never given back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(unsafe_code, reason = "a counting allocator cannot be written without it")]

mod answer_common;

use answer_common::{frame, operation};
use portcullis_bedrock::{AnswerHead, CallProblem, Found, Sieve, SieveLimits};
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LEN: usize = 23 * 1024 * 1024;
const LIMITS: SieveLimits =
    SieveLimits { max_arguments: 16 * 1024, max_piece: 64 * 1024 * 1024, text: false };

/// The most that reading `body` took, beyond what there was, and how often something was found. Findings are taken at once.
fn peak(name: &str, content_type: &str, limits: SieveLimits, body: &[u8]) -> (usize, Vec<&'static str>) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let head = AnswerHead { content_type: Some(content_type.as_bytes()), ..AnswerHead::default() };
    let mut sieve = Sieve::new(Some(operation(name)), &head, limits).unwrap().unwrap();
    let mut found = Vec::new();
    let mut kinds: Vec<&'static str> = Vec::with_capacity(64);
    let mut take = |found: &mut Vec<Found>| {
        for one in found.drain(..) {
            let kind = match one {
                Found::Text(_) => "text",
                Found::Call { call, .. } => call.problem.map_or("call", CallProblem::as_str),
                Found::Piece { .. } => "piece",
                Found::Part { .. } => "part",
                Found::Flaw(_) => "flaw",
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    };
    for slice in body.chunks(65_536) {
        sieve.push(slice, &mut found);
        take(&mut found);
    }
    sieve.finish(&mut found);
    take(&mut found);
    let peak = PEAK.load(Relaxed) - before;
    println!("{name:<32}{:>9} bytes, {peak:>8} of memory, {kinds:?}", body.len());
    (peak, kinds)
}

#[test]
fn memory_is_bounded_whatever_the_answer() {
    let stream = "application/vnd.amazon.eventstream";
    let json_type = "application/json";
    let long = "A sentence. ".repeat(LEN / 12);
    let delta = |value: Value| frame("contentBlockDelta", &value);
    let start = |index: usize| {
        let call = json!({"toolUseId": "t", "name": "n".repeat(900)});
        frame("contentBlockStart", &json!({"contentBlockIndex": index, "start": {"toolUse": call}}))
    };
    let part = |index: usize, input: &str| {
        delta(json!({"contentBlockIndex": index, "delta": {"toolUse": {"input": input}}}))
    };
    let many_texts = delta(json!({"delta": {"text": "hello"}})).repeat(100_000);
    let long_text = delta(json!({"delta": {"text": long}}));
    // The file of an agent: longer than any piece that is read, and let go on in parts.
    let file = frame("files", &json!({"files": [{"bytes": long}]}));
    let small = SieveLimits { max_piece: 1024 * 1024, ..LIMITS };
    let endless: Vec<u8> = [start(0), part(0, &"x".repeat(8_000)).repeat(3_000)].concat();
    let open: Vec<u8> =
        (0..200).flat_map(|index| [start(index), part(index, &"x".repeat(15_000))].concat()).collect();
    let too_many: Vec<u8> = (0..20_000).flat_map(start).collect();
    let document =
        |content: Value| json!({"output": {"message": {"content": content}}}).to_string().into_bytes();
    let uses: Vec<Value> = (0..2_000)
        .map(|n| json!({"toolUse": {"toolUseId": n.to_string(), "name": "f", "input": {"a": "x".repeat(10_000)}}}))
        .collect();
    let argument = json!([{"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": long}}}]);
    let prose = json!({"generation": long}).to_string().into_bytes();
    let written = json!({"generation": format!("<|python_tag|>{long}")}).to_string().into_bytes();
    let comments = ": wait\n".repeat(LEN / 7);
    let chunk = frame(
        "chunk",
        &json!({"bytes": data_encoding::BASE64.encode(json!({"x": "y".repeat(LEN / 2)}).to_string().as_bytes())}),
    );
    for (name, kind, limits, body, bound, finds) in [
        ("ConverseStream", stream, LIMITS, many_texts, 96 * 1024, &["piece"][..]),
        ("ConverseStream", stream, LIMITS, long_text, 16 * 1024, &["piece"]),
        ("InvokeAgent", stream, small, file, 16 * 1024, &["part", "piece"]),
        ("ConverseStream", stream, LIMITS, endless, 96 * 1024, &["piece", "arguments_too_long"]),
        ("ConverseStream", stream, LIMITS, open, 700 * 1024, &["piece", "arguments_too_long", "unfinished"]),
        ("ConverseStream", stream, LIMITS, too_many, 800 * 1024, &["piece", "flaw"]),
        ("Converse", json_type, LIMITS, document(json!([{"text": long}])), 16 * 1024, &["piece"]),
        ("Converse", json_type, LIMITS, document(json!(uses)), 700 * 1024, &["flaw"]),
        ("Converse", json_type, LIMITS, document(argument), 64 * 1024, &["arguments_too_long", "piece"]),
        ("InvokeModel", json_type, LIMITS, prose, 160 * 1024, &["piece"]),
        ("InvokeModel", json_type, LIMITS, written, 160 * 1024, &["flaw"]),
        ("InvokeModelWithResponseStream", stream, LIMITS, chunk, 16 * 1024, &["piece"]),
        ("CreateMessage", "text/event-stream", LIMITS, comments.into_bytes(), 8 * 1024, &["piece"]),
    ] {
        let (peak, kinds) = peak(name, kind, limits, &body);
        assert_eq!(kinds, finds, "{name}");
        assert!(peak <= bound, "{name} takes {peak}, more than {bound} bytes");
    }
}
