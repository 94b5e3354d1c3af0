//! What limits, counts and their restart cost. Measured on demand:
//! `cargo test --release -p portcullis --lib app::speed -- --ignored --nocapture --test-threads 1`

use super::*;
use crate::storage::{SqliteOptions, SqliteStore};
use crate::tokens::{MasterKey, Tokens};
use portcullis_policy::{SourceFile, compile};
use portcullis_protocol::{
    AnswerText, DecisionRequest, Inspection, InspectionSubject, Outcome, OutcomeBatch, OutcomeKind,
    ProposedCall, Usage,
};
use std::path::Path;
use std::time::Instant;

const HEAD: &str = "version: \"1\"\nname: speed\ndefault: allow\n";
const FIVE: &str = "limits:
- {id: a, measure: requests, max: 100000000, window: 1m, per: [principal.name]}
- {id: b, measure: tokens, max: 100000000000, window: 24h, per: [principal.name]}
- {id: c, measure: output_tokens, max: 100000000000, window: 30d, per: [principal.tenant]}
- {id: d, measure: cost, max: 1000000.00, window: 30d, per: [principal.name, region]}
- {id: e, measure: tokens, max: 100000000000, window: 1h}
prices: {currency: USD, unpriced: deny, models: [{models: [\"amazon.*\"], input: 3.00, output: 15.00}]}
";

/// In memory, so that other people's disk traffic does not count.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

async fn app(dir: &Path, manifest: &str) -> Arc<App> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir)).unwrap());
    let active = ActiveBundle::empty();
    let file = SourceFile { path: "bundle.yaml".to_owned(), bytes: format!("{HEAD}{manifest}").into_bytes() };
    active.install(Arc::new(compile(&[file]).unwrap()), Path::new("/"), 1);
    let master = MasterKey::load_or_create(dir).unwrap();
    let keys = KeyRing::load(Arc::clone(&store), Tokens::default(), master).await.unwrap();
    Arc::new(App::load(store, active, keys, Telemetry::new(), Settings::default()).await.unwrap())
}

fn question(call_id: String) -> DecisionRequest {
    let text = include_str!("../../../testdata/api/question.json");
    DecisionRequest { call_id, ..serde_json::from_str(text).unwrap() }
}

fn batch(call_ids: Vec<String>) -> OutcomeBatch {
    let text = include_str!("../../../testdata/api/outcome.json");
    let outcome = |call_id| Outcome {
        call_id,
        outcome: OutcomeKind::Completed,
        usage: Some(Usage { input_tokens: 100, output_tokens: 50, ..Usage::default() }),
        ..serde_json::from_str(text).unwrap()
    };
    let outcomes = call_ids.into_iter().map(outcome).collect();
    OutcomeBatch {
        version: portcullis_protocol::VERSION,
        gate: "g".to_owned(),
        outcomes,
        unaudited: 0,
        lost: 0,
    }
}

fn median(mut times: Vec<u128>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2] as f64 / 1_000.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement"]
async fn decisions_with_and_without_limits() {
    println!("limits  decide p50, 1 caller  decisions/s, 16 callers  with outcomes");
    for round in 0..2 {
        for (name, manifest) in [("none", ""), ("five", FIVE)] {
            let dir = directory();
            let app = app(dir.path(), manifest).await;
            let mut times = Vec::new();
            for at in 0..5_000 {
                let question = question(format!("one-{at}"));
                let start = Instant::now();
                app.decide(question).await.unwrap();
                times.push(start.elapsed().as_nanos());
            }
            let start = Instant::now();
            let tasks: Vec<_> = (0..16)
                .map(|lane| {
                    let app = Arc::clone(&app);
                    tokio::spawn(async move {
                        for at in 0..1_500 {
                            app.decide(question(format!("{lane}-{at}"))).await.unwrap();
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            let rate = 16.0 * 1_500.0 / start.elapsed().as_secs_f64();
            let start = Instant::now();
            let tasks: Vec<_> = (0..16)
                .map(|lane| {
                    let app = Arc::clone(&app);
                    tokio::spawn(async move {
                        for at in 0..50 {
                            let ids: Vec<_> = (0..20).map(|n| format!("out-{lane}-{at}-{n}")).collect();
                            for id in &ids {
                                app.decide(question(id.clone())).await.unwrap();
                            }
                            app.take_outcomes(batch(ids)).await.unwrap();
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            let both = 16.0 * 1_000.0 / start.elapsed().as_secs_f64();
            if round > 0 {
                println!("{name:>6} {:>17.1} us {rate:>24.0} {both:>13.0}", median(times));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement"]
async fn decisions_in_loops() {
    println!("results quoted  decide p50  with its outcome");
    for _ in 0..2 {
        let dir = directory();
        let app = app(dir.path(), "").await;
        // In turn, so that whatever else the machine does falls on all alike.
        let cases = [None, Some(0), Some(1), Some(16)];
        let mut times: Vec<(Vec<u128>, Vec<u128>)> = cases.iter().map(|_| Default::default()).collect();
        for at in 0..2_000 {
            for (case, times) in cases.iter().zip(&mut times) {
                let mut question = question(format!("{case:?}-{at}"));
                question.sdk.invocation_id = case.map(|_| format!("{case:?}-{at}"));
                for quoted in 0..case.unwrap_or(0) {
                    let id = Some(format!("tooluse-{case:?}-{}", at * 16 - quoted));
                    question
                        .body
                        .results
                        .push(portcullis_protocol::ToolResultFacts { id, ..Default::default() });
                }
                let mut batch = batch(vec![question.call_id.clone()]);
                let proposed = (0..case.unwrap_or(0)).map(|n| portcullis_protocol::SeenCall {
                    id: Some(format!("tooluse-{case:?}-{}", (at + 1) * 16 - n)),
                    ..Default::default()
                });
                let tool_calls = proposed.collect();
                let answer = portcullis_protocol::AnswerFacts { tool_calls, ..Default::default() };
                batch.outcomes[0].answer = case.map(|_| Box::new(answer));
                let start = Instant::now();
                app.decide(question).await.unwrap();
                times.0.push(start.elapsed().as_nanos());
                let start = Instant::now();
                app.take_outcomes(batch).await.unwrap();
                times.1.push(start.elapsed().as_nanos());
            }
        }
        for (case, (decided, told)) in cases.iter().zip(times) {
            let name = case.map_or("no SDK".to_owned(), |n| n.to_string());
            println!("{name:>14} {:>8.1} us {:>13.1} us", median(decided), median(told));
        }
    }
}

#[tokio::test]
#[ignore = "a measurement"]
async fn reserving_alone() {
    let dir = directory();
    let app = app(dir.path(), FIVE).await;
    let bundle = app.bundle.current().unwrap();
    let mut call = super::call::split(question("x".to_owned()), portcullis_policy::Principal::default(), 1).0;
    call.principal.name = "billing".to_owned();
    let decision = bundle.decide(&call);
    let (mut charging, mut reserving) = (Vec::new(), Vec::new());
    for at in 0..20_000 {
        let start = Instant::now();
        let charges = bundle.charges(&call, &decision);
        let charged = Instant::now();
        let retry: Arc<str> = format!("retry-{at}").into();
        let at = (crate::clock::unix_ms(), format!("call-{at}"));
        let taken = app.limits.reserve(&bundle, (at.0, &at.1), &charges, Some(&retry), false).unwrap();
        charging.push((charged - start).as_nanos());
        reserving.push(charged.elapsed().as_nanos());
        std::mem::forget(taken);
    }
    println!("five limits: charges {:.2} us, reserve {:.2} us (p50)", median(charging), median(reserving));
}

/// 100 rules on tools, a tenth of which look at the arguments of this one; and ten on text.
fn rules_on_answers() -> String {
    let mut rules = String::from("rules:\n");
    for n in 0..100 {
        rules.push_str(&format!(
            "- {{id: tool-{n}, action: block, tools: ['tool_{}', 'group-{n}/*'], conditions: [{{field: arguments.amount, \
             operator: greater_than, value: {}}}]}}\n",
            n % 10,
            5_000 + n
        ));
    }
    for n in 0..10 {
        rules.push_str(&format!(
            "- {{id: text-{n}, action: block, conditions: [{{field: response.text, operator: matches, value: 'secret-{n}[0-9]+'}}]}}\n"
        ));
    }
    rules
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement"]
async fn tool_calls_and_text_of_answers() {
    let dir = directory();
    let app = app(dir.path(), "").await;
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), bytes: text.into_bytes() };
    let files = [file("bundle.yaml", HEAD.to_owned()), file("rules/a.yaml", rules_on_answers())];
    app.bundle.install(Arc::new(compile(&files).unwrap()), Path::new("/"), 2);
    let answer = app.decide(question("parent".to_owned())).await.unwrap();
    let text = "some words of an answer that nothing is wrong with, ".repeat(20);
    let (mut tools, mut texts) = (Vec::new(), Vec::new());
    for number in 1..=4_000 {
        let subject = if number % 2 == 0 {
            let arguments = r#"{"amount": 4000, "to": {"iban": "DE02"}, "items": [1, 2, 3]}"#.to_owned();
            let name = "tool_7".to_owned();
            InspectionSubject::ToolCall(ProposedCall { name, arguments, ..ProposedCall::default() })
        } else {
            InspectionSubject::Text(AnswerText { text: text.clone(), fresh: 40, before: 0 })
        };
        let inspection = Inspection {
            version: portcullis_protocol::VERSION,
            call_id: "parent".to_owned(),
            decision_id: answer.decision_id.clone(),
            gate: "g".to_owned(),
            number,
            subject,
            released_bytes: 0,
            held: None,
            wait_ms: None,
        };
        let start = Instant::now();
        app.inspect(inspection).await.unwrap();
        if number % 2 == 0 { &mut tools } else { &mut texts }.push(start.elapsed().as_nanos());
    }
    println!("p50: a tool call, recorded, {:.1} us; 1 KiB of text {:.1} us", median(tools), median(texts));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn a_start_after_a_million_calls() {
    let dir = directory();
    drop(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let conn = rusqlite::Connection::open(dir.path().join("portcullis.db")).unwrap();
    let now = crate::clock::unix_ms();
    conn.execute_batch("BEGIN").unwrap();
    {
        let mut insert = conn
            .prepare(
                // Counting reads no record, so there need not be any.
                "INSERT INTO decisions (seq, call_id, principal, operation, verdict, session, kind, shadowed, idx)
                 VALUES (?1, ?2, ?3, 'Converse', ?4, ?5, 'call', 0, 0)",
            )
            .unwrap();
        for at in 0..1_000_000u64 {
            let seq = ((now - 80_000_000 + at * 80) << 12) as i64;
            let verdict = if at % 20 == 0 { "deny" } else { "allow" };
            let session = (at % 10 == 0).then(|| format!("session-{}", at % 1_000));
            let principal = format!("app-{}", at % 500);
            insert
                .execute(rusqlite::params![seq, format!("call-{at}"), principal, verdict, session])
                .unwrap();
        }
        let mut insert = conn.prepare("INSERT INTO limit_use VALUES ('l', ?1, ?2, 1)").unwrap();
        for at in 0..300_000u64 {
            let end = (now - 3_600_000 + (at % 3) * 3_600_000) as i64;
            insert.execute(rusqlite::params![format!("principal.name=app-{}", at / 3), end]).unwrap();
        }
    }
    conn.execute_batch("COMMIT").unwrap();
    drop(conn);
    let store = SqliteStore::open(SqliteOptions::new(dir.path())).unwrap();
    let start = Instant::now();
    let history = History::load(&store).await.unwrap();
    println!("counts of 1,000,000 decisions of a day, 500 principals: {:.0?}", start.elapsed());
    let start = Instant::now();
    let limits = Limits::load(&store).await.unwrap();
    println!("ledger of 300,000 rows, 100,000 keys: {:.0?}", start.elapsed());
    let start = Instant::now();
    let uses = limits.usage(None, now, &LimitsFilter::default());
    println!("the use of all of them, sorted ({}): {:.0?}", uses.len(), start.elapsed());
    for session in [None, Some("session-100".to_owned())] {
        let start = Instant::now();
        let seen = store.seen("app-100".to_owned(), session.clone(), now - 86_400_000, 256).await.unwrap();
        println!("session {session:?}, {} entries: {:.1?}", seen.len(), start.elapsed());
    }
    drop(history);
}
