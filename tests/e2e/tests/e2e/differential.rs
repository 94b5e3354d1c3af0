//! Rules in the YAML form that the `veto` package reads, decided by our engine and by the package's own evaluator: random
//! rules × random calls, rule by rule. Every difference must be one that docs/policy.md explains by name.

mod explain;
mod outputs;
mod random;

use anyhow::{Context, Result, ensure};
use e2e::binaries;
use portcullis_policy::{Agent, Bundle, Call, Effect, Seen, SourceFile, Tool, compile};
use random::Random;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

const RULES: usize = 6;
const CALLS: usize = 40;

#[test]
fn rules_of_the_yaml_form_decide_as_their_own_evaluator_does() -> Result<()> {
    let (batches, seed) = (if std::env::var_os("PORTCULLIS_LONG").is_some() { 3_000 } else { 300 }, seed());
    let mut random = Random::new(seed);
    let batches: Vec<Value> = (0..batches)
        .map(|_| {
            let rules: Vec<Value> = (0..RULES).map(|number| random::rule(&mut random, number)).collect();
            json!({"rules": rules, "calls": (0..CALLS).map(|_| random::call(&mut random)).collect::<Vec<_>>()})
        })
        .collect();
    let answers = reference("decide", &batches)?;
    ensure!(answers.len() == batches.len(), "{} answers to {} batches", answers.len(), batches.len());

    let docs = std::fs::read_to_string(binaries::root().join("docs/policy.md"))?;
    let (mut pairs, mut held, mut verdicts, mut refused, mut unexplained) =
        (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    let mut explained: BTreeMap<&str, u64> = BTreeMap::new();
    for (batch, theirs) in batches.iter().zip(&answers) {
        let (bundle, out) = ours(batch)?;
        refused += u64::try_from(out.len())?;
        for (call, theirs) in array(&batch["calls"]).iter().zip(array(theirs)) {
            let decision = bundle.decide(&to_call(call)?);
            let mine: BTreeSet<&str> = decision.matched.iter().map(|rule| rule.id.as_str()).collect();
            let other: BTreeSet<&str> = array(&theirs["matched"]).iter().filter_map(Value::as_str).collect();
            let mut same = true;
            for rule in array(&batch["rules"]) {
                let id = rule["id"].as_str().context("id")?;
                if out.contains(id) {
                    continue;
                }
                pairs += 1;
                held += u64::from(mine.contains(id));
                if mine.contains(id) != other.contains(id) {
                    same = false;
                    let Some(reason) = explain::rule(rule, call) else {
                        unexplained += 1;
                        if unexplained <= 10 {
                            println!(
                                "unexplained, for us {}, for them {}:\n  {rule}\n  {call}",
                                mine.contains(id),
                                other.contains(id)
                            );
                        }
                        continue;
                    };
                    *explained.entry(reason).or_default() += 1;
                }
            }
            // Where the same rules hold, the verdict differs only as "strictest" differs from "first".
            if same && out.is_empty() {
                verdicts += 1;
                let got = match decision.effect {
                    Effect::Deny => "deny",
                    Effect::RequireApproval => "require_approval",
                    _ => "allow",
                };
                if theirs["decision"] != got {
                    ensure!(
                        explain::order(&batch["rules"], &other, theirs, got),
                        "seed {seed}: {got} against {theirs}\n{batch}\n{call}"
                    );
                    *explained.entry("first match").or_default() += 1;
                }
            }
        }
    }
    println!(
        "{pairs} rules × calls, of which {held} hold; {verdicts} verdicts; {refused} rules refused at load; seed {seed}"
    );
    for (reason, count) in &explained {
        println!("  {count:6} differ by `{reason}`");
        ensure!(docs.contains(&format!("**{reason}**")), "docs/policy.md does not explain `{reason}`");
    }
    ensure!(unexplained == 0, "seed {seed}: {unexplained} differences without a reason, see above");
    ensure!(pairs >= 10_000 && held > pairs / 50, "too few cases say something");
    Ok(())
}

fn seed() -> u64 {
    let given = std::env::var("PORTCULLIS_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761 + 1)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The package's evaluator, over all batches.
fn reference(what: &str, batches: &[Value]) -> Result<Vec<Value>> {
    let mut child = Command::new(binaries::python()?)
        .arg(binaries::root().join("tests/veto/reference.py"))
        .arg(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().context("stdin")?;
    let lines: String = batches.iter().map(|batch| format!("{batch}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    ensure!(output.status.success(), "the reference failed: {}", output.status);
    String::from_utf8(output.stdout)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Our bundle of a batch's rules, and the rules that we refuse because they can never hold.
fn ours(batch: &Value) -> Result<(Bundle, BTreeSet<String>)> {
    let mut rules = array(&batch["rules"]).to_vec();
    let mut out = BTreeSet::new();
    loop {
        let file = |path: &str, text: String| SourceFile { path: path.to_owned(), bytes: text.into_bytes() };
        // JSON is YAML, and one line per rule makes places easy to read.
        let lines: Vec<String> = rules.iter().map(Value::to_string).collect();
        let text = format!(
            "{{\"version\": \"1.0\", \"name\": \"compared\", \"rules\": [\n{}\n]}}",
            lines.join(",\n")
        );
        let manifest = "version: '1'\nname: compared\ndefault: allow\n".to_owned();
        match compile(&[file("bundle.yaml", manifest), file("rules/a.yaml", text)]) {
            Ok(bundle) => return Ok((bundle, out)),
            Err(error) => {
                for one in &error.diagnostics {
                    ensure!(
                        explain::refusal(&one.message),
                        "refused: {}:{}:{}: {}\n{}",
                        one.path,
                        one.line,
                        one.column,
                        one.message,
                        usize::try_from(one.line)?
                            .checked_sub(2)
                            .and_then(|at| lines.get(at))
                            .map_or("", String::as_str)
                    );
                }
                let bad: BTreeSet<usize> = error
                    .diagnostics
                    .iter()
                    .filter_map(|one| usize::try_from(one.line).ok()?.checked_sub(2))
                    .collect();
                ensure!(!bad.is_empty(), "{error}");
                let mut at = 0;
                rules.retain(|rule| {
                    at += 1;
                    let keep = !bad.contains(&(at - 1));
                    if !keep {
                        out.extend(rule["id"].as_str().map(str::to_owned));
                    }
                    keep
                });
            }
        }
    }
}

fn to_call(call: &Value) -> Result<Call> {
    let time = |text: &Value| -> Result<u64> {
        let at: jiff::Timestamp = text.as_str().context("time")?.parse()?;
        Ok(u64::try_from(at.as_millisecond())?)
    };
    let history = array(&call["history"]).iter().map(|seen| {
        Ok(Seen {
            tools: vec![seen["tool"].as_str().unwrap_or_default().to_owned()],
            operation: String::new(),
            arguments: seen["arguments"].clone(),
            time: time(&seen["time"])?,
        })
    });
    Ok(Call {
        // A tool call has no operation of Bedrock; it is not an unknown one either.
        operation: "ToolCall".to_owned(),
        agent: Agent { id: call["agent"].as_str().map(str::to_owned), ..Agent::default() },
        tool: Some(Tool {
            names: vec![call["tool"].as_str().context("tool")?.to_owned()],
            arguments: call["arguments"].clone(),
            ..Tool::default()
        }),
        history: history.collect::<Result<_>>()?,
        time: time(&call["time"])?,
        ..Call::default()
    })
}
