//! The same rules for three engines: "block tool N over an amount".

use super::{compare, median_us, peers};
use crate::report::Outcome;
use anyhow::{Result, ensure};
use portcullis_policy::{Bundle, Call, Effect, SourceFile, Tool, compile};
use serde_json::{Value, json};
use std::hint::black_box;

/// Tools that the rules are about.
const TOOLS: usize = 50;

/// The rules in the form that both our loader and the `veto` package read.
#[must_use]
pub(super) fn rules(count: usize) -> Vec<Value> {
    let rule = |number: usize| {
        json!({
            "id": format!("r{number}"), "name": format!("Rule {number}"), "action": "block", "tools": [format!("tool_{}", number % TOOLS)],
            "conditions": [{"field": "arguments.amount", "operator": "greater_than", "value": 1_000_000 + number}],
        })
    };
    (0..count).map(rule).collect()
}

/// Our bundle of them.
pub(super) fn bundle(manifest: &str, rules: &[Value]) -> Result<Bundle> {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), bytes: text.into_bytes() };
    let text = json!({"version": "1.0", "name": "bench", "rules": rules}).to_string();
    Ok(compile(&[file("bundle.yaml", manifest.to_owned()), file("rules/bench.yaml", text)])?)
}

pub(super) const MANIFEST: &str = "version: '1'\nname: bench\ndefault: allow\n";

/// A call of one of the tools.
#[must_use]
pub(super) fn call(amount: u64) -> Call {
    Call {
        operation: "ToolCall".to_owned(),
        tool: Some(Tool {
            names: vec!["tool_7".to_owned()],
            arguments: json!({"amount": amount, "currency": "EUR"}),
            ..Default::default()
        }),
        ..Call::default()
    }
}

pub(super) fn run(
    count: usize,
    rounds: usize,
    results: &mut Vec<Outcome>,
    notes: &mut Vec<(String, f64)>,
) -> Result<()> {
    let rules = rules(count);
    let ours = bundle(MANIFEST, &rules)?;
    let cedar = peers::Cedar::new(&rules)?;
    let (small, large) = (call(50), call(2_000_000));
    ensure!(
        ours.decide(&small).effect == Effect::Allow && ours.decide(&large).effect == Effect::Deny,
        "our verdicts are wrong"
    );
    ensure!(cedar.allows(50)? && !cedar.allows(2_000_000)?, "Cedar's verdicts are wrong");
    let (mut own, mut theirs, mut python) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        own.push(median_us(500, || drop(black_box(ours.decide(black_box(&small))))));
        theirs.push(median_us(if count > 1_000 { 3 } else { 50 }, || {
            drop(black_box(cedar.allows(black_box(50))))
        }));
        python.push(peers::veto(&rules, 50, if count > 1_000 { 5 } else { 30 })?);
        eprintln!(
            "  {count} rules, round {round}/{rounds}: {:.2} µs, Cedar {:.1} µs, veto {:.1} µs",
            last(&own),
            last(&theirs),
            last(&python)
        );
    }
    let case = format!("{count} rules");
    results.push(compare(&case, "cedar-policy", &own, &theirs));
    results.push(compare(&case, "veto (Python)", &own, &python));
    let compiles: Vec<f64> = (0..rounds)
        .map(|_| {
            let begun = std::time::Instant::now();
            drop(black_box(bundle(MANIFEST, black_box(&rules))));
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    notes.push((format!("compiling {count} rules"), crate::report::median(&compiles)));
    Ok(())
}

pub(super) fn last(values: &[f64]) -> f64 {
    values.last().copied().unwrap_or(f64::NAN)
}
