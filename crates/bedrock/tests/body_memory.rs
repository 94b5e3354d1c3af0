//! A body of 24 MiB must not cost 24 MiB: in Wasm, memory is never given back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(unsafe_code, reason = "a counting allocator cannot be written without it")]

mod body_common;

use portcullis_bedrock::{BodyPlan, Extractor, Limits, PayloadKind};
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

const LEN: usize = 24 * 1024 * 1024;

/// The most that reading `body` took, beyond what there was.
fn peak(kind: PayloadKind, body: &str) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let mut extractor = Extractor::new(BodyPlan::RequiredJson(kind), Limits::default());
    let read = body.as_bytes().chunks(65_536).try_for_each(|slice| extractor.push(slice));
    let refused = read.err().or_else(|| extractor.finish().err());
    let peak = PEAK.load(Relaxed) - before;
    println!(
        "{:>9} bytes, {:>9} of memory, {}",
        body.len(),
        peak,
        refused.map_or("sound".into(), |p| p.detail)
    );
    peak
}

#[test]
fn memory_is_bounded_whatever_the_body() {
    use PayloadKind::{Converse, CountTokens, Generic, InvokeModel};
    let base64 = "iVBORw0KGgoAAAANSUhEUgAA".repeat(LEN / 24);
    let image =
        format!(r#"{{"messages":[{{"content":[{{"image":{{"source":{{"bytes":"{base64}"}}}}}}]}}]}}"#);
    let text = format!(r#"{{"messages":[{{"content":"{}"}}]}}"#, "A sentence. ".repeat(LEN / 12));
    let escapes = format!(r#"{{"messages":[{{"content":"{}"}}]}}"#, "\\n".repeat(LEN / 2));
    let pieces = format!(r#"{{"messages":["x"{}]}}"#, r#","abc""#.repeat(LEN / 6));
    let tools = format!(r#"{{"tools":[{{}}{}]}}"#, r#",{"name":"a_tool"}"#.repeat(LEN / 18));
    let uris =
        format!(r#"{{"x":[0{}]}}"#, (0..LEN / 18).map(|n| format!(",\"s3://b/{n}\"")).collect::<String>());
    let long_uri = format!(r#"{{"x":"s3://{}"}}"#, "k".repeat(LEN));
    let keys =
        format!(r#"{{"x":{{"":0{}}}}}"#, (0..LEN / 12).map(|n| format!(",\"{n}\":0")).collect::<String>());
    let metadata = format!(
        r#"{{"requestMetadata":{{"":""{}}}}}"#,
        (0..60_000).map(|n| format!(",\"{n}\":\"{n}\"")).collect::<String>()
    );
    let role = format!(r#"{{"messages":[{{"role":"{}"}}]}}"#, "r".repeat(LEN));
    let broken = format!(r#"{{"image":"{base64} and then prose"}}"#);
    let inner = data_encoding::BASE64.encode(
        format!(r#"{{"messages":[{{"content":"{}"}}]}}"#, "A sentence. ".repeat(LEN / 17)).as_bytes(),
    );
    let nested = format!(r#"{{"input":{{"invokeModel":{{"body":"{inner}"}}}}}}"#);
    let long_keys = format!(
        "{}{}",
        (0..127).map(|_| format!("{{\"{}\":", "k".repeat(4_096))).collect::<String>(),
        "1".to_owned() + &"}".repeat(127)
    );
    // The text kept, and a copy while it may be a tool result's; each twice while it grows, and the rest.
    let bound = 384 * 1024;
    for (name, kind, body, bound) in [
        ("image", Converse, &image, bound),
        ("one text", Converse, &text, bound),
        ("escapes", Converse, &escapes, bound),
        ("many texts", Converse, &pieces, bound),
        ("many tools", InvokeModel, &tools, bound),
        ("many S3 URIs", Generic, &uris, bound),
        ("a long S3 URI", Generic, &long_uri, bound),
        ("metadata", Converse, &metadata, 1_900 * 1024),
        ("a long role", Converse, &role, bound),
        ("prose behind base64", InvokeModel, &broken, bound),
        ("a body in base64", CountTokens, &nested, bound),
        // 65,536 hashes, and the vector before it while it grows.
        ("many keys", Converse, &keys, 1_900 * 1024),
        ("long keys at every level", Converse, &long_keys, 1_900 * 1024),
    ] {
        print!("{name:<26}");
        assert!(peak(kind, body) <= bound, "{name} takes more than {bound} bytes");
    }
}
