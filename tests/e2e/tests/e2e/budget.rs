//! A token budget under 16 streaming callers, some of which leave in the middle, across `kill -9` of the control plane: what
//! Bedrock really answered never exceeds it.

use anyhow::{Context, Result, ensure};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, python, wait};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

/// Tokens that a caller may ask for in an answer; with 3 bytes to a token the reservation covers what the fake answers.
const MAX_TOKENS: u64 = 200;

/// 16 callers until the budget refuses each of them. Every body says how many tokens its answer will have, and is unique.
const LOAD: &str = "
import threading, itertools, random, time
from botocore.config import Config
n = itertools.count(); lock = threading.Lock(); ended = []; passed = [0]
def run(i):
    rng = random.Random(i)
    c = client('bedrock-runtime', config=Config(retries={'total_max_attempts': 1}, max_pool_connections=4))
    sent = []
    c.meta.events.register('before-send.*', lambda request, **_: sent.append(hashlib.sha256(request.body).hexdigest()) and None)
    while True:
        k = next(n)
        used = (rng.randint(20, 60), rng.randint(20, MAX))
        sent.clear()
        text = f'[[tokens:{used[0]},{used[1]}]] call {i} {k} ' + 'x' * 120
        end = 'ok'
        try:
            stream = c.converse_stream(modelId='amazon.nova-lite-v1:0', inferenceConfig={'maxTokens': MAX}, messages=[{'role':'user','content':[{'text':text}]}])['stream']
            leave = rng.random() < 0.1
            for event in stream:
                if leave and 'contentBlockDelta' in event:
                    stream.close(); end = 'left'; break
            passed[0] += 1
        except ClientError as e:
            code, message = e.response['Error']['Code'], e.response['Error']['Message']
            end = 'spent' if 'budget' in message else code
        except Exception as e:
            end = type(e).__name__
        out({'sha256': sent[-1] if sent else None, 'tokens': sum(used), 'end': end, 'passed': passed[0]})
        if end == 'spent': return
        if end not in ('ok', 'left'): time.sleep(0.02)
ts = [threading.Thread(target=run, args=(i,)) for i in range(16)]
[t.start() for t in ts]; [t.join() for t in ts]
";

fn start(max: u64) -> Result<Stack> {
    let bundle = format!(
        "version: '1'\nname: budget\ndefault: allow\nprincipals:\n- name: app-one\n  access_keys: [{}]\nlimits:\n- {{id: budget, measure: tokens, max: {max}, window: 24h, per: [principal.name]}}\nestimate: {{bytes_per_token: 3, output_tokens: 4096}}\n",
        APP_ONE.0
    );
    Builder::default().bundle(&[("bundle.yaml", &bundle)]).start()
}

fn usage(stack: &Stack) -> Result<(u64, u64)> {
    let (status, body) = stack.control_plane.admin.get("/v1/limits")?;
    ensure!(status == 200, "GET /v1/limits: {status} {body}");
    let Some(row) = body["limits"].as_array().and_then(|rows| rows.first()) else { return Ok((0, 0)) };
    Ok((
        row["used"].as_u64().with_context(|| format!("used: {row}"))?,
        row["reserved"].as_u64().context("reserved")?,
    ))
}

#[test]
fn a_token_budget_is_never_exceeded_under_16_streaming_callers_across_kills() -> Result<()> {
    // The long form is `cargo xtask test --long`; CI runs the short one.
    let (max, kills) =
        if std::env::var_os("PORTCULLIS_LONG").is_some() { (1_000_000, 30) } else { (60_000, 4) };
    let stack = start(max)?;
    let script = LOAD.replace("MAX", &MAX_TOKENS.to_string());
    let mut load = python::command(&stack.egress(APP_ONE), &script)?.spawn()?;
    let lines = BufReader::new(load.stdout.take().context("stdout")?).lines();
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut tokens: BTreeMap<String, u64> = BTreeMap::new();
    // A call takes 150 tokens on average, and a caller who leaves its whole reservation: the last kill comes well before the
    // budget is spent.
    let between = max / 220 / (kills + 1);
    let (mut done, mut next) = (0, between);
    for line in lines {
        let line = line?;
        let one: Value = serde_json::from_str(line.strip_prefix("OUT ").context("not an OUT line")?)?;
        *ends.entry(one["end"].as_str().context("end")?.to_owned()).or_default() += 1;
        if let Some(sha256) = one["sha256"].as_str() {
            tokens.insert(sha256.to_owned(), one["tokens"].as_u64().context("tokens")?);
        }
        if done < kills && one["passed"].as_u64().is_some_and(|passed| passed >= next) {
            stack.control_plane.kill();
            stack.control_plane.restart()?;
            (done, next) = (done + 1, next + between);
        }
    }
    ensure!(load.wait()?.success(), "the callers failed");
    ensure!(done == kills, "only {done} kills: too little traffic, {ends:?}");
    // Outcomes come in batches: what is reserved becomes what was used.
    wait::until("outcomes to settle", || {
        let (_, reserved) = usage(&stack)?;
        ensure!(reserved == 0, "{reserved} tokens are still reserved");
        Ok(())
    })?;
    let (counted, _) = usage(&stack)?;
    let arrived = stack.fake.calls()?;
    let answered: u64 = arrived.iter().filter_map(|call| tokens.get(call["body_sha256"].as_str()?)).sum();
    println!(
        "| budget | calls that reached Bedrock | tokens it answered | counted by the gate | over the budget | kills | calls by end |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {max} | {} | {answered} | {counted} | {} | {kills} | {ends:?} |",
        arrived.len(),
        answered.saturating_sub(max)
    );
    ensure!(
        arrived
            .iter()
            .all(|call| call["body_sha256"].as_str().is_some_and(|sha256| tokens.contains_key(sha256))),
        "a call that nobody sent"
    );
    ensure!(answered <= max, "{answered} tokens were answered on a budget of {max}");
    // Counted is never less than what was answered: a caller who leaves, and a kill, cost the whole reservation at most.
    ensure!(counted >= answered, "counted {counted}, answered {answered}");
    ensure!(answered > max / 2, "the budget was refused too early: {answered} of {max}");
    Ok(())
}
