//! However an answer is cut, it reads the same; and a spoilt event stream is never taken for a sound one by accident of its cuts.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use portcullis_bedrock::{AnswerHead, AnswerReader, AnswerSummary, OPERATIONS, Operation};

/// Longer inputs find nothing that shorter ones don't.
const MAX_INPUT: usize = 64 * 1024;

const ANSWERS: [(&str, &str, Option<&[u8]>); 8] = [
    ("Converse", "application/json", None),
    ("ConverseStream", "application/vnd.amazon.eventstream", None),
    ("InvokeModelWithResponseStream", "application/vnd.amazon.eventstream", None),
    ("InvokeAgent", "application/vnd.amazon.eventstream", None),
    ("CreateMessage", "text/event-stream", None),
    ("CreateResponse", "text/event-stream", None),
    ("Converse", "application/json", Some(b"gzip")),
    ("Converse", "application/json", Some(b"deflate")),
];

fn read(
    operation: &Operation,
    content_type: &str,
    coding: Option<&[u8]>,
    body: &[u8],
    cut: usize,
) -> AnswerSummary {
    let head = AnswerHead {
        content_type: Some(content_type.as_bytes()),
        content_encoding: coding,
        ..AnswerHead::default()
    };
    let mut reader = AnswerReader::new(Some(operation), &head);
    body.chunks(cut).for_each(|slice| reader.push(slice));
    reader.finish()
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [which, cut, body @ ..] = data else { return Corpus::Reject };
    if body.len() > MAX_INPUT {
        return Corpus::Reject;
    }
    let (name, content_type, coding) = ANSWERS[usize::from(*which) % ANSWERS.len()];
    let Some(operation) = OPERATIONS.iter().find(|operation| operation.name == name) else {
        return Corpus::Reject;
    };
    let whole = read(operation, content_type, coding, body, usize::MAX);
    for cut in [1, usize::from(*cut) + 1] {
        assert_eq!(whole, read(operation, content_type, coding, body, cut), "cut every {cut} bytes");
    }
    Corpus::Keep
});
