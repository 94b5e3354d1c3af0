//! Replays, explanations and the shadow report, with a server and without one.

use super::records::fill;
use super::{portcullis, repository};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::Instant;

const DATA_TOKEN: &str = "pcl_data_for_tests_of_policy";
const ADMIN_TOKEN: &str = "pcl_admin_for_tests_of_policy";
const TEAM: &str = "testdata/cli/bundles/team";
const NEXT: &str = "testdata/cli/bundles/next";

/// A running server; killed when dropped.
struct Server {
    child: Child,
    data: String,
    admin: String,
}

impl Server {
    fn start(data_dir: &Path) -> Server {
        let mut child = portcullis(&[
            "serve",
            "--data-addr",
            "127.0.0.1:0",
            "--admin-addr",
            "127.0.0.1:0",
            "--bundle",
            TEAM,
        ])
        .arg("--data-dir")
        .arg(data_dir)
        .env("PORTCULLIS_BOOTSTRAP_DATA_TOKEN", DATA_TOKEN)
        .env("PORTCULLIS_BOOTSTRAP_ADMIN_TOKEN", ADMIN_TOKEN)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).expect("one line of JSON with the addresses");
        let url = |key: &str| format!("http://{}", ports[key].as_str().unwrap());
        Server { child, data: url("data"), admin: url("admin") }
    }

    fn run(&self, args: &[&str]) -> Output {
        portcullis(&["policy"])
            .args(args)
            .env("PORTCULLIS_URL", &self.admin)
            .env("PORTCULLIS_ADMIN_TOKEN", ADMIN_TOKEN)
            .output()
            .unwrap()
    }

    /// Asks for a decision on a model and gives its id.
    fn decide(&self, call_id: &str, model: &str) -> String {
        let path = repository().join("testdata/api/question.json");
        let mut question: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        question["call_id"] = json!(call_id);
        question["model"] = json!({"id": model, "kind": "foundation_model", "base": model});
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let request = agent.post(format!("{}/v1/decisions", self.data));
        let mut answer =
            request.header("authorization", format!("Bearer {DATA_TOKEN}")).send_json(&question).unwrap();
        let answer: Value = answer.body_mut().read_json().unwrap();
        answer["decision_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn recorded_calls_are_explained_replayed_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let haiku = "anthropic.claude-3-haiku-20240307-v1:0";
    let ids: Vec<String> = (0..5).map(|n| server.decide(&format!("haiku-{n}"), haiku)).collect();
    let refused = server.decide("llama", "meta.llama3-1-70b-instruct-v1:0");

    let report = server.run(&["shadow-report", "--output", "json"]);
    assert_eq!(report.status.code(), Some(1), "{}", text_of(&report));
    let report = json_of(&report);
    assert_eq!((&report["decisions"], &report["changed"]), (&json!(6), &json!(5)), "{report}");
    assert_eq!(report["by_verdict"], json!([{"from": "allow", "to": "deny", "count": 5}]));
    assert_eq!(report["by_rule"][0]["rule"], "no-nova");
    assert_eq!(report["by_rule"][0]["examples"], json!([ids[4], ids[3], ids[2]]), "the newest first");
    assert_eq!(report["by_model"], json!([{"name": haiku, "count": 5}]));
    let table = text_of(&server.run(&["shadow-report"]));
    assert!(table.contains("6 decisions; without shadow mode 5 would have got another verdict"), "{table}");

    // The active bundle explains what it said; another one says what it would say.
    let active = text_of(&server.run(&["explain", "--decision", &refused]));
    assert!(active.contains("deny by rule `portcullis/route`"), "{active}");
    let next = text_of(&server.run(&["explain", NEXT, "--decision", &ids[0]]));
    assert!(next.contains("deny by rule `no-nova`") && next.contains("not recorded"), "{next}");
    let unknown = server.run(&["explain", "--decision", "00000000-0000-7000-8000-000000000000"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text_of(&unknown));

    // The same over the API and from the files.
    let over_the_api = server.run(&["replay", NEXT, "--since", "1h", "--output", "json"]);
    assert_eq!(over_the_api.status.code(), Some(1), "{}", text_of(&over_the_api));
    let over_the_api = json_of(&over_the_api);
    let directory = dir.path().to_str().unwrap();
    let beside =
        portcullis(&["policy", "replay", NEXT, "--since", "1h", "--output", "json", "--data-dir", directory]);
    let beside = { beside }.output().unwrap();
    assert_eq!(json_of(&beside), over_the_api);
    assert_eq!((&over_the_api["decisions"], &over_the_api["changed"]), (&json!(6), &json!(5)));
    let row = &over_the_api["changes"][0];
    assert_eq!(
        (&row["from"], &row["to"], &row["rule"]),
        (&json!("allow"), &json!("deny"), &json!("no-nova"))
    );
    assert_eq!((&row["principal"], &row["model"]), (&json!("billing"), &json!(haiku)));
    assert_eq!(row["examples"], json!([ids[4], ids[3], ids[2]]));
    let same = server.run(&["replay", TEAM, "--since", "1h"]);
    assert_eq!(same.status.code(), Some(0), "{}", text_of(&same));
    let nobody =
        json_of(&server.run(&["replay", NEXT, "--since", "1h", "--principal", "nobody", "--output", "json"]));
    assert_eq!(nobody["decisions"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_of_many_records_counts_each_once() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 6_000).await;
    let args = ["policy", "replay", NEXT, "--output", "json", "--data-dir", dir.path().to_str().unwrap()];
    let table = json_of(&portcullis(&args).output().unwrap());
    println!("{}", serde_json::to_string_pretty(&table).unwrap());
    assert_eq!(table["decisions"], 6_000);
    let counts: u64 =
        table["changes"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(table["changed"], counts);
    let unknown: u64 =
        table["cannot_know"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(table["same"].as_u64().unwrap() + counts + unknown, 6_000);
    // A third of the calls is made in us-east-1, whoever makes them.
    let abroad: u64 = table["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["rule"] == "europe-only")
        .map(|row| row["count"].as_u64().unwrap())
        .sum();
    assert!(abroad > 0 && abroad <= 2_000, "{abroad}");
}

/// `cargo test --release -p portcullis --test policy -- --ignored --nocapture` measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a while; measures"]
async fn measure_a_replay_of_100_000() {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    fill(dir.path(), 100_000).await;
    println!("written in {:.1} s", started.elapsed().as_secs_f64());
    let directory = dir.path().to_str().unwrap().to_owned();
    for bundle in [NEXT, "examples/bundles/enterprise-deny-by-default"] {
        let started = Instant::now();
        let output = portcullis(&["policy", "replay", bundle, "--output", "json", "--data-dir", &directory])
            .output()
            .unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let table = json_of(&output);
        println!("{bundle}: 100,000 from the files in {seconds:.2} s; {} changed", table["changed"]);
        assert_eq!(table["decisions"], 100_000);
        assert!(seconds <= 10.0, "{seconds} s");
    }
    let server = Server::start(dir.path());
    let started = Instant::now();
    let table = json_of(&server.run(&["replay", NEXT, "--output", "json"]));
    let seconds = started.elapsed().as_secs_f64();
    println!("{NEXT}: 100,000 over the API in {seconds:.2} s");
    assert_eq!(table["decisions"], 100_000);
    assert!(seconds <= 10.0, "{seconds} s");
}
