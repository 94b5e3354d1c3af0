//! Captured text over the API.

use super::*;
use crate::redaction::{Capture, Capturer};

fn capturing(plane: Plane, mode: Capture) -> Plane {
    let Plane { app, data, admin, data_token, admin_token, dir } = plane;
    drop((data, admin));
    let mut app = Arc::into_inner(app).expect("nobody else uses it yet");
    app.capturer = Arc::new(Capturer::new(mode, &MasterKey::load_or_create(dir.path()).unwrap()));
    let app = Arc::new(app);
    let (data, admin) = (data_plane(Arc::clone(&app)), admin_api(Arc::clone(&app)));
    Plane { data, admin, app, data_token, admin_token, dir }
}

fn with_text(call: &str, text: &str) -> Value {
    let mut question = question(json!({ "call_id": call }));
    question["body"]["text"] =
        json!({"text": text, "truncated": true, "tool_results": "sunny", "tool_results_truncated": false});
    question
}

const PROMPT: &str = "mail jane@example.com about card 4111 1111 1111 1111";

#[tokio::test]
async fn text_is_asked_for_kept_encrypted_and_read_on_record() {
    for (mode, expected) in [(Capture::Full, PROMPT), (Capture::Redacted, "mail [email] about card [card]")] {
        let plane = capturing(plane().await, mode);
        let bare = plane.decide(&question(json!({"call_id": "c1"}))).await;
        assert_eq!((&bare["verdict"], &bare["wants_text"]), (&json!("need_text"), &json!(true)), "{bare}");
        let answer = plane.decide(&with_text("c1", PROMPT)).await;
        assert_eq!(answer["verdict"], "allow", "{answer}");
        let id = answer["decision_id"].as_str().unwrap().to_owned();
        // The same question once more, with its text and without: the same answer, nothing more is kept.
        assert_eq!(plane.decide(&with_text("c1", PROMPT)).await["decision_id"], answer["decision_id"]);

        let record = plane.get(&format!("/v1/decisions/{id}")).await;
        println!("{}", record.json()["captured"]);
        assert_eq!(record.json()["captured"][0]["bytes"], expected.len(), "{}", record.text);
        assert!(!record.text.contains("jane") && !record.text.contains("sunny"), "{}", record.text);
        for file in ["portcullis.db", "portcullis.db-wal"] {
            let bytes = std::fs::read(plane.dir.path().join(file)).unwrap();
            assert!(!bytes.windows(5).any(|part| part == b"sunny"), "in the clear in {file}");
        }

        let path = format!("/v1/audit/text/{id}");
        assert_eq!(plane.get(&path).await.status, StatusCode::BAD_REQUEST, "why?");
        assert_eq!(plane.get(&format!("{path}?reason=%20")).await.status, StatusCode::BAD_REQUEST);
        let read = plane.get(&format!("{path}?reason=incident%204711")).await;
        assert_eq!(read.status, StatusCode::OK, "{}", read.text);
        let texts = read.json()["texts"].clone();
        assert_eq!((&texts[0]["text"], &texts[0]["cut"]), (&json!(expected), &json!(true)), "{texts}");
        assert_eq!((&texts[1]["kind"], &texts[1]["text"]), (&json!("tool_results"), &json!("sunny")));
        let event = plane.get("/v1/events?limit=1").await.json()["events"][0].clone();
        assert_eq!(event["detail"]["what"], "text_read", "{event}");
        assert_eq!((&event["actor"], &event["detail"]["why"]), (&json!("auditor"), &json!("incident 4711")));

        // Its time is over: the text goes, the record stays and still tells of it.
        assert_eq!(plane.app.drop_texts(0).await.unwrap(), 0);
        assert_eq!(plane.app.drop_texts(u64::MAX).await.unwrap(), 2);
        let read = plane.get(&format!("{path}?reason=late")).await.json();
        assert_eq!(read["texts"][0]["text"], json!(null), "{read}");
        assert!(read["texts"][0]["problem"].as_str().unwrap().contains("deleted"), "{read}");
        assert_eq!(
            plane.get(&format!("/v1/decisions/{id}")).await.json()["captured"].as_array().unwrap().len(),
            2
        );
    }
}

#[tokio::test]
async fn without_it_nothing_is_asked_for_or_kept() {
    let plane = plane().await;
    let answer = plane.decide(&with_text("c1", PROMPT)).await;
    assert_eq!((&answer["verdict"], &answer["wants_text"]), (&json!("allow"), &json!(false)));
    let id = answer["decision_id"].as_str().unwrap();
    let read = plane.get(&format!("/v1/audit/text/{id}?reason=x")).await;
    assert_eq!((read.status, read.code().as_str()), (StatusCode::NOT_FOUND, "no_text"));
    assert_eq!(
        plane.get("/v1/events").await.json()["events"].as_array().unwrap().len(),
        0,
        "nothing was read"
    );
}

#[tokio::test]
async fn a_text_that_cannot_be_put_on_record_as_read_is_not_handed_out() {
    let plane = capturing(plane().await, Capture::Full);
    let answer = plane.decide(&with_text("c1", PROMPT)).await;
    let path = format!("/v1/audit/text/{}?reason=x", answer["decision_id"].as_str().unwrap());
    let conn = rusqlite::Connection::open(plane.dir.path().join("portcullis.db")).unwrap();
    conn.execute_batch("CREATE TRIGGER no BEFORE INSERT ON events BEGIN SELECT raise(FAIL, 'no'); END")
        .unwrap();
    let read = plane.get(&path).await;
    assert!(read.status.is_server_error() && !read.text.contains("jane"), "{}", read.text);
}
