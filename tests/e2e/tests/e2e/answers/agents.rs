//! Agents: control that is returned to the caller, in both forms, and what an agent does by itself.

use super::{SECRET, boto3, ended, of_answer, refused_on_record, stack};
use anyhow::{Context, Result, ensure};

const SECRET_ORDER: &str = r#"{"amount": 9000, "to": "ACCT-9000-FORBIDDEN"}"#;

/// Each form of a returned call, with the names that its record must have.
#[test]
fn control_is_returned_only_for_what_is_allowed() -> Result<()> {
    let stack = stack()?;
    for (name, order, names) in [
        ("function", "transfer_funds", vec!["transfer_funds", "bank/transfer_funds", "bank::transfer_funds"]),
        ("api", "/transfers", vec!["PUT /transfers", "bank/PUT /transfers", "bank::PUT /transfers"]),
        (
            "api, body",
            "/transfers[[request-body]]",
            vec!["PUT /transfers", "bank/PUT /transfers", "bank::PUT /transfers"],
        ),
    ] {
        let (tool, more) =
            order.split_once("[[").map_or((order, String::new()), |(tool, more)| (tool, format!("[[{more}")));
        let marks = format!("[[group:bank]][[method:PUT]]{more}");
        let forbidden = format!("[[tool:{tool} {SECRET_ORDER}]]{marks}");
        let allowed = format!("[[tool:{tool} {{\"amount\": 4000}}]]{marks}");
        for api in ["InvokeAgent", "InvokeInlineAgent"] {
            let seen = boto3(
                &stack,
                &format!("control {name}"),
                &format!("out(run('{api}', '{forbidden}'))\nout(run('{api}', '{allowed}'))"),
            )?;
            let (refused, passed) = (&seen[0], &seen[1]);
            println!("{api} {name}: {} | {}", refused["error"], passed["events"]);
            ensure!(refused["error"]["Code"] == "accessDeniedException", "{refused}");
            ensure!(!refused.to_string().contains(SECRET), "it arrived: {refused}");
            let id = refused["decision"].as_str().context("id")?;
            refused_on_record(&stack, id, "transfer-limit")?;
            let call = of_answer(&stack, id, "tool_call")?.pop().context("no record")?;
            ensure!(call["tool"]["names"] == serde_json::json!(names), "{}", call["tool"]);
            ensure!(call["tool"]["origin"] == "return_control", "{}", call["tool"]);
            ensure!(passed["error"].is_null() && passed.to_string().contains("returnControl"), "{passed}");
            let record = ended(&stack, passed["decision"].as_str().context("id")?)?;
            ensure!(record["state"] == "completed", "{}", record["outcome"]);
        }
    }
    Ok(())
}

/// What an agent does by itself may have begun when its trace tells: it is decided and on record all the same, and the trace
/// does not go on to tell what came of it.
#[test]
fn what_an_agent_does_by_itself_is_decided_when_its_trace_tells() -> Result<()> {
    let stack = stack()?;
    let forbidden = format!("[[tool:transfer_funds {SECRET_ORDER}]][[traced]]");
    let seen = boto3(&stack, "traced", &format!("out(run('InvokeAgent with trace', '{forbidden}'))"))?;
    println!("{} {}", seen[0]["class"], seen[0]["error"]);
    ensure!(!seen[0].to_string().contains(SECRET), "it arrived: {}", seen[0]);
    let id = seen[0]["decision"].as_str().context("id")?;
    refused_on_record(&stack, id, "transfer-limit")?;
    let call = of_answer(&stack, id, "tool_call")?.pop().context("no record")?;
    ensure!(call["tool"]["origin"] == "agent", "{}", call["tool"]);
    Ok(())
}
