//! The real binary: started, stopped, killed, started twice, with a full disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests panic as tests do; clippy knows only functions marked #[test]"
)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[path = "process/agents.rs"]
mod agents;
#[path = "process/approvals.rs"]
mod approvals;
#[path = "process/audit.rs"]
mod audit;
#[path = "process/exports.rs"]
mod exports;
#[path = "process/search.rs"]
mod search;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");
const DATA_TOKEN: &str = "pcl_data_for_tests_of_the_process";
const ADMIN_TOKEN: &str = "pcl_admin_for_tests_of_the_process";

/// A command without the environment of whoever runs the tests.
fn portcullis(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).env_clear();
    command
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A running server; killed when dropped.
struct Server {
    child: Child,
    data: String,
    admin: String,
    agent: ureq::Agent,
}

impl Server {
    fn start(data_dir: &Path, bundle: &Path, extra: &[&str]) -> Server {
        let mut child = portcullis(&["serve", "--data-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(data_dir)
            .arg("--bundle")
            .arg(bundle)
            .args(extra)
            .env("PORTCULLIS_BOOTSTRAP_DATA_TOKEN", DATA_TOKEN)
            .env("PORTCULLIS_BOOTSTRAP_ADMIN_TOKEN", ADMIN_TOKEN)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).expect("one line of JSON with the addresses");
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(Duration::from_secs(20)))
            .build();
        let url = |key: &str| format!("http://{}", ports[key].as_str().unwrap());
        Server { child, data: url("data"), admin: url("admin"), agent: agent.into() }
    }

    fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.data));
        let mut answer = request.header("authorization", format!("Bearer {DATA_TOKEN}")).send_json(body)?;
        Ok((answer.status().as_u16(), answer.body_mut().read_json()?))
    }

    fn decide(&self, call_id: &str) -> Result<(u16, Value), ureq::Error> {
        self.post("/v1/decisions", &question(call_id))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let request = self.agent.get(format!("{}{path}", self.admin));
        let mut answer = request.header("authorization", format!("Bearer {ADMIN_TOKEN}")).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    fn client(&self, args: &[&str]) -> Command {
        let mut command = portcullis(args);
        command.env("PORTCULLIS_URL", &self.admin).env("PORTCULLIS_ADMIN_TOKEN", ADMIN_TOKEN);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn question(call_id: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/api/question.json");
    let path = if path.exists() { path } else { "testdata/api/question.json".into() };
    let mut question: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    question["call_id"] = json!(call_id);
    question
}

fn bundle(directory: &Path) -> std::path::PathBuf {
    let bundle = directory.join("bundle");
    std::fs::create_dir_all(&bundle).unwrap();
    std::fs::write(bundle.join("bundle.yaml"), "version: \"1.0\"\nname: process\ndefault: allow\n").unwrap();
    bundle
}

fn dirs() -> (TempDir, std::path::PathBuf, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let (data, bundle) = (dir.path().join("data"), bundle(dir.path()));
    (dir, data, bundle)
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_day_in_the_life() {
    let (dir, data, bundle) = dirs();
    // Before the server: the first tokens, offline.
    let made = run(portcullis(&["keys", "create", "--kind", "admin", "--name", "me", "--output", "json"])
        .arg("--data-dir")
        .arg(&data));
    let made: Value = serde_json::from_str(&stdout(&made)).unwrap();

    let ports = dir.path().join("ports.json");
    let mut server = Server::start(&data, &bundle, &["--ports-file", ports.to_str().unwrap()]);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&ports).unwrap()).unwrap();
    assert_eq!(format!("http://{}", written["admin"].as_str().unwrap()), server.admin);

    assert_eq!(server.get("/readyz").0, 200);
    let (status, answer) = server.decide("call-1").unwrap();
    assert_eq!((status, &answer["verdict"]), (200, &json!("allow")), "{answer}");

    // A second server, or the offline command, on the same store: refused, and told what to do.
    let second = run(portcullis(&["serve", "--data-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(&data));
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains("another process is using the store"), "{error}");
    let offline = run(portcullis(&["keys", "list"]).arg("--data-dir").arg(&data));
    assert!(String::from_utf8_lossy(&offline.stderr).contains("PORTCULLIS_URL"), "the message says how");

    // The command line through the admin API, with the token made offline.
    let found = run(server
        .client(&["audit", "search", "--output", "json", "--since", "1h"])
        .env("PORTCULLIS_ADMIN_TOKEN", made["token"].as_str().unwrap()));
    let found: Value = serde_json::from_str(stdout(&found).trim()).unwrap();
    assert_eq!(found["decision_id"], answer["decision_id"]);
    let table = stdout(&run(&mut server.client(&["audit", "tail", "--no-follow", "-n", "5"])));
    assert!(table.contains("Converse") && table.contains("allow"), "{table}");
    let aws = run(&mut server.client(&["keys", "create", "--kind", "aws", "--name", "app"]));
    assert!(stdout(&aws).starts_with("AWS_ACCESS_KEY_ID=AKIA"));
    let listed = stdout(&run(&mut server.client(&["keys", "list"])));
    assert!(listed.contains("app") && listed.contains("me"), "{listed}");
    let wrong = run(server.client(&["audit", "search"]).env("PORTCULLIS_ADMIN_TOKEN", DATA_TOKEN));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("wrong_token_kind"));

    // The bundle changes, and the change is on record.
    let rules = bundle.join("rules");
    std::fs::create_dir(&rules).unwrap();
    let rule = "version: \"1.0\"\nname: r\nrules:\n- {id: no-nova, action: block, models: [\"*nova*\"], message: no}\n";
    std::fs::write(rules.join("r.yaml"), rule).unwrap();
    let mut at = 1;
    wait_until("the new rule", || {
        at += 1;
        server.decide(&format!("call-{at}")).unwrap().1["verdict"] == "deny"
    });
    wait_until("the event", || server.get("/v1/events").1["events"][0]["detail"]["generation"] == 2);

    server.signal("TERM");
    assert!(server.child.wait().unwrap().success(), "SIGTERM is an orderly end");
    let reopened = Server::start(&data, &bundle, &[]);
    let (_, page) = reopened.get("/v1/decisions?order=asc");
    assert_eq!(page["decisions"][0]["decision_id"], answer["decision_id"]);
    assert_eq!(reopened.decide("call-1").unwrap().1["verdict"], "allow", "what was decided stays decided");
}

#[test]
fn audit_tail_follows() {
    let (_dir, data, bundle) = dirs();
    let server = Server::start(&data, &bundle, &[]);
    let mut tail = server
        .client(&["audit", "tail", "-n", "1", "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    for call_id in ["a", "b", "c"] {
        server.decide(call_id).unwrap();
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line["call_id"], call_id);
    }
    tail.kill().unwrap();
    tail.wait().unwrap();
}

#[test]
fn kill_9_under_load_loses_nothing_answered() {
    let (_dir, data, bundle) = dirs();
    let mut answered: Vec<String> = Vec::new();
    for round in 0..3 {
        let server = Server::start(&data, &bundle, &[]);
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (server, tell) = (&server, tell.clone());
                scope.spawn(move || {
                    for at in 0.. {
                        match server.decide(&format!("{round}-{lane}-{at}")) {
                            Ok((200, answer)) => {
                                tell.send(answer["decision_id"].as_str().unwrap().to_owned()).unwrap()
                            }
                            _ => return,
                        }
                    }
                });
            }
            drop(tell);
            let mut seen = 0;
            for id in told {
                answered.push(id);
                seen += 1;
                if seen == 200 {
                    server.signal("KILL");
                }
            }
        });
    }
    let server = Server::start(&data, &bundle, &[]);
    for id in &answered {
        assert_eq!(server.get(&format!("/v1/decisions/{id}")).0, 200, "{id} was answered and is gone");
    }
    println!("killed 3 times, found all {} answered decisions", answered.len());
}

/// A real full disk, where tests may mount one; elsewhere the store's own tests stand in for it.
/// Callers at once against a budget, each telling what it used, and a kill in the middle: what has gone out is counted,
/// none of it twice.
#[test]
fn kill_9_under_load_keeps_what_was_used_of_a_limit() {
    const MAX: u64 = 60_000;
    let (_dir, data, bundle) = dirs();
    let manifest = format!(
        "version: \"1.0\"\nname: process\ndefault: allow\nlimits:\n- {{id: tokens, measure: tokens, max: {MAX}, window: 1h}}\n"
    );
    std::fs::write(bundle.join("bundle.yaml"), manifest).unwrap();
    let (mut out, mut table) = (0u64, Vec::new());
    for round in 0..4u64 {
        let mut server = Server::start(&data, &bundle, &[]);
        let before = tokens(&server);
        // Since the last record and outcome that the dead process had made durable.
        let (reserved, used) = recorded(&server);
        assert_eq!(before, reserved + used, "round {round}: as the records say");
        assert!(before <= MAX);
        table.push((round, out, reserved, used, before));
        let done = std::sync::atomic::AtomicBool::new(false);
        let went = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            let (server, done, went) = (&server, &done, &went);
            for lane in 0..16 {
                scope.spawn(move || {
                    for at in 0.. {
                        let call = format!("{round}-{lane}-{at}");
                        let mut question = question(&call);
                        question["sdk"] = json!({});
                        let Ok((200, answer)) = server.post("/v1/decisions", &question) else { return };
                        if answer["verdict"] != "allow" || done.load(std::sync::atomic::Ordering::Relaxed) {
                            return;
                        }
                        went.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        let outcome = json!({
                            "call_id": call, "outcome": "completed", "status": 200, "forwarded": true,
                            "duration_ms": 1, "decision_ms": 1, "ended_at_ms": 1, "usage": {"output_tokens": lane * 5},
                        });
                        let batch = json!({"version": portcullis_protocol::VERSION, "gate": "gate-1", "outcomes": [outcome]});
                        let _ = server.post("/v1/outcomes", &batch);
                    }
                });
            }
            wait_until("some calls", || went.load(std::sync::atomic::Ordering::Relaxed) > 150);
            server.signal("KILL");
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        out += went.load(std::sync::atomic::Ordering::Relaxed);
        server.child.wait().unwrap();
    }
    let server = Server::start(&data, &bundle, &[]);
    let list = stdout(&run(&mut server.client(&["limits", "list", "--limit", "tokens"])));
    println!("{list}");
    assert!(
        list.contains("tokens") && list.contains(&format!("{MAX} tokens")) && list.contains("1h"),
        "{list}"
    );
    let json = stdout(&run(&mut server.client(&["limits", "list", "--output", "json"])));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["limits"][0]["used"], tokens(&server), "{json}");
    println!("kills  went out  reserved  settled  counted");
    for (kills, out, reserved, used, counted) in table {
        println!("{kills:>5} {out:>9} {reserved:>9} {used:>8} {counted:>8}");
    }
}

/// What the limit `tokens` has counted.
fn tokens(server: &Server) -> u64 {
    server.get("/v1/limits?limit=tokens").1["limits"][0]["used"].as_u64().unwrap()
}

/// What the records say: reserved by calls without an outcome, and used by those with one.
fn recorded(server: &Server) -> (u64, u64) {
    let (mut reserved, mut used, mut cursor) = (0, 0, None);
    loop {
        let from = cursor.map(|cursor: String| format!("&cursor={cursor}")).unwrap_or_default();
        let (_, page) = server.get(&format!("/v1/decisions?verdict=allow&limit=1000{from}"));
        for decision in page["decisions"].as_array().unwrap() {
            match decision["outcome"]["usage"]["output_tokens"].as_u64() {
                Some(tokens) => used += tokens,
                None => reserved += decision["charges"][0]["amount"].as_u64().unwrap(),
            }
        }
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (reserved, used),
        }
    }
}

#[test]
fn a_full_disk_refuses_and_room_heals() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = bundle(dir.path());
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        let required = std::env::var("PORTCULLIS_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|name| name == "mount"), "cannot mount a tmpfs");
        println!("SKIPPED: mounting a small file system needs root");
        return;
    }
    let unmount = Unmount(disk.clone());
    let server = Server::start(&disk.join("data"), &bundle, &[]);
    let mut allowed = 0;
    let refused = loop {
        let (status, answer) = server.decide(&format!("call-{allowed}")).unwrap();
        if status != 200 {
            break (status, answer);
        }
        allowed += 1;
        assert!(allowed < 5_000, "the disk never got full");
    };
    assert_eq!((refused.0, &refused.1["code"]), (503, &json!("store_unavailable")), "{}", refused.1);
    assert_eq!(server.get("/readyz").0, 503);
    println!("full after {allowed} decisions: {}", refused.1["detail"]);
    let grown = Command::new("mount").args(["-o", "remount,size=16m"]).arg(&disk).status().unwrap();
    assert!(grown.success());
    assert_eq!(server.decide("after").unwrap().0, 200, "no restart is needed");
    wait_until("readiness", || server.get("/readyz").0 == 200);
    drop(server);
    drop(unmount);
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(&self.0).status();
    }
}

#[test]
fn mistakes_are_told_and_have_their_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("portcullis.yaml");
    std::fs::write(&bad, "data_adr: 127.0.0.1:1\n").unwrap();
    let bad = bad.to_str().unwrap();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["serve", "--config", bad], 1, "data_adr"),
        (&["serve", "--config", "/does/not/exist"], 1, "/does/not/exist"),
        (&["serve", "--data-addr", "nowhere"], 1, "127.0.0.1:8181"),
        (&["serve", "--colour"], 2, "--colour"),
        (&["audit", "search"], 1, "PORTCULLIS_ADMIN_TOKEN"),
        (&["audit", "search", "--admin-token", "x", "--url", "http://127.0.0.1:1"], 1, "portcullis serve"),
        (&["policy", "check", "/does/not/exist"], 2, "/does/not/exist"),
    ];
    for (args, code, hint) in cases {
        let output = run(&mut portcullis(args));
        let text =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        assert!(text.contains(hint), "{args:?}: {text}");
    }
    println!("compared {} mistakes", cases.len());
}

#[test]
fn policy_check_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = bundle(dir.path());
    let check = |args: &[&str]| run(portcullis(&["policy", "check"]).arg(&bundle).args(args));
    assert_eq!(check(&[]).status.code(), Some(0));
    std::fs::write(bundle.join("bundle.yaml"), "version: \"1.0\"\nname: x\ndefualt: allow\n").unwrap();
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("bundle.yaml:3:"), "{text}");
    let json: Value = serde_json::from_slice(&check(&["--output", "json"]).stdout).unwrap();
    let lines: Vec<_> = json.as_array().unwrap().iter().map(|diagnostic| &diagnostic["line"]).collect();
    assert!(lines.contains(&&json!(3)), "{json}");
}
