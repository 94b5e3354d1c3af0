//! The listener of agents, and tokens of agents that are made before the server runs.

use super::*;

#[test]
fn agents_have_a_listener_of_their_own_where_it_is_wanted() {
    let (dir, data, bundle) = dirs();
    let made = run(portcullis(&["keys", "create", "--kind", "agent", "--name", "payments", "--data-dir"])
        .arg(&data)
        .args([
            "--agent",
            "AGENT12345",
            "--tools",
            "get_*,GET /accounts/*",
            "--expires",
            "12h",
            "--tenant",
            "emea",
        ]));
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(told.contains("and is good until 20"), "{told}");
    let token = stdout(&made).trim().to_owned();
    assert!(token.starts_with("pcl_agent_"), "{token}");
    let listed = stdout(&run(portcullis(&["keys", "list", "--data-dir"]).arg(&data)));
    assert!(listed.contains("AGENT12345") && listed.contains("get_*,GET /accounts/*"), "{listed}");

    let ports = dir.path().join("ports.json");
    let socket = format!("unix:{}", dir.path().join("data.sock").display());
    let server = Server::start(
        &data,
        &bundle,
        &["--ports-file", ports.to_str().unwrap(), "--agents-addr", "127.0.0.1:0", "--data-threads", "2"],
    );
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&ports).unwrap()).unwrap();
    let agents = format!("http://{}", written["agents"].as_str().unwrap());
    assert_ne!(agents, server.data);
    let ask = |base: &str, tool: &str| {
        let request = server.agent.post(format!("{base}/v1/guard"));
        let body = json!({"tool": tool, "context": {"tenant": "emea"}});
        let mut answer = request.header("authorization", format!("Bearer {token}")).send_json(&body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json::<Value>().unwrap()["decision"].clone())
    };
    for base in [&agents, &server.data] {
        assert_eq!(ask(base, "get_balance"), (200, json!("allow")), "{base}");
        assert_eq!(ask(base, "close_account"), (200, json!("deny")), "{base}");
    }
    let found = run(&mut server.client(&["audit", "search", "--output", "json", "--verdict", "deny"]));
    let first: Value = serde_json::from_str(stdout(&found).lines().next().unwrap()).unwrap();
    assert!(
        first["source"]["address"].as_str().is_some_and(|from| from.starts_with("127.0.0.1:")),
        "{first}"
    );
    let elsewhere = server.agent.post(format!("{agents}/v1/decisions")).send_json(question("c")).unwrap();
    assert_eq!(elsewhere.status().as_u16(), 404);
    drop(server);

    // A place that is taken is told of, and nothing is served.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = run(portcullis(&["serve", "--admin-addr", "127.0.0.1:0", "--data-addr", &socket])
        .args(["--agents-addr", &address, "--data-dir"])
        .arg(&data));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && error.contains("--agents-addr"), "{error}");
    let wrong = run(portcullis(&["serve", "--agents-addr", "everywhere", "--data-dir"]).arg(&data));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("agents_addr"), "{wrong:?}");
}
