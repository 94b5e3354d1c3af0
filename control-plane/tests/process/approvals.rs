//! Approvals over the real binary: the command line with its exit codes, kills in between, webhooks from a file.

use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;

const RULE: &str = "version: \"1.0\"\nname: r\nrules:\n- {id: ask, action: require_approval, models: [\"*nova*\"], message: Nova needs a yes}\n";
const PRINCIPAL: &str = "aws:581039954779:AKIAIOSFODNN7EXAMPLE";

fn asking() -> (TempDir, std::path::PathBuf, std::path::PathBuf) {
    let (dir, data, bundle) = dirs();
    std::fs::create_dir(bundle.join("rules")).unwrap();
    std::fs::write(bundle.join("rules/r.yaml"), RULE).unwrap();
    (dir, data, bundle)
}

impl Server {
    fn approvals(&self, args: &[&str]) -> Output {
        run(&mut self.client(&[&["approvals"], args].concat()))
    }

    fn pending(&self, call_id: &str) -> String {
        let (status, answer) = self.decide(call_id).unwrap();
        assert_eq!((status, &answer["verdict"]), (200, &json!("pending_approval")), "{answer}");
        answer["approval_id"].as_str().unwrap().to_owned()
    }
}

fn code(output: &Output, hint: &str) -> i32 {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(hint), "{hint}: {text}");
    output.status.code().unwrap()
}

#[test]
fn the_command_line_answers_and_says_how_it_went() {
    let (_dir, data, bundle) = asking();
    let server = Server::start(&data, &bundle, &["--approvals-link", "https://gate.example/a/{id}"]);
    let waiting = server.client(&["approvals", "list", "--wait"]).stdout(Stdio::piped()).spawn().unwrap();
    let (_, answer) = server.decide("c1").unwrap();
    let id = answer["approval_id"].as_str().unwrap();
    assert!(
        answer["message"].as_str().unwrap().contains(&format!("https://gate.example/a/{id}")),
        "{answer}"
    );
    let waited = stdout(&waiting.wait_with_output().unwrap());
    assert!(waited.contains(id), "{waited}");

    let listed = stdout(&server.approvals(&["list"]));
    assert!(
        listed.contains(id) && listed.contains("Nova needs a yes") && listed.contains(PRINCIPAL),
        "{listed}"
    );
    let json_line = stdout(&server.approvals(&["list", "--output", "json"]));
    assert_eq!(serde_json::from_str::<Value>(json_line.trim()).unwrap()["id"], id);
    let shown = stdout(&server.approvals(&["show", id]));
    for known in ["ask", "Converse", "eu.amazon.nova-lite-v1:0", "10.1.2.3", "650 bytes", "get_weather"] {
        assert!(shown.contains(known), "{known}: {shown}");
    }

    let own = ["keys", "create", "--kind", "admin", "--name", "laptop", "--principal", PRINCIPAL];
    let own = stdout(&run(&mut server.client(&own)));
    let own = run(server.client(&["approvals", "approve", id]).env("PORTCULLIS_ADMIN_TOKEN", own.trim()));
    assert_eq!(code(&own, "approval_self"), 5);
    let yes = stdout(&server.approvals(&["approve", id, "--why", "ticket 7"]));
    assert!(yes.contains("approved") && yes.contains(PRINCIPAL), "{yes}");
    assert_eq!(code(&server.approvals(&["deny", id]), "approved already, by bootstrap"), 4);
    assert_eq!(server.decide("c2").unwrap().1["verdict"], "allow");
    assert_eq!(code(&server.approvals(&["approve", id]), "approval_consumed"), 4);
    assert!(stdout(&server.approvals(&["show", id])).contains("ticket 7"));
    assert_eq!(code(&server.approvals(&["show", "apr_0"]), "approval_not_found"), 3);
    assert_eq!(code(&server.approvals(&["approve", "../keys"]), "is no id"), 1);
    assert_eq!(code(&server.approvals(&["approve"]), "Usage"), 2);

    let grant = [
        "grant",
        "--rule",
        "ask",
        "--principal",
        PRINCIPAL,
        "--uses",
        "1",
        "--ttl",
        "1h",
        "--output",
        "json",
    ];
    let made: Value = serde_json::from_str(stdout(&server.approvals(&grant)).trim()).unwrap();
    assert_eq!(server.decide("c3").unwrap().1["verdict"], "allow");
    assert!(stdout(&server.approvals(&["grants"])).contains("spent"));
    assert_eq!(code(&server.approvals(&["revoke", made["id"].as_str().unwrap()]), "grant_over"), 4);
    assert_eq!(code(&server.approvals(&["revoke", "grt_0"]), "grant_not_found"), 3);
    let id = server.pending("c4");
    assert!(stdout(&server.approvals(&["deny", &id, "--why", "no"])).contains("denied"));
    assert_eq!(server.decide("c5").unwrap().1["verdict"], "deny");
    let mut gone = server.client(&["approvals", "list"]);
    drop(server);
    assert_eq!(code(&run(&mut gone), "cannot reach"), 1);
}

/// The same call from four callers, answered by two approvers, the process killed in between: no answer is lost, and none
/// lets out two calls.
#[test]
fn kill_9_loses_no_answer_and_none_counts_twice() {
    let (_dir, data, bundle) = asking();
    let (mut allowed, mut approved) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let server = Server::start(&data, &bundle, &[]);
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            for lane in 0..4 {
                let (server, tell) = (&server, tell.clone());
                scope.spawn(move || {
                    for at in 0.. {
                        let Ok((200, answer)) = server.decide(&format!("{round}-{lane}-{at}")) else {
                            return;
                        };
                        if answer["verdict"] == "allow" {
                            let _ = tell.send(("allow", answer["decision_id"].as_str().unwrap().to_owned()));
                        }
                    }
                });
            }
            for _ in 0..2 {
                let (server, tell) = (&server, tell.clone());
                scope.spawn(move || {
                    loop {
                        let Some(page) = server.admin("GET", "/v1/approvals?state=pending&limit=1") else {
                            return;
                        };
                        let Some(id) = page["approvals"][0]["id"].as_str() else { continue };
                        let Some(after) = server.admin("POST", &format!("/v1/approvals/{id}/approve")) else {
                            return;
                        };
                        if after["state"] == "approved" {
                            let _ = tell.send(("approve", id.to_owned()));
                        }
                    }
                });
            }
            drop(tell);
            let mut seen = 0;
            for (what, id) in told {
                seen += usize::from(what == "allow");
                if what == "allow" {
                    allowed.push(id)
                } else {
                    approved.push(id)
                }
                if seen == 25 {
                    server.signal("KILL");
                }
            }
        });
    }
    let server = Server::start(&data, &bundle, &[]);
    let mut used = std::collections::BTreeSet::new();
    for id in &allowed {
        let (status, record) = server.get(&format!("/v1/decisions/{id}"));
        assert_eq!((status, &record["verdict"]["kind"]), (200, &json!("allow")), "{id}");
        let by = record["approval"]["id"].as_str().unwrap().to_owned();
        assert!(used.insert(by.clone()), "{by} let out two calls");
    }
    for id in &approved {
        let state = server.get(&format!("/v1/approvals/{id}")).1["state"].clone();
        assert!(state == "approved" || state == "consumed", "{id} was answered and is {state}");
    }
    let consumed =
        server.get("/v1/approvals?state=consumed&limit=1000").1["approvals"].as_array().unwrap().len();
    let let_out =
        server.get("/v1/decisions?verdict=allow&limit=1000").1["decisions"].as_array().unwrap().len();
    assert_eq!(consumed, let_out, "each answer that is used up has let out one call");
    println!(
        "killed 3 times: {} answers all kept; {let_out} calls on record as let out, one per answer, {} of them heard of",
        approved.len(),
        allowed.len()
    );
}

impl Server {
    /// The answer, whatever its status; `None` when the server is gone.
    fn admin(&self, method: &str, path: &str) -> Option<Value> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.admin))
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .body(());
        self.agent.run(request.unwrap()).ok()?.body_mut().read_json().ok()
    }
}

#[test]
fn webhooks_of_the_file_are_told_even_after_a_kill() {
    let (dir, data, bundle) = asking();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody answers there yet: the listener's backlog takes connections, and nothing reads them.
    let config = dir.path().join("portcullis.yaml");
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "0123456789abcdef0123\n").unwrap();
    let yaml = format!(
        "webhooks:\n- {{name: ops, url: \"http://{address}/\", secret_file: {}, events: [approval.pending]}}\n",
        secret.display()
    );
    std::fs::write(&config, yaml).unwrap();
    let extra = ["--config", config.to_str().unwrap()];
    let server = Server::start(&data, &bundle, &extra);
    let id = server.pending("c1");
    server.signal("KILL");
    drop(server);
    // Ends with the test's process; the first that it reads is what the killed server had sent.
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(&stream);
            let (mut text, mut line, mut length) = (String::new(), String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                length = line
                    .to_lowercase()
                    .strip_prefix("content-length: ")
                    .map_or(length, |n| n.trim().parse().unwrap());
                text.push_str(&std::mem::take(&mut line));
            }
            let mut body = vec![0; length];
            if length > 0 && reader.read_exact(&mut body).is_ok() {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = tell.send(text + &String::from_utf8_lossy(&body));
            }
        }
    });
    let server = Server::start(&data, &bundle, &extra);
    wait_until("the delivery on record", || {
        let mut answer = server.agent.get(format!("{}/metrics", server.admin)).call().unwrap();
        answer.body_mut().read_to_string().unwrap().contains("webhook=\"ops\",result=\"delivered\"")
    });
    let requests: Vec<String> = told.try_iter().collect();
    assert!(!requests.is_empty());
    for request in requests {
        assert!(request.contains(&id) && request.contains("approval.pending"), "{request}");
        assert!(request.to_lowercase().contains("x-portcullis-signature: t="), "{request}");
    }
    let bad = dir.path().join("bad.yaml");
    std::fs::write(&bad, "webhooks:\n- {name: ops, url: 'http://x/', secret_env: NOT_THERE}\n").unwrap();
    let refused =
        run(portcullis(&["serve", "--config"]).arg(&bad).arg("--data-dir").arg(dir.path().join("other")));
    assert_eq!(code(&refused, "NOT_THERE"), 1);
}
