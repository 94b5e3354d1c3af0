//! A tool-use loop: what a model proposes, what comes back, what it proposes next. One correlation, one timeline.

use super::{boto3, ended, stack};
use anyhow::{Context, Result, ensure};
use e2e::{Stack, binaries};
use serde_json::Value;
use std::process::Command;

/// Five rounds as an agent framework makes them: each request quotes the tool calls and results of the ones before.
const LOOP: &str = r#"
messages, ids = [], []
content = [{'text': MARK + ' [[tool:lookup {"round": 1}]]'}]
for n in range(1, 6):
    messages.append({'role': 'user', 'content': content})
    if STREAM:
        r = client(R).converse_stream(modelId=M, messages=messages)
        use, answer = {}, []
        for e in r['stream']:
            start = e.get('contentBlockStart', {}).get('start', {}).get('toolUse')
            if start: use = dict(start, input='')
            use['input'] = use.get('input', '') + e.get('contentBlockDelta', {}).get('delta', {}).get('toolUse', {}).get('input', '')
        answer = [{'text': 'I will use a tool.'}] + ([{'toolUse': dict(use, input=json.loads(use['input']))}] if n < 5 else [])
    else:
        r = client(R).converse(modelId=M, messages=messages)
        answer = r['output']['message']['content']
    ids.append(r['ResponseMetadata']['HTTPHeaders']['x-portcullis-decision-id'])
    messages.append({'role': 'assistant', 'content': answer})
    content = [{'toolResult': {'toolUseId': b['toolUse']['toolUseId'], 'content': [{'text': 'result %d' % n}]}} for b in answer if 'toolUse' in b]
    content.append({'text': '[[tool:lookup {"round": %d}]]' % (n + 1) if n < 4 else 'and now the answer'})
out(ids)
"#;

fn one_timeline(stack: &Stack, decisions: &[Value], tool_calls: usize) -> Result<()> {
    let mut correlations = Vec::new();
    for id in decisions {
        let record = ended(stack, id.as_str().context("id")?)?;
        correlations.push(record["correlation_id"].as_str().context("correlation id")?.to_owned());
    }
    let one = correlations.first().context("no decisions")?;
    ensure!(correlations.iter().all(|other| other == one), "{correlations:?}");
    let (status, timeline) = stack.control_plane.admin.get(&format!("/v1/correlations/{one}"))?;
    ensure!(status == 200, "{status} {timeline}");
    let text = timeline.to_string();
    ensure!(
        decisions.iter().all(|id| text.contains(id.as_str().unwrap_or("?"))),
        "a call is missing: {timeline}"
    );
    let printed = Command::new(binaries::portcullis()?)
        .args(["audit", "trace", one])
        .env("PORTCULLIS_URL", &stack.control_plane.admin.url)
        .env("PORTCULLIS_ADMIN_TOKEN", stack.control_plane.admin.token.as_deref().unwrap_or_default())
        .output()?;
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    println!("{printed}");
    ensure!(printed.matches("lookup").count() >= tool_calls, "{printed}");
    Ok(())
}

#[test]
fn five_rounds_of_tool_use_are_one_timeline() -> Result<()> {
    let stack = stack()?;
    for streamed in ["True", "False"] {
        let seen = boto3(&stack, &format!("loop {streamed}"), &format!("STREAM = {streamed}\n{LOOP}"))?;
        let ids = seen.first().and_then(Value::as_array).context("no ids")?;
        ensure!(ids.len() == 5, "{ids:?}");
        one_timeline(&stack, ids, 4)?;
    }
    Ok(())
}

/// A conversation with an agent: its session, and the control that it returns.
#[test]
fn an_agents_session_is_one_timeline() -> Result<()> {
    let stack = stack()?;
    let rest = r#"
ids, state = [], {}
for n in range(1, 4):
    order = '[[tool:lookup {"round": %d}]]' % n if n < 3 else 'the end'
    r = client(G).invoke_agent(sessionId='one-session', inputText=MARK + order, **AGENT, **state)
    ids.append(r['ResponseMetadata']['HTTPHeaders']['x-portcullis-decision-id'])
    control = [e['returnControl'] for e in r['completion'] if 'returnControl' in e]
    state = {}
    if control:
        state = {'sessionState': {'invocationId': control[0]['invocationId'], 'returnControlInvocationResults': [
            {'functionResult': {'actionGroup': 'actions', 'function': 'lookup', 'responseBody': {'TEXT': {'body': 'found'}}}}]}}
out(ids)"#;
    let seen = boto3(&stack, "agent session", rest)?;
    one_timeline(&stack, seen.first().and_then(Value::as_array).context("no ids")?, 2)
}
