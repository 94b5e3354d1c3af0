//! Answers that are too big in one way or another.

use super::{ends_in, stream};
use crate::answers::{SECRET, boto3, decision, ended, messages, of_answer, path, post, stack};
use crate::raw::MODEL;
use anyhow::{Context, Result, ensure};
use e2e::{Builder, Stack};

/// Bytes of the VM. The gauge is brought up to date before an outcome goes out: of exchanges whose outcome is there it is certain.
fn memory(stack: &Stack) -> Result<u64> {
    stack.envoy.stat("portcullis.vm_memory_bytes")
}

/// A frame of 24 MB: where nothing is asked it passes; where the answer is read, it is more than anybody reads.
#[test]
fn a_frame_of_24_mb() -> Result<()> {
    let open = Stack::shared()?;
    let (answer, record) = stream(&open, "a frame of 24 MB [[frame:24000000]] [[words:6]]")?;
    ensure!(answer.body.len() > 24_000_000 && record["state"] == "completed", "{}", record["outcome"]);
    ensure!(answer.text().contains("messageStop"), "the end is missing");
    let stack = stack()?;
    let before = memory(&stack)?;
    let (answer, record) = stream(&stack, "a frame of 24 MB, read [[frame:24000000]] [[words:6]]")?;
    // Padding is nothing that a rule could ask about: it may pass, or end the stream; it may not be cut.
    if record["state"] != "completed" {
        ends_in(&answer, "modelStreamErrorException")?;
    }
    let after = memory(&stack)?;
    // The host hands over what has arrived, slice by slice; the VM keeps room for a slice, once.
    println!("VM memory {before} -> {after}");
    ensure!(after < 160 * 1024 * 1024, "the VM grew from {before} to {after}");
    // Memory is never given back, and pieces of other sizes lie in between: it settles after some of them.
    let mut readings = Vec::new();
    for round in 0..6 {
        stream(&stack, &format!("a frame of 24 MB, again {round} [[frame:24000000]] [[words:6]]"))?;
        readings.push(memory(&stack)?);
    }
    println!("{readings:?}");
    ensure!(readings[5] <= readings[2].max(after) + 8 * 1024 * 1024, "the VM goes on growing: {readings:?}");
    Ok(())
}

/// 200 MB of text in one answer, streamed and not.
#[test]
fn an_answer_of_200_mb() -> Result<()> {
    let stack = Builder::default().start()?;
    let read = |operation: &str| -> Result<()> {
        let (_, answer) =
            post(&stack, &path(MODEL, operation), &messages(&format!("{operation} [[filler:200000000]]")))?;
        let record = ended(&stack, &decision(&answer)?)?;
        let memory = memory(&stack)?;
        println!(
            "{operation}: {} bytes, {}; VM memory {memory}",
            answer.body.len(),
            record["outcome"]["state"]
        );
        ensure!(answer.complete && answer.body.len() > 200_000_000, "{}", answer.body.len());
        ensure!(record["outcome"]["response_bytes"] == answer.body.len(), "{}", record["outcome"]);
        ensure!(
            record["state"] == "completed" && memory < 160 * 1024 * 1024,
            "{memory} {}",
            record["outcome"]
        );
        Ok(())
    };
    read("converse")?;
    read("converse-stream")
}

/// The same where tool calls are asked about: a stream passes, a document is more than may be held.
#[test]
fn an_answer_of_200_mb_that_has_to_be_read() -> Result<()> {
    let stack = stack()?;
    let (answer, record) = stream(&stack, "read [[filler:200000000]]")?;
    ensure!(answer.body.len() > 200_000_000 && record["state"] == "completed", "{}", record["outcome"]);
    let (_, answer) = post(&stack, &path(MODEL, "converse"), &messages("read whole [[filler:200000000]]"))?;
    let record = ended(&stack, &decision(&answer)?)?;
    let memory = memory(&stack)?;
    println!("{} {} {}; VM memory {memory}", answer.status, answer.text(), record["outcome"]["reason"]);
    ensure!(
        answer.status == 424 && record["outcome"]["reason"] == "answer_too_large",
        "{}",
        record["outcome"]
    );
    ensure!(memory < 160 * 1024 * 1024, "{memory}");
    Ok(())
}

/// A megabyte of arguments is decided; more than may be held is refused.
#[test]
fn a_megabyte_of_arguments() -> Result<()> {
    let stack = stack()?;
    let order = r#"[[tool:ping {"to": "BULK-ACCT", "pad": "PAD"}]]"#;
    let cases = [("within", 900_000, true), ("over", 1_200_000, false)];
    for (name, bytes, passes) in cases {
        let orders = order.replace("PAD", &"p".repeat(bytes));
        let (answer, record) = stream(&stack, &format!("{name} {orders} [[deltas:700]]"))?;
        let calls = of_answer(&stack, &decision(&answer)?, "tool_call")?;
        ensure!(answer.text().contains("messageStop") == passes, "{name}: {}", record["outcome"]);
        if passes {
            ensure!(calls.len() == 1 && record["state"] == "completed", "{name}: {}", record["outcome"]);
            ensure!(calls[0]["tool"]["arguments_bytes"].as_u64() > Some(900_000), "{}", calls[0]);
        } else {
            ensure!(!answer.text().contains("BULK-ACCT"), "{name}: it arrived");
            ensure!(record["state"] == "blocked", "{name}: {}", record["outcome"]);
        }
    }
    Ok(())
}

/// A name of 10 KB is no name of a tool.
#[test]
fn a_tool_name_of_10_kb() -> Result<()> {
    let stack = stack()?;
    let order = format!(r#"[[tool:{} {{"to": "ACCT-9000-FORBIDDEN"}}]]"#, "n".repeat(10_240));
    let (answer, record) = stream(&stack, &format!("long name {order}"))?;
    ends_in(&answer, "validationException")?;
    ensure!(!answer.text().contains(SECRET), "it arrived");
    let calls = of_answer(&stack, &decision(&answer)?, "tool_call")?;
    let call = calls.first().context("no record")?;
    println!("{} {}", call["verdict"], call["tool"]["problem"]);
    ensure!(call["tool"]["problem"] == "name_too_long", "{call}");
    ensure!(call.to_string().len() < 8_192, "a record of {} bytes", call.to_string().len());
    ensure!(record["outcome"]["reason"] == "tool_call_denied", "{}", record["outcome"]);
    Ok(())
}

/// Two hundred tool calls in one answer: each is decided.
#[test]
fn two_hundred_tool_calls_in_one_answer() -> Result<()> {
    let stack = stack()?;
    let order: String = (0..200).map(|n| format!("[[tool:ping {{\"n\": {n}}}]]")).collect();
    let seen = boto3(&stack, "many", &format!("out(run('ConverseStream', '{order}'))"))?;
    ensure!(seen[0]["error"].is_null(), "{}", seen[0]["error"]);
    let id = seen[0]["decision"].as_str().context("id")?;
    let calls = of_answer(&stack, id, "tool_call")?;
    println!("{} records", calls.len());
    ensure!(calls.len() == 200, "{}", calls.len());
    Ok(())
}
