//! Finding decisions: the same answers while there is no index, and with it.

use super::*;

/// Everything that can be asked for, and the calls that answer it.
fn cases() -> Value {
    testdata("searches.json")
}

async fn fill(plane: &Plane) {
    for case in cases()["calls"].as_array().unwrap() {
        let call_id = case["call_id"].as_str().unwrap();
        let answer = plane.decide(&question(case.clone())).await;
        if let Some(outcome) = cases()["outcomes"].get(call_id) {
            let mut told = testdata("outcome.json");
            for (key, value) in outcome.as_object().unwrap() {
                told[key] = value.clone();
            }
            told["call_id"] = json!(call_id);
            told["decision_id"] = answer["decision_id"].clone();
            let answer = plane.report(json!([told]), 0).await;
            assert!(answer.status.is_success(), "{}", answer.text);
        }
    }
}

async fn found(plane: &Plane, query: &str) -> Vec<String> {
    let answer = plane.get(&format!("/v1/decisions?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
    let page = answer.json();
    page["decisions"].as_array().unwrap().iter().map(|d| d["call_id"].as_str().unwrap().to_owned()).collect()
}

async fn compare(plane: &Plane) {
    let cases = cases();
    let queries = cases["queries"].as_array().unwrap();
    for case in queries {
        let query = case["query"].as_str().unwrap();
        assert_eq!(json!(found(plane, query).await), case["calls"], "{query}");
    }
    println!("compared {} queries", queries.len());
}

#[tokio::test]
async fn every_filter_finds_what_it_says_without_an_index() {
    let plane = plane().await;
    fill(&plane).await;
    compare(&plane).await;
    let page = plane.get("/v1/decisions?count=true&principal=*").await.json();
    assert_eq!(page.get("count"), None, "nobody has counted: {page}");
    let answer = plane.get("/v1/audit/facets?facet=principal").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "search_index_not_ready")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_finds_what_it_says_with_an_index() {
    let plane = plane().await;
    let task = tokio::spawn(Arc::clone(&plane.app.search).follow(Arc::clone(&plane.app.store)));
    fill(&plane).await;
    compare(&plane).await;
    let health = plane.get("/readyz").await.json()["search"].clone();
    println!("{health}");
    assert_eq!(health["state"], "ready", "{health}");
    let calls = cases()["calls"].as_array().unwrap().len();
    for (query, count) in
        [("count=true&principal=*", calls), ("count=true&limit=1", calls), ("count=true&principal=nobody", 0)]
    {
        let page = plane.get(&format!("/v1/decisions?{query}")).await.json();
        assert_eq!(page["count"], count, "{query}: {page}");
        assert_eq!(page.get("count_at_most"), None, "{query}");
    }
    for case in cases()["facets"].as_array().unwrap() {
        let answer = plane.get(&format!("/v1/audit/facets?{}", case["query"].as_str().unwrap())).await.json();
        assert_eq!(answer["values"], case["values"], "{case}: {answer}");
    }
    task.abort();
}

#[tokio::test]
async fn bad_facets_say_what_is_accepted() {
    let plane = plane().await;
    for (query, hint) in [
        ("", "principal, tenant"),
        ("facet=colour", "principal, tenant"),
        ("facet=principal&colour=red", "unknown parameter"),
        ("facet=principal&cursor=d0", "unknown parameter"),
        ("facet=principal&limit=0", "1 to 1000"),
    ] {
        let answer = plane.get(&format!("/v1/audit/facets?{query}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "bad_request"),
            "{query}"
        );
        assert!(answer.text.contains(hint), "{query}: {}", answer.text);
    }
}
