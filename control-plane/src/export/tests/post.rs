//! Collectors and receivers of signed batches that refuse, find things too large, and are down.

use super::*;
use crate::export::Destination;
use crate::export::board::ExportView;
use crate::export::otlp::OtlpSink;
use crate::export::webhook::WebhookSink;
use crate::storage::Log;
use portcullis_audit::log::RecordKind;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Seen {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// A server that answers with what `answer` says of a body's length and how many came before. It ends with the test's process.
fn server(answer: impl Fn(usize, usize) -> (u16, Value) + Send + 'static) -> (String, Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&seen);
    std::thread::spawn(move || {
        for count in 0.. {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut headers = Vec::new();
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            loop {
                line.clear();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim().split_once(": ") else { break };
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            let length =
                headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (status, answer) = answer(length, count);
            let answer = answer.to_string();
            all.lock().unwrap().push(Seen { headers, body });
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            stream.write_all((head + &answer).as_bytes()).unwrap();
        }
    });
    (url, seen)
}

/// Runs it until everything is delivered.
async fn run(log: &Arc<MemoryLog>, yaml: &str) -> ExportView {
    let (board, export, size) = (Board::default(), export(yaml), log.all().len() as u64);
    let own = Arc::new(export.clone());
    let sink: Box<dyn Deliver> = match &export.to {
        Destination::Otlp(otlp) => Box::new(OtlpSink::new(own, otlp)),
        Destination::Webhook(receiver) => Box::new(WebhookSink::new(own, receiver)),
        Destination::Files(_) => panic!("files"),
    };
    let task = tokio::spawn(follower(log, &board, &export, sink).run());
    let deadline = Instant::now() + Duration::from_secs(30);
    while board.views(size)[0].cursor != Some(size) {
        assert!(Instant::now() < deadline, "{:?}", board.views(size));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    task.abort();
    board.views(size).remove(0)
}

#[tokio::test]
async fn batches_are_signed_named_and_in_order() {
    let log = MemoryLog::new();
    log.append(250);
    // Every fifth attempt fails, and 60 records are too many.
    let (url, seen) = server(|length, count| match (length, count % 5) {
        (15_000.., _) => (413, json!({})),
        (_, 1) => (503, json!({})),
        _ => (204, json!({})),
    });
    let yaml = format!("{{name: siem, to: '{url}/in', secret_env: S, flush_records: 100, flush_every: 5ms}}");
    let view = run(&log, &yaml).await;
    let seen = seen.lock().unwrap();
    let (mut names, mut indexes) = (std::collections::BTreeMap::new(), Vec::new());
    for (at, seen) in seen.iter().enumerate() {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        let (first, last) = (body["first"].as_u64().unwrap(), body["last"].as_u64().unwrap());
        let name = format!("{first:012}-{last:012}");
        assert_eq!(seen.header("idempotency-key"), format!("example.com/log {name}"));
        assert_eq!(seen.header("x-portcullis-delivery"), format!("siem-{name}"));
        let signed = seen.header("x-portcullis-signature");
        let seconds = signed.split_once("t=").unwrap().1.split_once(',').unwrap().0.parse().unwrap();
        assert_eq!(signed, crate::webhooks::signature(b"value-of-S-0123456789", seconds, &seen.body));
        assert_eq!(body["records"].as_array().unwrap().len() as u64, last - first + 1);
        let taken = seen.body.len() < 15_000 && at % 5 != 1;
        let before = names.insert(name, body["records"].clone());
        assert!(before.is_none_or(|before| before == body["records"]), "the same name is the same batch");
        if taken {
            indexes.extend(
                body["records"].as_array().unwrap().iter().map(|line| line["index"].as_u64().unwrap()),
            );
        }
    }
    println!("{} posts, {} failed: {view:?}", seen.len(), view.failures);
    indexes.sort_unstable();
    indexes.dedup();
    assert_eq!(indexes, (0..250).collect::<Vec<_>>());
    assert!(view.failures > 0 && view.to == url && !format!("{view:?}").contains("/in"));
}

#[tokio::test]
async fn a_record_that_is_too_large_alone_is_told() {
    let log = MemoryLog::new();
    log.append(2);
    let (url, _) = server(|_, _| (413, json!({})));
    let (board, export) =
        (Board::default(), export(&format!("{{name: a, to: '{url}', secret_env: S, flush_every: 1ms}}")));
    let Destination::Webhook(receiver) = &export.to else { panic!() };
    let sink = Box::new(WebhookSink::new(Arc::new(export.clone()), receiver));
    let task = tokio::spawn(follower(&log, &board, &export, sink).run());
    let deadline = Instant::now() + Duration::from_secs(30);
    while board.views(2)[0].error.is_none() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    task.abort();
    assert!(board.views(2)[0].error.as_deref().unwrap().contains("record 0 alone is too large"));
    assert_eq!(board.views(2)[0].cursor, Some(0), "it is not passed over");
}

#[tokio::test]
async fn a_partial_success_is_counted_and_not_sent_again() {
    let log = MemoryLog::new();
    log.append(20);
    let (url, seen) = server(|_, count| match count {
        0 => (200, json!({"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "too old"}})),
        _ => (200, json!({"partialSuccess": {"errorMessage": "soon no more"}})),
    });
    let yaml = format!(
        "{{name: otel, to: 'otlp+{url}/v1/logs', flush_records: 10, flush_every: 5ms, headers_env: {{authorization: T}}}}"
    );
    let view = run(&log, &yaml).await;
    let seen = seen.lock().unwrap();
    assert_eq!((seen.len(), view.rejected_records, view.failures), (2, 3, 0));
    assert_eq!(seen[0].header("authorization"), "value-of-T-0123456789");
    let body: Value = serde_json::from_slice(&seen[0].body).unwrap();
    let logs = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
    assert_eq!(logs.as_array().unwrap().len(), 10);
    assert_eq!(logs[3]["eventName"], "portcullis.outcome");
    assert_eq!(logs[3]["timeUnixNano"], "1763758803000000000");
    let attribute = |name: &str| {
        let all = logs[3]["attributes"].as_array().unwrap();
        all.iter().find(|pair| pair["key"] == name).map(|pair| pair["value"].clone()).unwrap_or_default()
    };
    assert_eq!(attribute("portcullis.index"), json!({"intValue": "3"}));
    let text = logs[3]["body"]["stringValue"].as_str().unwrap();
    assert_eq!(text, &**log.all()[3].record.as_ref().unwrap());
}

#[tokio::test]
async fn kinds_that_are_not_wanted_are_left_out() {
    let log = MemoryLog::new();
    log.append(40);
    let (url, seen) = server(|_, _| (200, json!({})));
    run(&log, &format!("{{name: a, to: '{url}', secret_env: S, flush_every: 5ms, kinds: [outcome]}}")).await;
    let seen = seen.lock().unwrap();
    let bodies = seen.iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
    let lines: Vec<Value> = bodies.flat_map(|body| body["records"].as_array().unwrap().clone()).collect();
    assert_eq!(lines.len(), 10);
    assert!(lines.iter().all(|line| line["entry"]["kind"] == RecordKind::Outcome.as_str()));
    assert!(log.log_keys().len() == 1);
}

/// Every record of `testdata/audit/records`, beside what is made of it.
#[test]
fn records_have_the_names_of_the_conventions() {
    let decision = json!({
        "decision_id": "0199", "call_id": "c", "operation": "Converse", "action": "bedrock:InvokeModel",
        "principal": {"name": "billing", "assurance": "claimed", "tenant": "t1"},
        "credential": {"kind": "sigv4", "account_hint": "123456789012"},
        "endpoint": {"service": "bedrock-runtime", "region": "eu-central-1", "partition": "aws"},
        "model": {"id": "anthropic.claude-x", "kind": "foundation_model"},
        "agent": {"session": "s-1"},
        "request": {"host": "h", "bytes": 12, "max_tokens": 100,
            "metadata": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
        "source": {"address": "10.0.0.1"}, "sdk": {"user_agent": "boto3"},
        "policy": {"bundle": "b", "digest": "d", "rule": "no-titan"}, "verdict": {"kind": "deny", "approval_id": "apr_1"},
    });
    let outcome = json!({
        "call_id": "c", "state": "completed", "status": 200, "aws_request_id": "req-1",
        "usage": {"input_tokens": 10, "output_tokens": 20, "cache_read_tokens": 1, "cache_write_tokens": 2, "tool_calls": 0},
        "answer": {"stop_reason": "end_turn", "models": ["m2"], "session": "s-1"},
    });
    let chunk = |kind: RecordKind, record: &Value| {
        let text = portcullis_audit::log::canonical(record).unwrap();
        let entry = portcullis_audit::log::Entry::new("id", kind, 1_700_000_000_001, text.as_bytes());
        crate::storage::Logged { index: 7, entry, record: Some(text.into()) }
    };
    let shown = |kind, record| {
        let made = super::super::otlp::log_record(&chunk(kind, record));
        let attributes = made["attributes"].as_array().unwrap().iter();
        let pairs = attributes.map(|pair| {
            let value = pair["value"].as_object().unwrap().values().next().unwrap();
            format!(
                "{}={}",
                pair["key"].as_str().unwrap(),
                value.as_str().map_or(value.to_string(), str::to_owned)
            )
        });
        (made.clone(), pairs.collect::<Vec<_>>())
    };
    let (made, pairs) = shown(RecordKind::Decision, &decision);
    assert_eq!(
        (&made["severityText"], &made["traceId"]),
        (&json!("WARN"), &json!("0af7651916cd43dd8448eb211c80319c"))
    );
    assert_eq!((&made["spanId"], &made["flags"]), (&json!("b7ad6b7169203331"), &json!(1)));
    for expected in [
        "user.name=billing",
        "gen_ai.request.model=anthropic.claude-x",
        "gen_ai.operation.name=chat",
        "gen_ai.provider.name=aws.bedrock",
        "gen_ai.conversation.id=s-1",
        "cloud.region=eu-central-1",
        "cloud.account.id=123456789012",
        "gen_ai.request.max_tokens=100",
        "portcullis.verdict=deny",
        "portcullis.rule=no-titan",
        "portcullis.approval.id=apr_1",
        "client.address=10.0.0.1",
    ] {
        assert!(pairs.iter().any(|pair| pair == expected), "{expected} is not in {pairs:#?}");
    }
    let (made, pairs) = shown(RecordKind::Outcome, &outcome);
    assert_eq!((&made["severityText"], made.get("traceId")), (&json!("INFO"), None));
    for expected in [
        "aws.request_id=req-1",
        "gen_ai.usage.input_tokens=10",
        "gen_ai.usage.output_tokens=20",
        "http.response.status_code=200",
        "gen_ai.usage.cache_read.input_tokens=1",
        "gen_ai.response.model=m2",
    ] {
        assert!(pairs.iter().any(|pair| pair == expected), "{expected} is not in {pairs:#?}");
    }
    assert!(
        pairs
            .iter()
            .any(|pair| pair.starts_with("gen_ai.response.finish_reasons=") && pair.contains("end_turn"))
    );
    let (made, _) = shown(RecordKind::Gap, &json!({"event_id": "e"}));
    assert_eq!(made["severityNumber"], 17);
}
