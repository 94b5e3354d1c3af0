//! However an answer is cut, the same is found in it; pieces tile it, and every call that a piece waits for is told.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use portcullis_bedrock::{AnswerHead, Found, OPERATIONS, Operation, Sieve, SieveLimits};

/// Longer inputs find nothing that shorter ones don't.
const MAX_INPUT: usize = 64 * 1024;

const STREAM: &str = "application/vnd.amazon.eventstream";
const ANSWERS: [(&str, &str); 9] = [
    ("Converse", "application/json"),
    ("InvokeModel", "application/json"),
    ("ConverseStream", STREAM),
    ("InvokeModelWithResponseStream", STREAM),
    ("InvokeAgent", STREAM),
    ("InvokeFlow", STREAM),
    ("CreateMessage", "text/event-stream"),
    ("CreateChatCompletion", "text/event-stream"),
    ("CreateResponse", "text/event-stream"),
];

fn sift(operation: &Operation, kind: &str, limits: SieveLimits, body: &[u8], cut: usize) -> Vec<Found> {
    let head = AnswerHead { content_type: Some(kind.as_bytes()), ..AnswerHead::default() };
    let Ok(Some(mut sieve)) = Sieve::new(Some(operation), &head, limits) else { return Vec::new() };
    let mut found = Vec::new();
    body.chunks(cut).for_each(|slice| sieve.push(slice, &mut found));
    sieve.finish(&mut found);
    // How a long piece is cut into parts depends on the cuts.
    let mut whole: Vec<Found> = Vec::new();
    for found in found {
        match (whole.last_mut(), &found) {
            (Some(Found::Part { len }), Found::Part { len: more }) => *len += more,
            _ => whole.push(found),
        }
    }
    whole
}

/// An event stream whose frames are what the input says, one a line: a letter for the event, then its payload. Checksums are
/// made here, because nobody guesses them.
fn frames(input: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in input.split(|&byte| byte == b'\n') {
        let Some((&event, payload)) = line.split_first() else { continue };
        let event: &[u8] = match event % 8 {
            0 => b"contentBlockStart",
            1 => b"contentBlockDelta",
            2 => b"contentBlockStop",
            3 => b"chunk",
            4 => b"returnControl",
            5 => b"trace",
            6 => b"flowOutputEvent",
            _ => b"files",
        };
        let headers = [b"\x0b:event-type\x07\0", &[event.len() as u8][..], event].concat();
        let mut frame = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
        frame.extend((headers.len() as u32).to_be_bytes());
        frame.extend(crc32(&frame).to_be_bytes());
        frame.extend(headers);
        frame.extend(payload);
        frame.extend(crc32(&frame).to_be_bytes());
        stream.extend(frame);
    }
    stream
}

/// RFC 1952, section 8.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [which, flags, cut, body @ ..] = data else { return Corpus::Reject };
    if body.len() > MAX_INPUT {
        return Corpus::Reject;
    }
    let (name, kind) = ANSWERS[usize::from(*which) % ANSWERS.len()];
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == name) else {
        return Corpus::Reject;
    };
    let small = flags & 1 == 1;
    let limits = SieveLimits {
        max_arguments: if small { 12 } else { 4_096 },
        max_piece: if small { 300 } else { 65_536 },
        text: flags & 2 == 2,
    };
    let body = if kind == STREAM && flags & 4 == 4 { frames(body) } else { body.to_vec() };
    let whole = sift(operation, kind, limits, &body, usize::MAX);
    for cut in [1, usize::from(*cut) + 1] {
        assert_eq!(whole, sift(operation, kind, limits, &body, cut), "cut every {cut} bytes");
    }
    let flawed = matches!(whole.last(), Some(Found::Flaw(_)));
    let tiled: usize = whole
        .iter()
        .map(|found| match found {
            Found::Piece { len, .. } | Found::Part { len } => *len,
            _ => 0,
        })
        .sum();
    assert!(if flawed { tiled <= body.len() } else { tiled == body.len() }, "{tiled} of {}", body.len());
    let told: Vec<u32> = whole
        .iter()
        .filter_map(|found| match found {
            Found::Call { key, .. } => Some(*key),
            _ => None,
        })
        .collect();
    let waits = whole.iter().flat_map(|found| match found {
        Found::Piece { calls, .. } => calls.as_slice(),
        _ => &[],
    });
    for key in waits {
        assert!(flawed || told.contains(key), "call {key} is never told");
    }
    Corpus::Keep
});
