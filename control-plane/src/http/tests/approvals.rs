//! Calls that wait for a person: asked, answered, let out once.

use super::*;
use crate::app::Expiry;
use std::time::Duration;
use tokio::time::Instant;

const ASK: &str = "version: \"1.0\"\nname: Approvals\nrules:\n- id: ask-nova\n  action: require_approval\n  models: [\"*nova*\"]\n  message: Nova needs a yes\n";

fn rules(approval: &str) -> String {
    format!("{ASK}  approval: {{{approval}}}\n")
}

async fn asking(approval: &str) -> Plane {
    let rules = if approval.is_empty() { ASK.to_owned() } else { rules(approval) };
    plane_with(Settings::default(), Some(&rules), defaults).await
}

/// The call again, as an SDK sends it again: another exchange, another port, the same body.
fn call(name: &str) -> Value {
    let port = 10_000 + name.bytes().map(u64::from).sum::<u64>();
    question(json!({
        "call_id": name,
        "source": {"address": format!("10.1.2.3:{port}")},
        "sdk": {"invocation_id": name, "attempt": "attempt=1; max=5"},
    }))
}

fn held(name: &str, approval: &Value) -> Value {
    let mut question = call(name);
    question["held"] = approval.clone();
    question
}

const PRINCIPAL: &str = "aws:581039954779:AKIAIOSFODNN7EXAMPLE";

impl Plane {
    async fn answer(&self, id: &Value, verb: &str, why: &str) -> Answer {
        let path = format!("/v1/approvals/{}/{verb}", id.as_str().unwrap());
        self.call("POST", &path, Some(json!({ "why": why }))).await
    }

    /// Calls the admin API with a token made for that purpose.
    async fn call_as(&self, name: &str, principal: Option<&str>, path: &str, body: Value) -> Answer {
        let wish = json!({"kind": "admin", "name": name, "principal": principal});
        let made = self.call("POST", "/v1/keys", Some(wish)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", made.json()["token"].as_str().unwrap()))
            .body(Body::from(body.to_string()));
        send(&self.admin, request.unwrap()).await
    }

    async fn restarted(self, rules: &str) -> Plane {
        let Plane { app, data, admin, dir, .. } = self;
        drop((app, data, admin));
        let bundle = ActiveBundle::empty();
        install(&bundle, rules);
        plane_of(Settings::default(), dir, bundle, defaults).await
    }
}

#[tokio::test]
async fn the_same_call_asks_once_passes_once_and_asks_again() {
    let plane = asking("").await;
    let first = plane.decide(&call("c1")).await;
    assert_eq!(first["verdict"], "pending_approval");
    let id = &first["approval_id"];
    let message = first["message"].as_str().unwrap();
    let id_text = id.as_str().unwrap();
    assert_eq!(
        message,
        format!(
            "portcullis: rule `ask-nova`: Nova needs a yes (approval {id_text}; portcullis approvals approve {id_text})"
        )
    );
    let again = plane.decide(&call("c2")).await;
    assert_eq!((&again["verdict"], &again["approval_id"]), (&json!("pending_approval"), id));
    let mut other = call("c3");
    other["body"]["sha256"] = json!("00".repeat(32));
    assert_ne!(&plane.decide(&other).await["approval_id"], id, "another body is another call");

    let plane = plane.restarted(ASK).await;
    let approved = plane.answer(id, "approve", "ticket 7").await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text);
    assert_eq!(approved.json()["state"], "approved");

    let plane = plane.restarted(ASK).await;
    let out = plane.decide(&call("c4")).await;
    assert_eq!(out["verdict"], "allow");
    assert_eq!(plane.decide(&call("c4")).await, out, "the same question has the same answer");
    let record = plane.get(&format!("/v1/decisions/{}", out["decision_id"].as_str().unwrap())).await.json();
    assert_eq!(record["approval"], json!({"id": id, "by": "auditor", "rule": "ask-nova"}));
    assert_eq!(
        (&record["policy"]["rule"], &record["verdict"]["kind"]),
        (&json!("ask-nova"), &json!("allow"))
    );

    let plane = plane.restarted(ASK).await;
    let next = plane.decide(&call("c5")).await;
    assert_eq!(next["verdict"], "pending_approval");
    assert_ne!(&next["approval_id"], id, "an answer is good for one call");
    let shown = plane.get(&format!("/v1/approvals/{id_text}")).await.json();
    let history: Vec<_> =
        shown["history"].as_array().unwrap().iter().map(|t| (&t["to"], &t["by"], &t["why"])).collect();
    println!("{history:?}");
    assert_eq!(shown["state"], "consumed");
    assert_eq!(shown["call"]["principal"], PRINCIPAL);
    assert_eq!(shown["call"]["models"], json!(["eu.amazon.nova-lite-v1:0"]));
    assert_eq!(shown["context"]["source"], "10.1.2.3");
    let events = plane.get("/v1/events").await.json();
    let told: Vec<_> =
        events["events"].as_array().unwrap().iter().filter(|e| e["kind"] == "approval").collect();
    assert_eq!(told.len(), 5, "three questions, a yes, a call: {events}");
}

#[tokio::test]
async fn a_denied_call_is_refused_until_it_would_have_expired() {
    let plane = asking("").await;
    let id = plane.decide(&call("c1")).await["approval_id"].clone();
    assert_eq!(plane.answer(&id, "deny", "no budget").await.json()["state"], "denied");
    let plane = plane.restarted(ASK).await;
    let refused = plane.decide(&call("c2")).await;
    assert_eq!(refused["verdict"], "deny");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("rule `ask-nova`: denied by auditor"), "{message}");
    assert!(!message.contains("no budget"), "the reason is for the record: {message}");

    let later = crate::clock::unix_ms() + 25 * 3_600_000;
    Expiry::new(Arc::clone(&plane.app)).pass(later).await.unwrap();
    let asked = plane.decide(&call("c3")).await;
    assert_eq!(asked["verdict"], "pending_approval");
    assert_ne!(asked["approval_id"], id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_callers_at_once_make_one_question_and_one_of_them_gets_out() {
    let plane = Arc::new(asking("").await);
    let at_once = |round: &'static str| {
        let plane = Arc::clone(&plane);
        async move {
            let calls: Vec<_> = (0..16)
                .map(|n| {
                    let plane = Arc::clone(&plane);
                    tokio::spawn(async move { plane.decide(&call(&format!("{round}-{n}"))).await })
                })
                .collect();
            let mut answers = Vec::new();
            for call in calls {
                answers.push(call.await.unwrap());
            }
            answers
        }
    };
    let asked = at_once("ask").await;
    let id = asked[0]["approval_id"].clone();
    assert!(asked.iter().all(|answer| answer["approval_id"] == id), "{asked:?}");
    assert_eq!(plane.get("/v1/approvals").await.json()["approvals"].as_array().unwrap().len(), 1);
    plane.answer(&id, "approve", "").await;
    let answers = at_once("go").await;
    let out = answers.iter().filter(|answer| answer["verdict"] == "allow").count();
    let pending = answers.iter().filter(|answer| answer["verdict"] == "pending_approval").count();
    assert_eq!((out, pending), (1, 15), "{answers:?}");
    let next: std::collections::BTreeSet<_> =
        answers.iter().filter_map(|answer| answer["approval_id"].as_str()).collect();
    assert_eq!(next.len(), 1, "and those who did not, ask one question");
    println!("16 asked: 1 approval; 16 called: 1 let out, 15 wait for 1 new approval");
}

#[tokio::test]
async fn answers_that_cannot_be_given() {
    let plane = asking("approvers: [\"audit*\", carol]").await;
    let id = plane.decide(&call("c1")).await["approval_id"].clone();
    let id = id.as_str().unwrap();
    let path = format!("/v1/approvals/{id}/approve");
    let no_why = json!({});
    let grant = json!({"rule": "ask-nova", "principal": PRINCIPAL, "uses": 1, "ttl": "1h"});
    let foreign_grant = plane.call_as("trudy", None, "/v1/grants", grant).await;
    let foreign = plane.call_as("mallory", None, &path, no_why.clone()).await;
    let own = plane.call_as("laptop", Some(PRINCIPAL), &path, no_why.clone()).await;
    let named = plane.call_as(PRINCIPAL, None, &path, no_why.clone()).await;
    let unknown = plane.call("POST", "/v1/approvals/apr_0/approve", None).await;
    let long = plane.call("POST", &path, Some(json!({"why": "x".repeat(1_001)}))).await;
    let typo = plane.call("POST", &path, Some(json!({"reason": "x"}))).await;
    let yes = plane.call_as("carols-token", Some("Carol"), &path, no_why.clone()).await;
    assert_eq!(yes.status, StatusCode::OK, "{}", yes.text);
    let twice = plane.call("POST", &path, None).await;
    let no_after = plane.call("POST", &format!("/v1/approvals/{id}/deny"), None).await;
    assert!(twice.json()["detail"].as_str().unwrap().contains("approved already, by carols-token (Carol)"));
    assert_eq!(plane.decide(&call("c2")).await["verdict"], "allow");
    let consumed = plane.call("POST", &path, None).await;
    let late = plane.decide(&call("c3")).await["approval_id"].as_str().unwrap().to_owned();
    let later = crate::clock::unix_ms() + 25 * 3_600_000;
    Expiry::new(Arc::clone(&plane.app)).pass(later).await.unwrap();
    let expired = plane.call("POST", &format!("/v1/approvals/{late}/approve"), None).await;
    let cases = [
        ("foreign", foreign, 403, "approval_foreign"),
        ("foreign grant", foreign_grant, 403, "approval_foreign"),
        ("own", own, 403, "approval_self"),
        ("own by name", named, 403, "approval_self"),
        ("unknown", unknown, 404, "approval_not_found"),
        ("long reason", long, 422, "invalid_approval"),
        ("typo", typo, 422, "bad_document"),
        ("twice", twice, 409, "approval_decided"),
        ("no after yes", no_after, 409, "approval_decided"),
        ("consumed", consumed, 409, "approval_consumed"),
        ("expired", expired, 409, "approval_expired"),
        ("shown unknown", plane.get("/v1/approvals/apr_0").await, 404, "approval_not_found"),
        ("state", plane.get("/v1/approvals?state=maybe").await, 400, "bad_request"),
        ("limit", plane.get("/v1/approvals?limit=0").await, 400, "bad_request"),
        ("wait", plane.get("/v1/approvals?wait=1").await, 400, "bad_request"),
        ("cursor", plane.get("/v1/approvals?cursor=x").await, 400, "bad_request"),
        ("key", plane.get("/v1/approvals?status=pending").await, 400, "bad_request"),
    ];
    println!("compared {} errors", cases.len());
    for (name, answer, status, code) in cases {
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{name}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn who_calls_may_answer_where_the_rule_says_so() {
    let plane = asking("allow_self: true").await;
    let id = plane.decide(&call("c1")).await["approval_id"].clone();
    let path = format!("/v1/approvals/{}/approve", id.as_str().unwrap());
    let own = plane.call_as("laptop", Some(PRINCIPAL), &path, json!({})).await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.text);
    let grant = json!({"rule": "ask-nova", "principal": PRINCIPAL, "uses": 1, "ttl": "1h"});
    let own = plane.call_as("laptop2", Some(PRINCIPAL), "/v1/grants", grant).await;
    assert_eq!(own.status, StatusCode::CREATED, "{}", own.text);
}

#[tokio::test]
async fn a_grant_is_used_up_call_by_call() {
    let plane = asking("").await;
    let denied = plane.decide(&call("c0")).await["approval_id"].clone();
    let wish =
        json!({"rule": "ask-nova", "principal": PRINCIPAL, "uses": 2, "ttl": "8h", "why": "month end"});
    let made = plane.call("POST", "/v1/grants", Some(wish.clone())).await;
    assert_eq!((made.status, &made.json()["left"]), (StatusCode::CREATED, &json!(2)));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let out = plane.decide(&call("c1")).await;
    assert_eq!(out["verdict"], "allow");
    let record = plane.get(&format!("/v1/decisions/{}", out["decision_id"].as_str().unwrap())).await.json();
    assert_eq!(record["approval"], json!({"id": id, "by": "auditor", "rule": "ask-nova"}));
    let plane = plane.restarted(ASK).await;
    // Somebody says no to this very call afterwards: that is the later word.
    plane.answer(&denied, "deny", "").await;
    assert_eq!(plane.decide(&call("c2")).await["verdict"], "deny");
    let other = |name: &str| {
        let mut other = call(name);
        other["body"]["sha256"] = json!("00".repeat(32));
        other
    };
    assert_eq!(plane.decide(&other("c3")).await["verdict"], "allow");
    assert_eq!(plane.decide(&other("c4")).await["verdict"], "pending_approval", "it is spent");
    let grants = plane.get("/v1/grants").await.json();
    assert_eq!((&grants["grants"][0]["state"], &grants["grants"][0]["left"]), (&json!("spent"), &json!(0)));

    let with = |key: &str, value: Value| {
        let mut wish = wish.clone();
        wish[key] = value;
        wish
    };
    let made = plane.call("POST", "/v1/grants", Some(wish.clone())).await.json();
    let path = format!("/v1/grants/{}", made["id"].as_str().unwrap());
    assert_eq!(plane.call("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    let events = plane.get("/v1/events?limit=1000").await.json();
    let told: Vec<String> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "approval")
        .map(|event| {
            format!("{} by {}", event["detail"]["what"].as_str().unwrap(), event["actor"].as_str().unwrap())
        })
        .collect();
    for expected in [
        "grant_created by auditor",
        "grant_used by gate-1",
        "grant_revoked by auditor",
        "approval_denied by auditor",
    ] {
        assert!(told.iter().any(|told| told == expected), "{expected}: {told:?}");
    }
    let mut cases = vec![
        (plane.call("DELETE", &path, None).await, 409, "grant_over"),
        (plane.call("DELETE", "/v1/grants/grt_0", None).await, 404, "grant_not_found"),
        (plane.call_as("x", Some(PRINCIPAL), "/v1/grants", wish.clone()).await, 403, "approval_self"),
    ];
    for (key, value) in [
        ("uses", json!(0)),
        ("ttl", json!("0s")),
        ("ttl", json!("soon")),
        ("ttl", json!("91d")),
        ("rule", json!("")),
        ("rule", json!("no-such")),
    ] {
        cases.push((plane.call("POST", "/v1/grants", Some(with(key, value))).await, 422, "invalid_approval"));
    }
    cases.push((plane.call("POST", "/v1/grants", Some(with("until", json!(1)))).await, 422, "bad_document"));
    for (answer, status, code) in cases {
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_call_goes_out_the_moment_it_is_approved() {
    let plane = Arc::new(asking("hold: 45s").await);
    let hold = plane.decide(&call("c1")).await;
    assert_eq!(
        (&hold["verdict"], &hold["seconds"], &hold["decision_id"]),
        (&json!("hold"), &json!(45), &json!(""))
    );
    let id = hold["approval_id"].clone();
    assert_eq!(plane.get("/v1/decisions").await.json()["decisions"], json!([]), "nothing is decided");
    let waiting = tokio::spawn({
        let (plane, question) = (Arc::clone(&plane), held("c1", &id));
        async move { plane.decide(&question).await }
    });
    // It waits: somebody follows the approval.
    let live = plane.app.store.live();
    while live.waiting(id.as_str().unwrap()) == 0 {
        tokio::task::yield_now().await;
    }
    let at = Instant::now();
    assert_eq!(plane.answer(&id, "approve", "").await.status, StatusCode::OK);
    let out = waiting.await.unwrap();
    assert_eq!(out["verdict"], "allow");
    println!("let out {} ms after the answer", at.elapsed().as_millis());
    assert!(at.elapsed() < Duration::from_secs(5));
    let record = plane.get(&format!("/v1/decisions/{}", out["decision_id"].as_str().unwrap())).await.json();
    assert_eq!(record["approval"]["id"], id);

    // The same again, denied.
    let id = plane.decide(&call("c2")).await["approval_id"].clone();
    let (out, _) = tokio::join!(plane_decide(&plane, held("c2", &id)), plane.answer(&id, "deny", ""));
    assert_eq!(out["verdict"], "deny");
}

async fn plane_decide(plane: &Plane, question: Value) -> Value {
    plane.decide(&question).await
}

#[tokio::test]
async fn a_held_call_that_nobody_answers_is_pending() {
    let plane = asking("hold: 1s").await;
    let at = Instant::now();
    let hold = plane.decide(&call("c1")).await;
    let out = plane.decide(&held("c1", &hold["approval_id"])).await;
    assert_eq!((&out["verdict"], &out["approval_id"]), (&json!("pending_approval"), &hold["approval_id"]));
    assert!(at.elapsed() >= Duration::from_secs(1), "{:?}", at.elapsed());
    let recorded = plane.get("/v1/decisions?verdict=pending_approval").await.json();
    assert_eq!(recorded["decisions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_held_call_is_decided_before_its_gate_gives_up() {
    let plane = asking("hold: 45s").await;
    let hold = plane.decide(&call("c1")).await;
    assert_eq!(hold["seconds"], 45);
    let at = Instant::now();
    let mut impatient = held("c1", &hold["approval_id"]);
    impatient["wait_ms"] = json!(400);
    assert_eq!(plane.decide(&impatient).await["verdict"], "pending_approval");
    let took = at.elapsed();
    println!("a gate that waits for 400 ms is answered after {took:?}");
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_wait_and_one_is_let_out() {
    const CALLS: usize = 2_000;
    let plane = Arc::new(asking("hold: 20s").await);
    let hold = plane.decide(&call("first")).await;
    let id = hold["approval_id"].clone();
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let (app, question) = (Arc::clone(&plane.app), held(&format!("w{n}"), &id));
            tokio::spawn(async move { app.decide(serde_json::from_value(question).unwrap()).await.unwrap() })
        })
        .collect();
    while plane.app.store.live().waiting(id.as_str().unwrap()) < CALLS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let dropped = CALLS / 2;
    for call in &calls[..dropped] {
        call.abort();
    }
    while plane.app.store.live().waiting(id.as_str().unwrap()) > CALLS - dropped {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let at = Instant::now();
    plane.answer(&id, "approve", "").await;
    // One goes out; the others wait for the next answer, and get a no.
    let next = loop {
        let pending = plane.get("/v1/approvals?state=pending").await.json();
        if let Some(next) = pending["approvals"].get(0) {
            break next["id"].clone();
        }
    };
    while plane.app.store.live().waiting(next.as_str().unwrap()) < CALLS - dropped - 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("{} calls woken and waiting again after {} ms", CALLS - dropped, at.elapsed().as_millis());
    plane.answer(&next, "deny", "").await;
    let (mut allowed, mut denied) = (0, 0);
    for call in calls.into_iter().skip(dropped) {
        match call.await.unwrap().verdict {
            portcullis_protocol::Verdict::Allow => allowed += 1,
            portcullis_protocol::Verdict::Deny { .. } => denied += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((allowed, denied), (1, CALLS - dropped - 1));
    println!(
        "of {} held calls {allowed} was let out, {denied} denied, after {} ms",
        CALLS - dropped,
        at.elapsed().as_millis()
    );
}

#[tokio::test]
async fn a_grant_lets_a_held_call_out() {
    let plane = asking("hold: 30s").await;
    let id = plane.decide(&call("c1")).await["approval_id"].clone();
    let wish = json!({"rule": "ask-nova", "principal": PRINCIPAL, "uses": 1, "ttl": "1h"});
    let (out, made) =
        tokio::join!(plane_decide(&plane, held("c1", &id)), plane.call("POST", "/v1/grants", Some(wish)));
    assert_eq!((made.status, &out["verdict"]), (StatusCode::CREATED, &json!("allow")));
}

#[tokio::test]
async fn approvals_are_listed_page_by_page_and_followed() {
    let plane = asking("").await;
    for n in 0..5 {
        let mut question = call(&format!("c{n}"));
        question["body"]["sha256"] = json!(format!("{n:064}"));
        plane.decide(&question).await;
    }
    let ids = |page: &Value| -> Vec<String> {
        page["approvals"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&plane.get("/v1/approvals").await.json());
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = plane.get(&format!("/v1/approvals?state=pending&limit=2{cursor}")).await.json();
        paged.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((paged.len(), &paged), (5, &all));
    let follow = plane.get("/v1/approvals").await.json()["follow"].as_str().unwrap().to_owned();
    let path = format!("/v1/approvals?order=asc&wait=10&cursor={follow}");
    let (followed, asked) = tokio::join!(plane.get(&path), plane_decide(&plane, call("new")));
    assert_eq!(json!(ids(&followed.json())), json!([asked["approval_id"]]));
    assert_eq!(ids(&plane.get("/v1/approvals?rule=other").await.json()), Vec::<String>::new());
    assert_eq!(ids(&plane.get(&format!("/v1/approvals?principal={PRINCIPAL}")).await.json()).len(), 6);
    let metrics = plane.get("/metrics").await.text;
    assert!(metrics.contains("portcullis_approvals_pending 6"), "{metrics}");
}

/// An application that runs wild does not bury the questions of others.
#[tokio::test]
async fn one_principal_cannot_ask_without_end() {
    let plane = asking("").await;
    let ask = |n: usize| {
        let mut question = call(&format!("c{n}"));
        question["body"]["sha256"] = json!(format!("{n:064}"));
        let app = Arc::clone(&plane.app);
        async move { app.decide(serde_json::from_value(question).unwrap()).await.unwrap().verdict }
    };
    let mut asked = 0;
    for n in 0..1_001 {
        match ask(n).await {
            portcullis_protocol::Verdict::PendingApproval { .. } => asked += 1,
            portcullis_protocol::Verdict::Deny { message } => {
                assert!(message.contains("1000 approvals of this principal"), "{message}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(asked, 1_000);
}
