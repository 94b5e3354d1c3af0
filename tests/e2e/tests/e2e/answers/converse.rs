//! boto3's own view, over every API that can propose a tool call; and Converse, byte by byte.

use super::{
    ALLOWED, FORBIDDEN, MESSAGE, SECRET, at_the_fake, boto3, decision, ended, messages, of_answer, path,
    post, refused_on_record, stack,
};
use crate::raw::{HOST, MODEL, signed};
use anyhow::{Context, Result, ensure};
use e2e::Stack;
use e2e::client::{Answer, Connection, Request, Tls, frames};
use serde_json::Value;

/// What each API raises for a refused tool call.
const STREAMS: &[(&str, &str)] = &[
    ("ConverseStream", "validationException"),
    ("InvokeModelWithResponseStream", "validationException"),
    ("InvokeAgent", "accessDeniedException"),
    ("InvokeAgent with trace", "accessDeniedException"),
    ("InvokeInlineAgent", "accessDeniedException"),
    ("InvokeHarness", "validationException"),
];
const DOCUMENTS: &[&str] = &["Converse", "InvokeModel"];

#[test]
fn a_forbidden_transfer_raises_the_rules_message_and_nothing_of_it_arrives() -> Result<()> {
    let stack = stack()?;
    let script = format!("for name in APIS: out(run(name, '{FORBIDDEN}'))");
    let seen = boto3(&stack, "forbidden", &script)?;
    ensure!(seen.len() == STREAMS.len() + DOCUMENTS.len(), "{seen:?}");
    for one in seen {
        let api = one["api"].as_str().context("api")?;
        let error = &one["error"];
        println!("{api:30} {} {}: {}", one["class"], error["Code"], error["Message"]);
        ensure!(!one.to_string().contains(SECRET), "{api}: the arguments arrived: {one}");
        let message = error["Message"].as_str().with_context(|| format!("{api} raised nothing: {one}"))?;
        ensure!(message.contains(MESSAGE) && message.contains("transfer-limit"), "{api}: `{message}`");
        ensure!(one["requests"] == 1, "{api}: the SDK retried: {one}");
        if let Some((_, code)) = STREAMS.iter().find(|(name, _)| *name == api) {
            ensure!(one["class"] == "EventStreamError" && error["Code"] == *code, "{api}: {one}");
        } else {
            ensure!(one["class"] == "AccessDeniedException" && one["status"] == 403, "{api}: {one}");
        }
        let id = one["decision"].as_str().context("decision id")?;
        let record = refused_on_record(&stack, id, "transfer-limit")?;
        ensure!(record["outcome"]["reason"] == "tool_call_denied", "{api}: {}", record["outcome"]);
    }
    Ok(())
}

#[test]
fn the_same_within_the_limit_passes_and_is_on_record() -> Result<()> {
    let stack = stack()?;
    let script = format!("for name in APIS: out(run(name, '{ALLOWED}'))");
    for one in boto3(&stack, "allowed", &script)? {
        let api = one["api"].as_str().context("api")?;
        ensure!(one["error"].is_null(), "{api}: {one}");
        ensure!(one.to_string().contains("transfer_funds"), "{api}: the call did not arrive: {one}");
        let record = ended(&stack, one["decision"].as_str().context("decision id")?)?;
        let calls = of_answer(&stack, record["decision_id"].as_str().context("id")?, "tool_call")?;
        println!("{api:30} {} {} records of tool calls", record["state"], calls.len());
        ensure!(record["state"] == "completed", "{api}: {}", record["outcome"]);
        ensure!(
            !calls.is_empty() && calls.iter().all(|call| call["verdict"]["kind"] == "allow"),
            "{calls:?}"
        );
        let fake = at_the_fake(&stack, &record)?;
        let said = &fake["said"]["tool_calls"][0];
        ensure!(calls[0]["tool"]["arguments_sha256"] == said["sha256"], "{} {said}", calls[0]);
        ensure!(record["outcome"]["response_bytes"] == fake["sent"]["bytes"], "{api}: {}", fake["sent"]);
        ensure!(record["outcome"]["answer"]["sha256"] == fake["sent"]["sha256"], "{}", record["outcome"]);
        ensure!(record["outcome"]["answer"]["tool_calls"][0]["id"] == said["id"], "{}", record["outcome"]);
    }
    Ok(())
}

/// The same question straight to the fake: what the answer is without a gate. The ids are fixed by the prompt.
fn directly(stack: &Stack, request: &Request) -> Result<Answer> {
    let mut connection = Connection::open(&stack.fake.https)?.tls(&Tls::trusting(&stack.fake.ca, HOST)?)?;
    connection.send(&request.to_http1())?;
    connection.answer()
}

/// Byte by byte: everything before the first frame of the forbidden call, then one whole exception frame, then nothing; however
/// the answer was cut on its way.
#[test]
fn the_bytes_that_leave_are_those_before_the_call_and_one_exception() -> Result<()> {
    let stack = stack()?;
    for slices in ["", "[[slices:1]]", "[[slices:7]]", "[[slices:1000]]", "[[odd-headers]]", "[[deltas:300]]"]
    {
        let text = format!("bytes {slices} {FORBIDDEN} [[words:12]][[after:5]][[id:call-1]]");
        let request = signed(Request::json(HOST, &path(MODEL, "converse-stream"), &messages(&text)))?;
        let whole = directly(&stack, &request)?;
        let (expected, _) = frames(&whole.body);
        let start =
            expected.iter().find(|frame| frame.kind == "contentBlockStart").context("no tool call")?;
        let answer = crate::raw::send(&stack, &request.to_http1())?;
        let (got, read) = frames(&answer.body);
        let last = got.last().context("no frames")?;
        println!(
            "{slices:16} {} bytes of {}: {} frames, the last {} {}",
            answer.body.len(),
            whole.body.len(),
            got.len(),
            last.kind,
            last.payload
        );
        ensure!(answer.status == 200 && answer.complete && read == answer.body.len(), "a broken end");
        ensure!(answer.body.starts_with(&whole.body[..start.at]), "what was before the call is missing");
        ensure!(last.at == start.at, "something of the call arrived: {} frames", got.len());
        ensure!(last.message_type == "exception" && last.kind == "validationException", "{last:?}");
        ensure!(last.payload["message"].as_str().is_some_and(|m| m.contains(MESSAGE)), "{}", last.payload);
        ensure!(!answer.text().contains(SECRET), "the arguments arrived");
        let record = refused_on_record(&stack, &decision(&answer)?, "transfer-limit")?;
        let outcome = &record["outcome"];
        ensure!(outcome["response_bytes"] == answer.body.len(), "{} {outcome}", answer.body.len());
        ensure!(outcome["answer"]["sha256"] == sha256(&answer.body), "another fingerprint: {outcome}");
        let refused = of_answer(&stack, &decision(&answer)?, "tool_call")?;
        ensure!(refused[0]["tool"]["released_bytes"] == start.at, "{} {}", start.at, refused[0]["tool"]);
    }
    Ok(())
}

/// Allowed, it arrives byte for byte as it was sent.
#[test]
fn an_allowed_answer_is_not_changed_by_a_byte() -> Result<()> {
    let stack = stack()?;
    for order in
        ["", "[[slices:1]]", "[[after:9]][[deltas:400]]", "[[odd-headers]][[unknown-frames]]", "[[trailers]]"]
    {
        for operation in ["converse", "converse-stream"] {
            let text = format!("unchanged {operation} {order} {ALLOWED} [[words:30]][[id:call-1]]");
            let request = signed(Request::json(HOST, &path(MODEL, operation), &messages(&text)))?;
            let (direct, through) =
                (directly(&stack, &request)?, crate::raw::send(&stack, &request.to_http1())?);
            println!("{operation:16} {order:30} {} bytes", through.body.len());
            ensure!(through.status == 200 && through.complete, "{operation} {order}: {}", through.text());
            ensure!(through.body == direct.body, "{operation} {order}: changed");
            ensure!(through.header("content-length") == direct.header("content-length"), "{through:?}");
        }
    }
    Ok(())
}

/// Of several calls in one answer each is decided by itself, in turn or one after the other; the first that is refused ends the
/// stream, what was allowed before it has left when nothing of the refused one stood in between.
#[test]
fn each_of_several_calls_is_decided() -> Result<()> {
    let stack = stack()?;
    let ping = r#"[[tool:ping {"host": "PING-FIRST"}]]"#;
    // What arrives of the call that is allowed: in turn with the other, its beginning stands before that one's.
    for (name, order, begins, whole) in [
        ("allowed, forbidden", format!("{ping}{FORBIDDEN}"), true, true),
        ("forbidden, allowed", format!("{FORBIDDEN}{ping}"), false, false),
        ("in turn", format!("{ping}{FORBIDDEN}[[parallel]][[deltas:40]]"), true, false),
        ("the same id twice", format!("{ping}{FORBIDDEN}[[id:twin]]"), true, true),
    ] {
        let text = messages(&format!("several {name} {order}"));
        let (_, answer) = post(&stack, &path(MODEL, "converse-stream"), &text)?;
        let (got, read) = frames(&answer.body);
        let last = got.last().context("no frames")?;
        let input: String =
            got.iter().filter_map(|frame| frame.payload["delta"]["toolUse"]["input"].as_str()).collect();
        println!("{name:20} {} frames, the last {}; arguments `{input}`", got.len(), last.kind);
        ensure!(read == answer.body.len() && last.message_type == "exception", "{name}: {last:?}");
        ensure!(!input.contains("ACCT-9000"), "{name}: arguments arrived");
        ensure!(answer.text().contains("\"ping\"") == begins, "{name}: {}", answer.text());
        ensure!(input.contains("PING-FIRST") == whole, "{name}: {input}");
        refused_on_record(&stack, &decision(&answer)?, "transfer-limit")?;
        // The same as one document: nothing of it arrives.
        let (_, answer) = post(&stack, &path(MODEL, "converse"), &text)?;
        ensure!(answer.status == 403 && answer.error_type() == Some("AccessDeniedException"), "{answer:?}");
        ensure!(
            !answer.text().contains("PING-FIRST") && !answer.text().contains("ACCT"),
            "{}",
            answer.text()
        );
    }
    Ok(())
}

/// Rules that let pass: the call arrives, and the record says that a rule matched.
#[test]
fn warn_and_log_pass() -> Result<()> {
    let stack = stack()?;
    for (tool, rule) in [("send_mail", "warn-mail"), ("search", "log-search")] {
        let text = format!("passing {tool} [[tool:{tool} {{\"q\": 1}}]]");
        let (_, answer) = post(&stack, &path(MODEL, "converse-stream"), &messages(&text))?;
        ensure!(answer.status == 200 && answer.text().contains(tool), "{}", answer.text());
        let record = ended(&stack, &decision(&answer)?)?;
        let calls = of_answer(&stack, &decision(&answer)?, "tool_call")?;
        println!("{tool}: {} {}", record["state"], calls[0]["verdict"]);
        ensure!(record["state"] == "completed", "{}", record["outcome"]);
        ensure!(calls.len() == 1 && calls[0].to_string().contains(rule), "{calls:?}");
    }
    Ok(())
}

fn sha256(bytes: &[u8]) -> Value {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes)).into()
}
