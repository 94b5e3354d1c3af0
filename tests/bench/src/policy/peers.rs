//! The other engines.

use anyhow::{Context, Result, ensure};
use cedar_policy::{Authorizer, Context as Facts, Decision, Entities, EntityUid, PolicySet, Request};
use serde_json::{Value, json};
use std::process::Command;
use std::str::FromStr;

/// Cedar with the same rules as policies: one `forbid` each, and a `permit` for the rest.
#[derive(Debug)]
pub(super) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    uids: (EntityUid, EntityUid, EntityUid),
}

impl Cedar {
    pub(super) fn new(rules: &[Value]) -> Result<Self> {
        let mut text = String::from("permit (principal, action, resource);\n");
        for rule in rules {
            let tool = rule.pointer("/tools/0").and_then(Value::as_str).context("tool")?;
            let over = rule.pointer("/conditions/0/value").and_then(Value::as_u64).context("value")?;
            text.push_str(&format!("forbid (principal, action, resource == Tool::\"{tool}\") when {{ context.amount > {over} }};\n"));
        }
        let uid = |text: &str| EntityUid::from_str(text).map_err(anyhow::Error::from);
        Ok(Self {
            authorizer: Authorizer::new(),
            policies: PolicySet::from_str(&text)?,
            entities: Entities::empty(),
            uids: (uid("Principal::\"app\"")?, uid("Action::\"ToolCall\"")?, uid("Tool::\"tool_7\"")?),
        })
    }

    pub(super) fn allows(&self, amount: u64) -> Result<bool> {
        let (principal, action, resource) = self.uids.clone();
        let facts = Facts::from_json_value(json!({"amount": amount}), None)?;
        let request = Request::new(principal, action, resource, facts, None)?;
        let answer = self.authorizer.is_authorized(&request, &self.policies, &self.entities);
        Ok(answer.decision() == Decision::Allow)
    }
}

/// The `veto` package's own evaluator, in Python: microseconds, median.
pub(super) fn veto(rules: &[Value], amount: u64, samples: usize) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, value: &Value| -> Result<_> {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string())?;
        Ok(path)
    };
    let call = json!({"tool": "tool_7", "arguments": {"amount": amount, "currency": "EUR"}, "time": "2026-11-21T10:00:00+00:00"});
    let output = Command::new(e2e::binaries::python()?)
        .arg(e2e::binaries::root().join("tests/veto/reference.py"))
        .arg("time")
        .args([write("rules.json", &Value::Array(rules.to_vec()))?, write("call.json", &call)?])
        .arg(samples.to_string())
        .output()?;
    ensure!(output.status.success(), "veto: {}", String::from_utf8_lossy(&output.stderr));
    let times: Vec<f64> =
        String::from_utf8(output.stdout)?.lines().filter_map(|line| line.parse().ok()).collect();
    ensure!(!times.is_empty(), "veto printed nothing");
    Ok(crate::report::median(&times))
}
