//! The AWS SDK for JavaScript over HTTP/2: a refused tool call is an error of its own kind, nothing of it arrives.

use super::{ALLOWED, FORBIDDEN, MESSAGE, refused_on_record, stack};
use crate::javascript::run;
use anyhow::{Context, Result, ensure};

const OPERATIONS: &[(&str, &str)] = &[
    ("ConverseStream", "ValidationException"),
    ("InvokeModelWithResponseStream", "ValidationException"),
    ("InvokeAgent", "AccessDeniedException"),
    ("Converse", "AccessDeniedException"),
    ("InvokeModel", "AccessDeniedException"),
];

#[test]
fn javascript_raises_for_a_forbidden_tool_call() -> Result<()> {
    let stack = stack()?;
    let operations: Vec<&str> = OPERATIONS.iter().map(|(operation, _)| *operation).collect();
    for one in run(&stack, FORBIDDEN, &operations)? {
        let (name, result) = (&one["operation"], &one["result"]);
        println!("{name}: {} {}: {}", result["status"], result["error"], result["message"]);
        let expected = OPERATIONS.iter().find(|(operation, _)| *name == *operation).context("operation")?;
        ensure!(result["error"] == expected.1, "{one}");
        ensure!(result["message"].as_str().is_some_and(|message| message.contains(MESSAGE)), "{one}");
        ensure!(one["sent"].as_array().is_some_and(|sent| sent.len() == 1), "{name}: retried: {one}");
        let decision = one["sent"][0]["decision"].as_str().context("decision id")?;
        refused_on_record(&stack, decision, "transfer-limit")?;
    }
    for one in run(&stack, ALLOWED, &operations)? {
        ensure!(one["result"]["ok"].is_object(), "{one}");
    }
    Ok(())
}
