//! `output_rules`, decided by our engine on what was sent back and by the package's own evaluator on what its tool answered:
//! JSON documents and plain texts.

use super::{array, explain, random, random::Random, reference, seed};
use anyhow::{Context, Result, ensure};
use portcullis_policy::{Bundle, Call, Request, SourceFile, Text, ToolResult, compile};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const RULES: usize = 5;
const OUTPUTS: usize = 40;

#[test]
fn output_rules_hold_as_for_their_own_evaluator() -> Result<()> {
    let seed = seed();
    let mut random = Random::new(seed);
    // As rules on arguments, which is what the reasons of differences are told of.
    let written: Vec<(bool, Vec<Value>, Vec<Value>)> = (0..200)
        .map(|number| {
            let plain = number % 4 == 0;
            let rules = (0..RULES).map(|number| random::output_rule(&mut random, number, plain)).collect();
            (plain, rules, (0..OUTPUTS).map(|_| random::output(&mut random, plain)).collect())
        })
        .collect();
    let batches: Vec<Value> = written
        .iter()
        .map(|(plain, rules, outputs)| {
            let rules: Vec<Value> = rules.iter().map(|rule| of_outputs(rule, *plain)).collect();
            let asked = |output: &Value| {
                let answered = if *plain { &output["arguments"]["note"] } else { &output["arguments"] };
                json!({"tool": output["tool"], "output": answered})
            };
            json!({"rules": rules, "outputs": outputs.iter().map(asked).collect::<Vec<_>>()})
        })
        .collect();
    let answers = reference("outputs", &batches)?;
    ensure!(answers.len() == batches.len(), "{} answers to {} batches", answers.len(), batches.len());
    let (mut pairs, mut held, mut refused, mut unexplained) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut explained: BTreeMap<&str, u64> = BTreeMap::new();
    for (((_, rules, outputs), batch), theirs) in written.iter().zip(&batches).zip(&answers) {
        let (bundle, out) = ours(array(&batch["rules"]))?;
        refused += u64::try_from(out.len())?;
        for ((output, asked), theirs) in outputs.iter().zip(array(&batch["outputs"])).zip(array(theirs)) {
            let decision = bundle.decide(&to_call(asked)?);
            let mine: BTreeSet<&str> = decision.matched.iter().map(|rule| rule.id.as_str()).collect();
            let other: BTreeSet<&str> = array(&theirs["matched"]).iter().filter_map(Value::as_str).collect();
            for rule in rules {
                let id = rule["id"].as_str().context("id")?;
                if out.contains(id) {
                    continue;
                }
                pairs += 1;
                held += u64::from(mine.contains(id));
                if mine.contains(id) != other.contains(id) {
                    match explain::rule(rule, output) {
                        Some(reason) => *explained.entry(reason).or_default() += 1,
                        None => {
                            unexplained += 1;
                            if unexplained <= 10 {
                                println!("unexplained, for us {}:\n  {rule}\n  {output}", mine.contains(id));
                            }
                        }
                    }
                }
            }
        }
    }
    println!(
        "{pairs} output rules × outputs, of which {held} hold; {refused} rules refused at load; seed {seed}"
    );
    for (reason, count) in &explained {
        println!("  {count:6} differ by `{reason}`");
    }
    ensure!(unexplained == 0, "seed {seed}: {unexplained} differences without a reason, see above");
    ensure!(pairs >= 10_000 && held > pairs / 50, "too few cases say something");
    Ok(())
}

/// A rule on arguments as one on outputs: on documents, or on a plain text, which stands for the argument `note`.
fn of_outputs(rule: &Value, plain: bool) -> Value {
    let text = rule.to_string();
    let text = if plain {
        text.replace("\"arguments.note\"", "\"output\"")
    } else {
        text.replace("\"arguments.", "\"output.")
    };
    let text = text.replace("\"conditions\"", "\"output_conditions\"");
    let text = text.replace("\"condition_groups\"", "\"output_condition_groups\"");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Our bundle, and the rules that we refuse because they can never hold.
fn ours(rules: &[Value]) -> Result<(Bundle, BTreeSet<String>)> {
    let mut rules = rules.to_vec();
    let mut out = BTreeSet::new();
    loop {
        let file = |path: &str, text: String| SourceFile { path: path.to_owned(), bytes: text.into_bytes() };
        let lines: Vec<String> = rules.iter().map(Value::to_string).collect();
        let text = format!("{{\"output_rules\": [\n{}\n]}}", lines.join(",\n"));
        let manifest = "version: '1'\nname: compared\ndefault: allow\n".to_owned();
        let error = match compile(&[file("bundle.yaml", manifest), file("rules/a.yaml", text)]) {
            Ok(bundle) => return Ok((bundle, out)),
            Err(error) => error,
        };
        let errors =
            error.diagnostics.iter().filter(|one| one.severity == portcullis_policy::Severity::Error);
        let mut bad = BTreeSet::new();
        for one in errors {
            ensure!(explain::refusal(&one.message), "refused: {}", one.message);
            bad.extend(usize::try_from(one.line)?.checked_sub(2));
        }
        ensure!(!bad.is_empty(), "{error}");
        let mut at = 0;
        rules.retain(|rule| {
            at += 1;
            let keep = !bad.contains(&(at - 1));
            out.extend(rule["id"].as_str().filter(|_| !keep).map(str::to_owned));
            keep
        });
    }
}

/// The request that sends the output back.
fn to_call(asked: &Value) -> Result<Call> {
    let tool = asked["tool"].as_str().context("tool")?.to_owned();
    let text = asked["output"].as_str().map_or_else(|| asked["output"].to_string(), str::to_owned);
    let request = Request {
        tool_results: 1,
        results: vec![ToolResult { name: Some(tool), ..ToolResult::default() }],
        text: Some(Text { tool_results: text, ..Text::default() }),
        ..Request::default()
    };
    Ok(Call { operation: "Converse".to_owned(), request, ..Call::default() })
}
