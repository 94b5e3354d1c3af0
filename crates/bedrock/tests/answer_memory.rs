//! An answer of 24 MiB must cost next to nothing: in Wasm, memory is never given back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(unsafe_code, reason = "a counting allocator cannot be written without it")]

mod answer_common;

use answer_common::{compress, frame, operation};
use portcullis_bedrock::{AnswerHead, AnswerReader};
use serde_json::json;
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

/// The most that reading `body` took, beyond what there was.
fn peak(name: &str, content_type: &str, coding: Option<&str>, body: &[u8]) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let head = AnswerHead {
        content_type: Some(content_type.as_bytes()),
        content_encoding: coding.map(str::as_bytes),
        ..AnswerHead::default()
    };
    let mut reader = AnswerReader::new(Some(operation(name)), &head);
    body.chunks(65_536).for_each(|slice| reader.push(slice));
    let flaw = reader.finish().flaw;
    let peak = PEAK.load(Relaxed) - before;
    println!("{name:<32}{:>9} bytes, {peak:>6} of memory, flaw: {flaw:?}", body.len());
    peak
}

#[test]
fn memory_is_bounded_whatever_the_answer() {
    let text = "A sentence. ".repeat(LEN / 12);
    let stream = "application/vnd.amazon.eventstream";
    let base64 = data_encoding::BASE64.encode(json!({"x": "y".repeat(LEN / 2)}).to_string().as_bytes());
    let deep = format!("{}1{}", "{\"usage\":[".repeat(60), "]}".repeat(60));
    let one_frame = frame("metadata", &json!({"text": text}));
    let one_chunk = frame("chunk", &json!({"bytes": base64}));
    let many = frame("contentBlockDelta", &json!({"delta": {"text": "hello"}})).repeat(20_000);
    // A frame that promises long headers and keeps its promise.
    let mut long_headers = [(16 + 131_072_u32).to_be_bytes(), 131_072_u32.to_be_bytes()].concat();
    long_headers.extend(crc32fast::hash(&long_headers).to_be_bytes());
    long_headers.extend(vec![b'h'; 131_072]);
    for (name, kind, body, bound) in [
        ("Converse", "application/json", json!({"output": text}).to_string().into_bytes(), 4_096),
        ("Converse", "application/json", deep.into_bytes(), 16 * 1_024),
        ("ConverseStream", stream, one_frame, 4_096),
        ("ConverseStream", stream, many, 4_096),
        ("ConverseStream", stream, long_headers, 48 * 1_024),
        ("InvokeModelWithResponseStream", stream, one_chunk, 8_192),
        (
            "CreateMessage",
            "text/event-stream",
            format!("data: {{\"x\": \"{text}\"}}\n\n").into_bytes(),
            4_096,
        ),
        ("CreateMessage", "text/event-stream", format!("data: {text}\n\n").into_bytes(), 4_096),
        ("CreateMessage", "text/event-stream", "data\n".repeat(LEN / 5).into_bytes(), 4_096),
    ] {
        assert!(peak(name, kind, None, &body) <= bound, "{name} takes more than {bound} bytes");
    }
    // The window of the decompressor, and its tables; a bomb costs no more.
    let plain = json!({"output": text, "usage": {"inputTokens": 1}}).to_string();
    for (coding, plain) in
        [("gzip", plain.as_bytes()), ("deflate", plain.as_bytes()), ("gzip", &vec![b' '; 3 * LEN])]
    {
        let body = compress(coding, plain);
        let taken = peak("Converse", "application/json", Some(coding), &body);
        assert!(taken <= 52 * 1_024, "{coding} takes {taken} bytes");
    }
    // Any nesting costs a bit a level.
    let deep = format!("{{\"output\":{}1{}}}", "[".repeat(60_000), "]".repeat(60_000));
    let taken = peak("Converse", "application/json", None, deep.as_bytes());
    assert!(taken <= 24 * 1_024, "60,000 levels take {taken} bytes");
}
