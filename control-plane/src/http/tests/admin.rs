//! The admin API: finding, following, health.

use super::*;

#[tokio::test]
async fn pages_lead_to_the_end_and_can_be_followed() {
    let plane = plane().await;
    for at in 0..5 {
        plane.decide(&question(json!({"call_id": format!("call-{at}")}))).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = plane.get(&format!("/v1/decisions?limit=2{cursor}")).await.json();
        seen.extend(
            page["decisions"].as_array().unwrap().iter().map(|d| d["call_id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["call-4", "call-3", "call-2", "call-1", "call-0"]);

    let follow = plane.get("/v1/decisions?limit=1").await.json()["follow"].as_str().unwrap().to_owned();
    let path = format!("/v1/decisions?order=asc&wait=30&cursor={follow}");
    let (page, _) = tokio::join!(plane.get(&path), async {
        tokio::task::yield_now().await;
        plane.decide(&question(json!({"call_id": "new"}))).await
    });
    assert_eq!(page.json()["decisions"][0]["call_id"], "new", "whoever waits is told");
}

#[tokio::test]
async fn bad_queries_say_what_is_accepted() {
    let plane = plane().await;
    let cases = testdata("bad_queries.json");
    for case in cases.as_array().unwrap() {
        let answer = plane.get(&format!("/v1/decisions?{}", case["query"].as_str().unwrap())).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "bad_request"),
            "{case}"
        );
        assert!(answer.text.contains(case["hint"].as_str().unwrap()), "{case}: {}", answer.text);
    }
    println!("compared {} bad queries", cases.as_array().unwrap().len());
}

#[tokio::test]
async fn readiness_shows_the_bundle_and_why_a_newer_one_is_not_active() {
    let plane = plane_with(Settings::default(), None, defaults).await;
    for router in [&plane.admin, &plane.data] {
        let answer = send(router, Request::get("/readyz").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["bundle"]["loaded"], false);
        assert_eq!(send(router, Request::get("/healthz").body(Body::empty()).unwrap()).await.text, "ok\n");
    }
    install(&plane.app.bundle, RULES);
    let broken = SourceFile { path: "bundle.yaml".to_owned(), bytes: b"nam: x".to_vec() };
    let error = compile(&[broken]).unwrap_err();
    plane.app.bundle.refuse(error, None, Path::new("/bundle"), 2);
    let answer = plane.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::OK, "the last good one decides");
    let bundle = answer.json()["bundle"].clone();
    assert_eq!((&bundle["name"], &bundle["loaded"]), (&json!("test"), &json!(true)));
    assert!(bundle["errors"][0].as_str().unwrap().starts_with("bundle.yaml:1:"), "{bundle}");
    assert_eq!(plane.get("/v1/bundles").await.json()["active"], bundle);
    let metrics = plane.get("/metrics").await.text;
    for line in ["portcullis_bundle_loaded 1", "portcullis_bundle_error 1", "portcullis_bundle_rules 1"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn phases_are_measured() {
    let plane = plane().await;
    plane.decide(&question(json!({}))).await;
    let metrics = plane.get("/metrics").await.text;
    for phase in ["parse", "identity", "policy", "commit", "total"] {
        let line = format!("portcullis_decision_seconds_count{{phase=\"{phase}\"}} 1");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    assert!(metrics.contains("portcullis_decisions_total{verdict=\"allow\"} 1"), "{metrics}");
}
