//! Limits, from the bundle to the answer.

use super::*;
use crate::bundle::ActiveBundle;

const HEAD: &str = "version: \"1\"\nname: limits\ndefault: allow\n";

fn install_bundle(active: &ActiveBundle, manifest: &str) {
    let bytes = format!("{HEAD}{manifest}").into_bytes();
    let bundle = compile(&[SourceFile { path: "bundle.yaml".to_owned(), bytes }]).unwrap();
    active.install(Arc::new(bundle), Path::new("/bundle"), 1);
}

async fn with(manifest: &str) -> Plane {
    let plane = plane_with(Settings::default(), None, defaults).await;
    install_bundle(&plane.app.bundle, manifest);
    plane
}

/// A call of its own: 650 bytes, 512 tokens at most.
fn call(id: &str) -> Value {
    question(json!({"call_id": id, "sdk": {"invocation_id": id}}))
}

async fn tell(plane: &Plane, id: &str, changes: Value) {
    let mut outcome = testdata("outcome.json");
    outcome["call_id"] = json!(id);
    for (key, value) in changes.as_object().unwrap() {
        outcome[key] = value.clone();
    }
    assert_eq!(plane.report(json!([outcome]), 0).await.status, StatusCode::OK);
}

async fn uses(plane: &Plane, query: &str) -> Vec<Value> {
    plane.get(&format!("/v1/limits{query}")).await.json()["limits"].as_array().unwrap().clone()
}

fn limit(id: &str, more: &str) -> String {
    format!("- {{id: {id}, window: 24h, {more}}}\n")
}

#[tokio::test]
async fn a_limit_does_what_it_says() {
    let cases = [
        (limit("few", "measure: requests, max: 1"), "throttle"),
        (limit("few", "measure: requests, max: 1, action: block, message: that is all"), "deny"),
        (limit("few", "measure: tokens, max: 1000"), "deny"),
        (limit("few", "measure: requests, max: 1, action: warn"), "allow"),
        (limit("few", "measure: requests, max: 1, mode: shadow"), "allow"),
        (limit("few", "measure: requests, max: 1, models: [\"anthropic.*\"]"), "allow"),
        // The strictest of two.
        (
            limit("few", "measure: requests, max: 1")
                + &limit("no", "measure: requests, max: 1, action: block"),
            "deny",
        ),
    ];
    for (limits, expected) in &cases {
        let plane = with(&format!("limits:\n{limits}")).await;
        assert_eq!(plane.decide(&call("a")).await["verdict"], "allow", "{limits}");
        let answer = plane.decide(&call("b")).await;
        println!("{} -> {answer}", limits.trim());
        assert_eq!(answer["verdict"], *expected, "{limits}");
        let shown = plane.get("/v1/decisions?call_id=b").await.json()["decisions"][0].clone();
        let charged = shown["charges"].as_array().map_or(0, Vec::len);
        let metrics = plane.get("/metrics").await.text;
        match *expected {
            "allow" if limits.contains("anthropic") => assert_eq!(charged, 0),
            "allow" => {
                assert_eq!(charged, 1, "{shown}");
                assert_eq!(shown["policy"]["matched"][0]["rule"], "limit/few");
                let shadow = limits.contains("shadow");
                assert_eq!(shown["policy"]["shadow"], if shadow { json!("throttle") } else { Value::Null });
                let action = if shadow { "shadow" } else { "warn" };
                let counter =
                    format!("portcullis_limit_exceeded_total{{limit=\"few\",action=\"{action}\"}} 1");
                assert!(metrics.contains(&counter), "{metrics}");
            }
            _ => {
                assert_eq!(charged, 0, "what stays takes nothing: {shown}");
                let rule = if limits.contains("id: no") { "limit/no" } else { "limit/few" };
                assert_eq!(shown["policy"]["rule"], rule);
                let message = answer["message"].as_str().unwrap();
                assert!(message.contains(rule.trim_start_matches("limit/")), "{message}");
                assert_eq!(limits.contains("that is all"), message.contains("that is all"), "{message}");
                assert_eq!(*expected == "throttle", answer["retry_after_seconds"].is_u64(), "{answer}");
                assert!(metrics.contains("portcullis_limit_used_ratio{limit=\"few\"}"), "{metrics}");
            }
        }
    }
    println!("compared {} limits", cases.len());
}

const PRICED: &str = "limits:
- {id: spend, measure: cost, max: 0.02, window: 1h, per: [principal.name]}
- {id: tokens, measure: tokens, max: 2000, window: 1h}
prices:
  currency: USD
  unpriced: deny
  models:
  - {models: [\"amazon.nova-*\"], input: 3.00, output: 15.00}
";

#[tokio::test]
async fn outcomes_settle_and_the_use_is_shown() {
    let plane = with(PRICED).await;
    let idle = uses(&plane, "").await;
    assert_eq!(idle.len(), 2, "those that nobody has used are shown as well: {idle:?}");
    let id = plane.decide(&call("a")).await["decision_id"].as_str().unwrap().to_owned();
    let one = uses(&plane, "?limit=tokens").await.remove(0);
    // 650 bytes are 217 tokens.
    assert_eq!(
        (&one["used"], &one["reserved"], &one["left"]),
        (&json!(729), &json!(729), &json!(1271)),
        "{one}"
    );
    assert_eq!(one["fill_percent"], 36.45);

    tell(&plane, "a", json!({"usage": {"input_tokens": 100, "output_tokens": 50}})).await;
    let one = uses(&plane, "?limit=tokens").await.remove(0);
    assert_eq!((&one["used"], &one["reserved"]), (&json!(150), &json!(0)), "{one}");
    let spend = uses(&plane, "?limit=spend").await.remove(0);
    assert_eq!(
        spend["cost"],
        json!({"currency": "USD", "max": "0.02", "used": "0.00105", "reserved": "0.00", "left": "0.01895"})
    );
    let shown = plane.get(&format!("/v1/decisions/{id}")).await.json();
    assert_eq!(shown["cost"], json!({"currency": "USD", "amount": "0.00105"}), "{shown}");

    let principal = spend["key"].as_str().unwrap().trim_start_matches("principal.name=").to_owned();
    assert_eq!(uses(&plane, &format!("?principal={principal}")).await, std::slice::from_ref(&spend));
    assert_eq!(uses(&plane, "?principal=nobody").await, [] as [Value; 0]);
    assert_eq!(
        uses(&plane, &format!("?key={}", spend["key"].as_str().unwrap().replace('=', "%3D"))).await,
        [spend]
    );
    let page = plane.get("/v1/limits?page_size=1").await.json();
    assert_eq!(
        (&page["total"], &page["limits"][0]["limit"]),
        (&json!(2), &json!("tokens")),
        "the fullest first"
    );
    let next = page["next"].as_str().unwrap();
    let page = plane.get(&format!("/v1/limits?page_size=1&cursor={next}")).await.json();
    assert_eq!((&page["limits"][0]["limit"], &page["next"]), (&json!("spend"), &Value::Null));
    for bad in ["?page_size=0", "?page_size=1001", "?cursor=x", "?limits=a"] {
        assert_eq!(plane.get(&format!("/v1/limits{bad}")).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn what_aws_refused_is_given_back_and_what_nobody_knows_is_not() {
    let plane = with(PRICED).await;
    for (id, changes, used) in [
        ("refused", json!({"status": 400}), 0),
        (
            "never-left",
            json!({"outcome": "failed", "forwarded": false, "status": 503, "response_bytes": 0}),
            0,
        ),
        ("cut", json!({"outcome": "aborted"}), 729),
        ("silent", json!({}), 2 * 729),
    ] {
        assert_eq!(plane.decide(&call(id)).await["verdict"], "allow", "{id}");
        tell(&plane, id, changes).await;
        let one = uses(&plane, "?limit=tokens").await.remove(0);
        assert_eq!((&one["used"], &one["reserved"]), (&json!(used), &json!(0)), "{id}: {one}");
    }
    assert_eq!(plane.decide(&call("more")).await["verdict"], "deny");
}

#[tokio::test]
async fn another_bundle_counts_on() {
    let plane = with(&format!("limits:\n{}", limit("l", "measure: requests, max: 2"))).await;
    assert_eq!(plane.decide(&call("a")).await["verdict"], "allow");
    install_bundle(&plane.app.bundle, "");
    assert_eq!(plane.decide(&call("b")).await["verdict"], "allow", "no limit, nothing counted");
    let gone = uses(&plane, "").await.remove(0);
    assert_eq!((&gone["active"], &gone["used"]), (&json!(false), &json!(1)), "{gone}");
    install_bundle(&plane.app.bundle, &format!("limits:\n{}", limit("l", "measure: requests, max: 1")));
    let back = uses(&plane, "").await.remove(0);
    assert_eq!((&back["active"], &back["used"], &back["max"]), (&json!(true), &json!(1), &json!(1)));
    assert_eq!(plane.decide(&call("c")).await["verdict"], "throttle", "it is back, and knows");
    install_bundle(&plane.app.bundle, &format!("limits:\n{}", limit("l", "measure: requests, max: 3")));
    assert_eq!(plane.decide(&call("d")).await["verdict"], "allow", "another maximum counts at once");
}

#[tokio::test]
async fn retries_of_one_invocation_are_one_call() {
    let plane = with(&format!("limits:\n{}", limit("l", "measure: requests, max: 2"))).await;
    let attempt = |id: &str, changes: Value| {
        let mut question = question(json!({"call_id": id}));
        for (key, value) in changes.as_object().unwrap() {
            question["body"][key] = value.clone();
        }
        question
    };
    let same = json!({});
    let other = json!({"sha256": "00".repeat(32)});
    for (id, changes, verdict) in
        [("a", &same, "allow"), ("b", &same, "allow"), ("c", &other, "allow"), ("d", &same, "allow")]
    {
        assert_eq!(plane.decide(&attempt(id, changes.clone())).await["verdict"], verdict, "{id}");
    }
    assert_eq!(uses(&plane, "").await[0]["used"], 2, "three attempts of one call, and another body");
    tell(&plane, "b", json!({})).await;
    assert_eq!(
        plane.decide(&attempt("e", same)).await["verdict"],
        "throttle",
        "after a success it is another call"
    );
}

#[tokio::test]
async fn a_commit_that_is_late_takes_nothing() {
    let settings = Settings { commit_timeout: std::time::Duration::from_millis(30), ..Settings::default() };
    let plane = plane_with(settings, None, defaults).await;
    install_bundle(&plane.app.bundle, &format!("limits:\n{}", limit("l", "measure: requests, max: 5")));
    let other = rusqlite::Connection::open(plane.dir.path().join("portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for id in ["a", "b", "c"] {
        let answer = plane.post("/v1/decisions", call(id).to_string()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    }
    other.execute_batch("ROLLBACK").unwrap();
    // The store takes this after all that it was asked before.
    while plane.app.store.flush().await.is_err() {}
    let recorded = plane.get("/v1/decisions").await.json()["decisions"].as_array().unwrap().len();
    println!("{recorded} landed though they were late");
    assert_eq!(uses(&plane, "").await[0]["used"], recorded, "what is recorded is counted, and nothing else");
}

#[tokio::test]
async fn a_person_may_let_a_call_out_over_a_limit() {
    let over = "measure: requests, max: 1, action: require_approval";
    let plane =
        with(&format!("limits:\n{}{}", limit("l", over), limit("hard", "measure: requests, max: 3"))).await;
    assert_eq!(plane.decide(&call("a")).await["verdict"], "allow");
    let pending = plane.decide(&call("b")).await;
    assert_eq!(pending["verdict"], "pending_approval", "{pending}");
    let approve = format!("/v1/approvals/{}/approve", pending["approval_id"].as_str().unwrap());
    let approved = plane.call("POST", &approve, Some(json!({"why": "once"}))).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text);
    let passed = plane.decide(&call("c")).await;
    assert_eq!(passed["verdict"], "allow", "the same call again: {passed}");
    let shown = plane.get("/v1/decisions?call_id=c").await.json()["decisions"][0].clone();
    assert_eq!(
        (&shown["approval"]["rule"], &shown["charges"][0]["limit"]),
        (&json!("limit/l"), &json!("l")),
        "{shown}"
    );
    let l = uses(&plane, "?limit=l").await.remove(0);
    assert_eq!(
        (&l["used"], &l["left"], &l["fill_percent"]),
        (&json!(2), &json!(0), &json!(200.0)),
        "it counts: {l}"
    );
    assert_eq!(plane.decide(&call("d")).await["verdict"], "pending_approval", "once is once");
    assert_eq!(uses(&plane, "?limit=hard").await[0]["used"], 2, "what waits takes nothing");
}
