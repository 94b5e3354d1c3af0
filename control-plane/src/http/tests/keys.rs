//! Keys, tokens, and who may do what.

use super::*;

#[tokio::test]
async fn a_key_works_from_its_making_to_its_end_and_both_are_on_record() {
    let plane = plane().await;
    let made = plane.call("POST", "/v1/keys", Some(json!({"kind": "admin", "name": "ci"}))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let with_new = || {
        let request = Request::get("/v1/keys").header("authorization", format!("Bearer {token}"));
        send(&plane.admin, request.body(Body::empty()).unwrap())
    };
    let listed = with_new().await;
    assert_eq!(listed.status, StatusCode::OK);
    assert_eq!(listed.json()["keys"][0]["name"], "ci");
    assert!(!listed.text.contains(token), "a token is shown once");

    let path = format!("/v1/keys/{id}");
    assert_eq!(plane.call("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(with_new().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(plane.call("DELETE", &path, None).await.code(), "key_not_found");

    let events = plane.get("/v1/events").await.json();
    let what: Vec<_> = events["events"].as_array().unwrap().iter().map(|e| &e["detail"]["what"]).collect();
    assert_eq!(what, ["key_revoked", "key_created"]);
    assert_eq!(events["events"][0]["actor"], "auditor");
    assert!(!events.to_string().contains(token), "{events}");
}

#[tokio::test]
async fn wishes_that_make_no_sense_are_refused() {
    let plane = plane().await;
    let cases = [
        json!({"kind": "root", "name": "x"}),
        json!({"kind": "data", "name": ""}),
        json!({"kind": "data", "name": "x\u{1b}[0m"}),
        json!({"kind": "data", "name": "x".repeat(129)}),
        json!({"kind": "data", "name": "x", "principal": "p"}),
        json!({"kind": "aws", "name": "x", "principal": ""}),
        json!({"kind": "data", "name": "x", "colour": "blue"}),
        json!({"kind": "data"}),
        json!({"kind": "data", "name": "x", "agent": "A1"}),
        json!({"kind": "admin", "name": "x", "tools": ["*"]}),
        json!({"kind": "data", "name": "x", "expires_in": "soon"}),
        json!({"kind": "data", "name": "x", "expires_in": "0d"}),
        json!({"kind": "aws", "name": "x", "expires_in": "30d"}),
        json!({"kind": "agent", "name": "x"}),
        json!({"kind": "agent", "name": "x", "agent": "A1"}),
        json!({"kind": "agent", "name": "x", "tools": ["*"]}),
        json!({"kind": "agent", "name": "x", "agent": "", "tools": ["*"]}),
        json!({"kind": "agent", "name": "x", "agent": "A1", "tools": [""]}),
        json!({"kind": "agent", "name": "x", "agent": "A1", "tools": ["{a,b}"]}),
        json!({"kind": "agent", "name": "x", "agent": "A1", "tools": ["*"], "expires_in": "30"}),
    ];
    for wish in &cases {
        let answer = plane.call("POST", "/v1/keys", Some(wish.clone())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wish}: {}", answer.text);
        answer.code();
    }
    assert_eq!(plane.get("/v1/keys").await.json(), json!({"keys": []}));
    println!("compared {} wishes", cases.len());
}

/// A virtual key made through the API is at hand for checking signatures until it is revoked.
#[tokio::test]
async fn a_virtual_key_is_known_until_it_is_revoked() {
    let plane = plane().await;
    let wish = json!({"kind": "aws", "name": "app", "principal": "payments-app", "tenant": "emea"});
    let made = plane.call("POST", "/v1/keys", Some(wish)).await.json();
    let key = plane.app.keys.aws_keys.get(made["access_key_id"].as_str().unwrap()).unwrap();
    assert_eq!(
        (key.secret.as_str(), key.principal.as_str()),
        (made["secret_access_key"].as_str().unwrap(), "payments-app")
    );
    plane.call("DELETE", &format!("/v1/keys/{}", key.access_key_id), None).await;
    assert!(plane.app.keys.aws_keys.get(&key.access_key_id).is_none());
}

/// Every route, with every kind of token: the paths come from the OpenAPI document, so that a new one cannot be forgotten.
#[tokio::test]
async fn every_route_is_closed_to_the_wrong_token() {
    const OPEN: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/health"];
    let plane = plane().await;
    let paths = serde_json::to_value(super::super::openapi_document()).unwrap()["paths"].clone();
    let mut compared = 0;
    for (path, methods) in paths.as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let tags = &operation["tags"];
            let (router, wrong) = if *tags == json!(["data plane"]) || *tags == json!(["agents"]) {
                (&plane.data, &plane.admin_token)
            } else {
                (&plane.admin, &plane.data_token)
            };
            let cases = [
                (None, StatusCode::UNAUTHORIZED, "unauthenticated"),
                (Some("pcl_admin_guess".to_owned()), StatusCode::UNAUTHORIZED, "unauthenticated"),
                (Some(wrong.clone()), StatusCode::FORBIDDEN, "wrong_token_kind"),
            ];
            for (token, mut status, code) in cases {
                // Its client takes every 403 for a decision.
                if path == "/proxy/check" {
                    status = StatusCode::UNAUTHORIZED;
                }
                let mut request = Request::builder()
                    .method(method.to_uppercase().as_str())
                    .uri(path.replace("{id}", "018f0000-0000-7000-8000-000000000000"));
                if let Some(token) = token {
                    request = request.header("authorization", format!("Bearer {token}"));
                }
                let answer = send(router, request.body(Body::empty()).unwrap()).await;
                if OPEN.contains(&path.as_str()) {
                    assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
                } else {
                    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}");
                }
                compared += 1;
            }
        }
    }
    println!("compared {compared} requests");
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_too() {
    let plane = plane().await;
    assert_eq!(plane.get("/v2/decisions").await.code(), "not_found");
    assert_eq!(plane.call("PUT", "/v1/keys", None).await.code(), "method_not_allowed");
    assert_eq!(plane.get("/v1/decisions/nonsense").await.code(), "decision_not_found");
    let twice =
        Request::get("/v1/keys").header("authorization", "Bearer a").header("authorization", "Bearer b");
    assert_eq!(send(&plane.admin, twice.body(Body::empty()).unwrap()).await.code(), "bad_request");
}
