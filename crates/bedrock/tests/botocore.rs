//! The table of answers, read by botocore's own parsers (`testdata/answers/read_with_botocore.py`) and by ours: the same tokens,
//! reasons, tool calls, sessions and guardrails. Needs the Python of `cargo xtask setup`, which has boto3.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;

use answer_common::{cases, operation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_bedrock::AnswerSummary;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Answers that botocore refuses and we read as far as they go: no JSON, an exception, a document that it does not model.
const REFUSED: usize = 12;

fn ours(read: &AnswerSummary, what: &str) -> Value {
    match what {
        "usage" => json!(read.usage.map(|u| [u.input, u.output, u.cache_read, u.cache_write])),
        "stop" => json!(read.stop_reason),
        "calls" => json!(read.calls.iter().map(|call| (&call.id, &call.name)).collect::<Vec<_>>()),
        "models" => json!(read.models),
        "session" => json!(read.session),
        "guardrail" => {
            json!(read.guardrail.as_ref().map(|said| if said.intervened { "intervened" } else { "none" }))
        }
        "counted" => json!(read.counted_tokens),
        other => panic!("botocore's side says `{other}`"),
    }
}

/// The Python of `cargo xtask setup`, or `$PORTCULLIS_PYTHON`.
fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("PORTCULLIS_PYTHON") {
        return python.into();
    }
    let cache = std::env::var_os("PORTCULLIS_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    cache.unwrap_or_else(|| home.join(".cache/portcullis")).join("venv/bin/python")
}

#[test]
fn botocore_reads_the_same() {
    let python = python();
    assert!(
        python.is_file(),
        "no Python at `{}`: run `cargo xtask setup`, or set PORTCULLIS_PYTHON",
        python.display()
    );
    let cases = cases();
    let input: Vec<Value> = cases
        .iter()
        .map(|case| {
            let operation = operation(&case.operation);
            let mut headers: BTreeMap<String, String> = case.headers.clone();
            let session = match operation.name {
                "InvokeFlow" => "x-amz-bedrock-flow-execution-id",
                "RetrieveAndGenerateStream" => "x-amzn-bedrock-knowledge-base-session-id",
                _ => "x-amz-bedrock-agent-session-id",
            };
            if let Some(id) = headers.remove("session") {
                headers.insert(session.to_owned(), id);
            }
            let body = STANDARD.encode(case.body());
            json!({"name": case.name, "service": operation.service, "operation": operation.name, "headers": headers, "body": body})
        })
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/answers/read_with_botocore.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!(input).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let (mut compared, mut refused) = (0, 0);
    for case in &cases {
        let Some(theirs) = theirs.get(&case.name) else { continue };
        if let Some(error) = theirs.get("error") {
            println!("{}: botocore says {error}", case.name);
            refused += 1;
            continue;
        }
        // What has no form is read as far as it goes, and by botocore not at all.
        if matches!(case.flaw.as_deref(), Some("unreadable" | "encoded")) {
            continue;
        }
        let read = case.read(&case.body(), &[]);
        for (what, value) in theirs {
            println!("{}: {what} {value}", case.name);
            assert_eq!(&ours(&read, what), value, "{}: {what}", case.name);
            compared += 1;
        }
    }
    println!("{compared} facts compared, {refused} answers that botocore refuses");
    assert!(compared > 100 && refused <= REFUSED, "{compared} compared, {refused} refused");
}
