//! Frames and bytes that no sound server sends, on a stack that has to read them.

use super::{ends_in, stream};
use crate::answers::{ALLOWED, FORBIDDEN, SECRET, decision, ended, messages, of_answer, path, post, stack};
use crate::raw::MODEL;
use anyhow::{Context, Result, ensure};
use e2e::client::frames;

/// What cannot be read is not let out, and the client is told.
#[test]
fn what_cannot_be_read_ends_the_stream() -> Result<()> {
    let stack = stack()?;
    for order in [
        "[[bad-crc]]",
        "[[bad-crc:prelude]]",
        "[[length:4294967295]]",
        "[[length:15]]",
        "[[length:0]]",
        "[[headers-length:4294967295]]",
        "[[headers-length:100000]]",
        "[[short]]",
    ] {
        let (answer, record) = stream(&stack, &format!("unreadable {order} [[words:20]]"))?;
        ends_in(&answer, "modelStreamErrorException").with_context(|| order.to_owned())?;
        ensure!(record["state"] != "completed", "{order}: {}", record["outcome"]);
        ensure!(record["outcome"]["answer"]["flaw"].is_string(), "{order}: {}", record["outcome"]);
    }
    Ok(())
}

/// Compressed, or said to be: nobody reads it, and nothing has left, so the answer is an error.
#[test]
fn a_compressed_answer_is_refused_before_its_first_byte() -> Result<()> {
    let stack = stack()?;
    for order in ["[[gzip]]", "[[gzip:real]]"] {
        for operation in ["converse", "converse-stream", "invoke-with-response-stream"] {
            let text = format!("compressed {order} {operation} {ALLOWED}");
            let (_, answer) = post(&stack, &path(MODEL, operation), &messages(&text))?;
            let record = ended(&stack, &decision(&answer)?)?;
            println!("{operation} {order}: {} {:?} {}", answer.status, answer.error_type(), answer.text());
            ensure!(answer.status >= 400 && answer.json()["message"].is_string(), "{}", answer.text());
            ensure!(!answer.text().contains("ACCT-4000"), "{}", answer.text());
            ensure!(record["state"] == "blocked", "{}", record["outcome"]);
        }
    }
    Ok(())
}

/// The same on a stack where nothing has to be read: every byte passes, and the flaw is on record.
#[test]
fn where_nothing_is_asked_a_broken_answer_passes_as_it_is() -> Result<()> {
    let stack = e2e::Stack::shared()?;
    for order in ["[[bad-crc]]", "[[length:4294967295]]", "[[gzip:real]]", "[[short]]", "[[unknown-frames]]"]
    {
        let text = format!("untouched {order} [[words:20]][[id:x]]");
        let request = crate::raw::signed(e2e::client::Request::json(
            crate::raw::HOST,
            &path(MODEL, "converse-stream"),
            &messages(&text),
        ))?;
        let answer = crate::raw::send(&stack, &request.to_http1())?;
        let record = ended(&stack, &decision(&answer)?)?;
        let fake = stack.fake.calls_with_body(&request.body_sha256())?.pop().context("it did not arrive")?;
        println!(
            "{order}: {} bytes, {} {}",
            answer.body.len(),
            record["state"],
            record["outcome"]["answer"]["flaw"]
        );
        ensure!(fake["sent"]["bytes"] == answer.body.len(), "{} {}", answer.body.len(), fake["sent"]);
        ensure!(record["outcome"]["answer"]["sha256"] == fake["sent"]["sha256"], "{}", record["outcome"]);
    }
    Ok(())
}

/// What is odd and sound passes.
#[test]
fn odd_frames_pass() -> Result<()> {
    let stack = stack()?;
    for order in ["[[odd-headers]]", "[[trailers]]", "[[slices:1]]", "[[frame:200000]]", "[[no-usage]]"] {
        let (answer, record) = stream(&stack, &format!("odd {order} {ALLOWED} [[words:10]]"))?;
        ensure!(answer.text().contains("messageStop"), "{order}: the end is missing");
        ensure!(record["state"] == "completed", "{order}: {}", record["outcome"]);
    }
    Ok(())
}

/// Frames of unknown types hide nothing: the forbidden call behind them is still found.
#[test]
fn frames_of_unknown_types_hide_nothing() -> Result<()> {
    let stack = stack()?;
    let (answer, _) = stream(&stack, &format!("unknown [[unknown-frames]] [[words:20]] {FORBIDDEN}"))?;
    let (got, _) = frames(&answer.body);
    let last = got.last().context("no frames")?;
    ensure!(last.message_type == "exception", "{last:?}");
    ensure!(!answer.text().contains(SECRET), "it arrived");
    Ok(())
}

/// A stream that stops within a tool call: nobody knows what it would have been, so nothing of it arrives.
#[test]
fn a_stream_that_stops_within_a_tool_call() -> Result<()> {
    let stack = stack()?;
    for order in ["[[short:tool]]", "[[short:character]]"] {
        let text = format!(
            r#"stops {order} [[deltas:9]][[tool:transfer_funds {{"amount": 1, "to": "GRÜN-ACCT"}}]]"#
        );
        let (answer, record) = stream(&stack, &text)?;
        ensure!(record["state"] != "completed", "{}", record["outcome"]);
        ensure!(!answer.text().contains("transfer_funds"), "the beginning of the call arrived");
        ends_in(&answer, "validationException")?;
        let calls = of_answer(&stack, &decision(&answer)?, "tool_call")?;
        ensure!(calls.len() == 1 && calls[0]["tool"]["problem"] == "unfinished", "{calls:?}");
    }
    // Its connection is cut within: the same for the client, who must not take it for a whole answer.
    let (_, answer) =
        post(&stack, &path(MODEL, "converse-stream"), &messages(&format!("cut [[cut]] {FORBIDDEN}")))?;
    let record = ended(&stack, &decision(&answer)?)?;
    println!("cut: complete {}, {} {}", answer.complete, record["state"], record["outcome"]["reason"]);
    ensure!(!answer.text().contains(SECRET), "it arrived");
    ensure!(record["state"] == "failed" || record["state"] == "blocked", "{}", record["outcome"]);
    Ok(())
}

/// A flaw within a tool call: what was told of the call is not let out, and nothing waits for its end.
#[test]
fn a_flaw_within_a_tool_call_ends_the_stream() -> Result<()> {
    let stack = stack()?;
    for order in ["[[bad-crc]]", "[[bad-crc:prelude]]", "[[length:4294967295]]", "[[length:15]]"] {
        let text = format!("flawed call {order} {FORBIDDEN}[[words:2]][[deltas:60]]");
        let (answer, record) = stream(&stack, &text)?;
        let (got, read) = frames(&answer.body);
        let last = got.last().context("no frames")?;
        ensure!(read == answer.body.len() && last.message_type == "exception", "{order}: {last:?}");
        ensure!(!answer.text().contains("transfer_funds"), "{order}: the beginning of the call arrived");
        ensure!(record["state"] == "blocked", "{order}: {}", record["outcome"]);
    }
    Ok(())
}

/// Arguments that never become JSON, or that two readers read differently: refused by a rule that cannot be switched off.
#[test]
fn arguments_that_nobody_can_read_are_refused() -> Result<()> {
    let stack = stack()?;
    for (name, order) in [
        ("never JSON", r#"[[broken-json]][[tool:ping {"to": "ACCT-9000-FORBIDDEN"}]]"#),
        ("a key twice", r#"[[as-written]][[tool:ping {"a": 1, "to": "ACCT-9000-FORBIDDEN", "a": 2}]]"#),
        (
            "a key twice, within",
            r#"[[as-written]][[tool:ping {"b": {"a": 1, "\u0061": "ACCT-9000-FORBIDDEN"}}]]"#,
        ),
        ("no object", r#"[[as-written]][[tool:ping ["ACCT-9000-FORBIDDEN"]]]"#),
    ] {
        let (answer, record) = stream(&stack, &format!("unreadable arguments, {name}: {order}"))?;
        ends_in(&answer, "validationException")?;
        ensure!(record["outcome"]["reason"] == "tool_call_denied", "{name}: {}", record["outcome"]);
        let calls = of_answer(&stack, &decision(&answer)?, "tool_call")?;
        ensure!(
            calls.len() == 1 && calls[0].to_string().contains("unreadable-tool-call"),
            "{name}: {calls:?}"
        );
        let (_, answer) =
            post(&stack, &path(MODEL, "converse"), &messages(&format!("document, {name}: {order}")))?;
        ensure!(answer.status == 403 && !answer.text().contains(SECRET), "{name}: {}", answer.text());
    }
    Ok(())
}

/// A tool call whose end is never said, in a stream that ends properly.
#[test]
fn a_tool_call_with_no_stop_is_not_a_way_round() -> Result<()> {
    let stack = stack()?;
    let (answer, record) = stream(&stack, &format!("no stop [[no-stop]] {FORBIDDEN}"))?;
    ensure!(record["state"] == "blocked" && !answer.text().contains(SECRET), "{}", record["outcome"]);
    for (path, model, list) in [
        ("/openai/v1/chat/completions", "openai.gpt-oss-120b-1:0", "messages"),
        ("/openai/v1/responses", "openai.gpt-oss-120b-1:0", "input"),
        ("/anthropic/v1/messages", "anthropic.claude-3-5-sonnet-20241022-v2:0", "messages"),
    ] {
        let text = format!("no stop [[no-stop]] {FORBIDDEN}");
        let body = serde_json::json!({"model": model, "stream": true, "max_tokens": 64, list: [{"role": "user", "content": text}]});
        let (_, answer) = post(&stack, path, &body)?;
        println!("{path}: {} bytes", answer.body.len());
        ensure!(
            !answer.text().contains(SECRET) && !answer.text().contains("9000"),
            "{path}: {}",
            answer.text()
        );
    }
    Ok(())
}

/// AWS's errors, with and without a body, and a proxy's page: as they are.
#[test]
fn errors_of_upstream_pass_as_they_are() -> Result<()> {
    let stack = stack()?;
    for order in [
        "error:400",
        "error:403",
        "error:429",
        "error:500",
        "error:503:empty",
        "error:404:empty",
        "error:502:html",
        "error:403:html",
    ] {
        for operation in ["converse", "converse-stream", "invoke-with-response-stream"] {
            let (_, answer) =
                post(&stack, &path(MODEL, operation), &messages(&format!("{operation} [[{order}]]")))?;
            let status: u16 = order.split(':').nth(1).context("status")?.parse()?;
            let record = ended(&stack, &decision(&answer)?)?;
            println!(
                "{operation} {order}: {} {:?} {}",
                answer.status,
                answer.error_type(),
                answer.text().trim()
            );
            ensure!(answer.status == status && answer.complete, "{order}: {}", answer.status);
            match order.split(':').nth(2) {
                Some("empty") => ensure!(answer.body.is_empty(), "{}", answer.text()),
                Some(_) => ensure!(answer.text().starts_with("<html>"), "{}", answer.text()),
                None => ensure!(answer.json()["message"].is_string(), "{}", answer.text()),
            }
            ensure!(
                record["outcome"]["status"] == status && record["state"] == "completed",
                "{}",
                record["outcome"]
            );
        }
    }
    Ok(())
}
