//! What went round the gate: real calls through it and past it, CloudTrail as the fake would write it, the real command.

use crate::application::script;
use crate::raw::{HOST, MODEL, converse, send, signed};
use anyhow::{Context, Result, ensure};
use e2e::client::{Connection, Request, Tls};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, binaries, python, wait};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const CALLS: &str = "
c, a = client('bedrock-runtime'), client('bedrock-agent-runtime')
messages = [{'role':'user','content':[{'text':MARK + ' [[words:20]]'}]}]
c.converse(modelId=M, messages=messages)
for e in c.converse_stream(modelId=M, messages=messages)['stream']: pass
c.invoke_model(modelId=M, body=json.dumps({'anthropic_version':'bedrock-2023-05-31','max_tokens':64,'messages':[{'role':'user','content':MARK}]}))
for e in a.invoke_agent(agentId='AGENT12345', agentAliasId='ALIAS12345', sessionId='s-'+MARK, inputText=MARK)['completion']: pass
out(caught(lambda: c.converse(modelId='anthropic.claude-3-opus-20240229-v1:0', messages=messages))['status'])";

/// The same host and signature, past the gate.
fn around(stack: &Stack, request: &Request) -> Result<String> {
    let mut connection = Connection::open(&stack.fake.https)?.tls(&Tls::trusting(&stack.fake.ca, HOST)?)?;
    connection.send(&request.to_http1())?;
    let answer = connection.answer()?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(answer.header("x-amzn-requestid").context("no request id")?.to_owned())
}

fn reconcile(
    stack: &Stack,
    trail: &str,
    more: &[&str],
    environment: &[(&str, &str)],
) -> Result<(i32, String)> {
    let mut command = Command::new(binaries::portcullis()?);
    command.args(["audit", "reconcile", "--cloudtrail", trail]).args(more).envs(environment.iter().copied());
    command.env("PORTCULLIS_URL", &stack.control_plane.admin.url);
    command.env("PORTCULLIS_ADMIN_TOKEN", stack.control_plane.admin.token.as_deref().unwrap_or_default());
    let output = command.output()?;
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code().context("killed")?, String::from_utf8(output.stdout)?))
}

fn save_trail(stack: &Stack, path: &Path) -> Result<()> {
    let (status, trail) = stack.fake.control.get("/cloudtrail")?;
    ensure!(status == 200, "{status}");
    Ok(std::fs::write(path, trail.to_string())?)
}

#[test]
fn of_calls_through_the_gate_and_two_around_it_reconcile_names_the_two() -> Result<()> {
    let stack = Builder::default().start()?;
    let directory = tempfile::tempdir()?;
    let trail = directory.path().join("trail.json");
    let trail_path = trail.to_str().context("path")?;

    ensure!(python::ask(&stack.egress(APP_ONE), &script("reconcile", CALLS))? == json!(403));
    let through = send(&stack, &signed(converse("through"))?.to_http1())?;
    ensure!(through.status == 200, "{}", through.status);
    wait::until("every outcome", || {
        let pending = stack.control_plane.decisions("outcome=pending")?;
        ensure!(pending.is_empty(), "{} pending", pending.len());
        Ok(())
    })?;
    save_trail(&stack, &trail)?;
    let (code, text) = reconcile(&stack, trail_path, &[], &[])?;
    println!("{text}");
    ensure!(code == 0 && text.starts_with("clean"), "exit code {code}");

    // The same key, model and operation as a call that was let out; and one that the gate would have refused.
    let opus = Request::converse(HOST, "anthropic.claude-3-opus-20240229-v1:0", "around");
    let mut ids = [
        around(&stack, &signed(Request::converse(HOST, MODEL, "around"))?)?,
        around(&stack, &signed(opus)?)?,
    ];
    ids.sort();
    save_trail(&stack, &trail)?;
    let (code, text) = reconcile(&stack, trail_path, &[], &[])?;
    println!("{text}");
    ensure!(code == 2, "exit code {code}");
    let (code, json) = reconcile(&stack, trail_path, &["--output", "json", "--record"], &[])?;
    let report: Value = serde_json::from_str(&json)?;
    let mut found: Vec<&str> = report["bypassed"]
        .as_array()
        .context("list")?
        .iter()
        .filter_map(|call| call["request_id"].as_str())
        .collect();
    found.sort_unstable();
    ensure!(code == 2 && found == ids, "{code} {report:#}");
    ensure!(report["matched_by_id"] == 5 && report["unknown_to_aws"] == 0, "{report:#}");
    ensure!(report["mismatched"] == json!([]), "{report:#}");
    let (_, events) = stack.control_plane.admin.get("/v1/events?limit=10")?;
    let recorded = events["events"]
        .as_array()
        .context("events")?
        .iter()
        .find(|event| event["detail"]["what"] == "reconciled");
    let recorded = &recorded.context("no record of the reconciliation")?["detail"]["reconciliation"];
    ensure!(
        recorded["bypassed"] == 2 && recorded["inputs_sha256"] == report["inputs"]["digest"],
        "{recorded}"
    );
    Ok(())
}

/// Makes a bucket in a moto, and puts a trail into it in many small files, packed and not, with a digest beside them.
const BUCKET: &str = "
import gzip, os
s3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT'])
s3.create_bucket(Bucket='trail')
records = json.load(open(os.environ['TRAIL']))['Records']
day = 'AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/21/123456789012_CloudTrail_us-east-1_%04d.json'
for n, record in enumerate(records):
    text = json.dumps({'Records': [record]}).encode()
    s3.put_object(Bucket='trail', Key=day % n + ('.gz' if n % 2 else ''), Body=gzip.compress(text) if n % 2 else text)
s3.put_object(Bucket='trail', Key='AWSLogs/123456789012/CloudTrail-Digest/us-east-1/digest.json.gz', Body=b'not read')
s3.put_object(Bucket='trail', Key='AWSLogs/README.txt', Body=b'not read')
out(len(records))";

/// 1,200 events of a trail, more than a page of a listing has, of which three are in no record.
#[test]
fn a_trail_in_a_bucket_is_read_to_its_end() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (trail, records) = (directory.path().join("trail.json"), directory.path().join("records.jsonl"));
    let (mut events, mut lines) = (Vec::new(), String::new());
    for number in 0..1_200 {
        let (id, second) = (format!("request-{number:04}"), number % 60);
        let time = format!("2026-11-21T10:{:02}:{second:02}", number / 60);
        events.push(json!({
            "eventVersion": "1.11", "eventTime": format!("{time}Z"), "eventSource": "bedrock.amazonaws.com", "eventName": "Converse",
            "awsRegion": "us-east-1", "requestID": id, "eventID": format!("event-{number:04}"), "eventCategory": "Management",
            "userIdentity": {"accountId": "123456789012"}, "requestParameters": {"modelId": MODEL},
        }));
        if number % 500 == 77 {
            continue;
        }
        let at_ms = 1_795_255_200_000_u64 + number * 1_000;
        let decision = json!({
            "decision_id": format!("decision-{number}"), "call_id": number.to_string(), "decided_at_ms": at_ms, "verdict": {"kind": "allow"},
            "operation": "Converse", "action": "bedrock:InvokeModel", "endpoint": {"service": "bedrock-runtime", "region": "us-east-1"},
        });
        let outcome = json!({
            "call_id": number.to_string(), "state": "completed", "forwarded": true, "status": 200, "aws_request_id": id, "ended_at_ms": at_ms + 900,
        });
        lines.push_str(&format!("{decision}\n{outcome}\n"));
    }
    std::fs::write(&trail, json!({ "Records": events }).to_string())?;
    std::fs::write(&records, lines)?;

    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut server = Command::new(binaries::python()?);
    server.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    let server = e2e::process::Process::start("moto", &server, directory.path())?;
    let endpoint = format!("http://127.0.0.1:{port}");
    wait::until("moto", || {
        ensure!(server.ended().is_none(), "moto ended: {}", server.log_tail());
        std::net::TcpStream::connect(("127.0.0.1", port))?;
        Ok(())
    })?;
    let environment = [
        ("AWS_ENDPOINT", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("TRAIL", trail.to_str().context("path")?),
    ];
    let owned: Vec<(String, String)> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ensure!(python::ask(&owned, BUCKET)? == json!(1_200));

    let output = Command::new(binaries::portcullis()?)
        .args(["audit", "reconcile", "--cloudtrail", "s3://trail/AWSLogs", "--output", "json", "--export"])
        .arg(&records)
        .envs(environment)
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    println!(
        "{} files, {} skipped: {} matched",
        report["inputs"]["files"], report["inputs"]["skipped"], report["matched_by_id"]
    );
    let found: Vec<&str> = report["bypassed"]
        .as_array()
        .context("list")?
        .iter()
        .filter_map(|call| call["request_id"].as_str())
        .collect();
    ensure!(found == ["request-0077", "request-0577", "request-1077"], "{found:?}");
    ensure!(report["matched_by_id"] == 1_197 && report["inputs"]["files"] == 1_200, "{:#}", report["inputs"]);
    ensure!(
        report["inputs"]["skipped"] == 2 && report["inputs"]["unread"] == json!([]),
        "{:#}",
        report["inputs"]
    );
    ensure!(output.status.code() == Some(2), "{}", output.status);
    Ok(())
}
