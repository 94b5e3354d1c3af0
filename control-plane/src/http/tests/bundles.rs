//! Bundles over the API, beside a directory that is watched.

use super::*;
use crate::app::chronicle;
use crate::bundle::{BundleKey, BundleWatch, SigningKey, Trust, WatchOptions, pack, watch_into};
use crate::storage::BundleChange;
use std::fs;
use std::time::Duration;

const TOKEN: &str = "auditor";

/// A control plane whose bundle changes are put on record, perhaps with a directory.
struct Gatehouse {
    plane: Plane,
    watch: Option<BundleWatch>,
    chronicle: tokio::task::JoinHandle<()>,
}

impl std::ops::Deref for Gatehouse {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        &self.plane
    }
}

async fn gatehouse(data: TempDir, source: Option<&Path>, trust: Trust) -> Gatehouse {
    let (active, changes) = ActiveBundle::new(trust);
    let plane = plane_of(Settings::default(), data, active.clone(), defaults).await;
    let watch = source.map(|source| watch_into(active, source, WatchOptions::default()).unwrap());
    let chronicle = tokio::spawn(chronicle(Arc::clone(&plane.app), changes));
    Gatehouse { plane, watch, chronicle }
}

async fn without_directory() -> Gatehouse {
    gatehouse(tempfile::tempdir().unwrap(), None, Trust::default()).await
}

impl Gatehouse {
    /// Ends everything; the data directory stays.
    async fn stop(self) -> TempDir {
        let Gatehouse { plane, watch, chronicle } = self;
        chronicle.abort();
        let _ = chronicle.await;
        drop(watch);
        let Plane { app, data, admin, dir, .. } = plane;
        drop((data, admin));
        // The store closes with its last handle.
        let mut app = app;
        loop {
            match Arc::try_unwrap(app) {
                Ok(last) => break drop(last),
                Err(shared) => app = shared,
            }
            tokio::task::yield_now().await;
        }
        dir
    }

    async fn upload(&self, archive: Vec<u8>, query: &str) -> Answer {
        self.upload_to(&format!("/v1/bundles{query}"), archive).await
    }

    async fn upload_to(&self, path: &str, archive: Vec<u8>) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", self.admin_token))
            .header("content-type", "application/gzip")
            .body(Body::from(archive));
        send(&self.admin, request.unwrap()).await
    }

    async fn stored(&self, name: &str) -> String {
        let answer = self.upload(archive(name), "?why=test").await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()["digest"].as_str().unwrap().to_owned()
    }

    async fn bundles(&self) -> Value {
        self.get("/v1/bundles").await.json()
    }

    /// Waits until the answer of `GET /v1/bundles` is as wanted.
    async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let wait = async {
            loop {
                let bundles = self.bundles().await;
                if wanted(&bundles) {
                    return bundles;
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(20), wait).await {
            Ok(bundles) => bundles,
            Err(_) => panic!("waited too long for {what}: {:#}", self.bundles().await),
        }
    }

    /// What events of bundles say, newest first: what, who, why.
    async fn events(&self) -> Vec<(String, String, String)> {
        let events = self.get("/v1/events?limit=100").await.json()["events"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let bundles = events.iter().filter(|event| event["kind"] == "bundle");
        bundles
            .map(|event| {
                (text(&event["detail"]["what"]), text(&event["actor"]), text(&event["detail"]["why"]))
            })
            .collect()
    }
}

fn event(what: &str, who: &str, why: &str) -> (String, String, String) {
    (what.to_owned(), who.to_owned(), why.to_owned())
}

fn files(name: &str) -> Vec<SourceFile> {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), bytes: text.into_bytes() };
    vec![
        file("bundle.yaml", format!("version: \"1.0\"\nname: {name}\ndefault: allow\n")),
        file(
            "rules/a.yaml",
            format!(
                "rules:\n- {{id: {name}, action: block, models: [\"amazon.{name}-*\"], message: by {name}}}\n"
            ),
        ),
    ]
}

fn archive(name: &str) -> Vec<u8> {
    pack(&files(name)).unwrap()
}

/// Writes the bundle to a directory, each file by renaming it into place.
fn write(directory: &Path, files: &[SourceFile]) {
    for file in files {
        let path = directory.join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path.with_extension("tmp"), &file.bytes).unwrap();
        fs::rename(path.with_extension("tmp"), &path).unwrap();
    }
}

/// Whoever asks for an activation and hangs up, at whatever moment, leaves no version that is pinned on record and not in
/// force.
#[tokio::test]
async fn what_is_asked_for_is_done_whole_though_the_caller_hangs_up() {
    let mut pinned = 0;
    for polls in 1..40 {
        let gate = without_directory().await;
        let digest = gate.stored("first").await;
        let request = Request::post(format!("/v1/bundles/{digest}/activate"))
            .header("authorization", format!("Bearer {}", gate.admin_token))
            .header("content-type", "application/json")
            .body(Body::from(json!({"why": "now"}).to_string()))
            .unwrap();
        let mut asked = Box::pin(tower::ServiceExt::oneshot(gate.admin.clone(), request));
        for _ in 0..polls {
            let mut done = false;
            std::future::poll_fn(|context| {
                done = asked.as_mut().poll(context).is_ready();
                std::task::Poll::Ready(())
            })
            .await;
            if done {
                break;
            }
            // The store's thread may run meanwhile.
            gate.app.store.bundle_pin().await.unwrap();
        }
        drop(asked);
        // A change of nothing comes after what is under way in the store.
        gate.app.store.change_bundles(BundleChange::default()).await.unwrap();
        if gate.app.store.bundle_pin().await.unwrap().is_some() {
            pinned += 1;
            gate.until("the pinned version", |bundles| bundles["active"]["digest"] == json!(digest)).await;
        }
    }
    println!("{pinned} of 39 were pinned");
    assert!(pinned > 0);
}

#[tokio::test]
async fn upload_activate_roll_back() {
    let gate = without_directory().await;
    assert_eq!(gate.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let first = gate.upload(archive("first"), "?why=to%20begin").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let first = first.json();
    println!("{first:#}");
    assert_eq!((&first["name"], &first["rules"], &first["new"]), (&json!("first"), &json!(1), &json!(true)));
    assert_eq!((&first["active"], &first["stored"]), (&json!(false), &json!(true)));
    let again = gate.upload(archive("first"), "?why=again").await;
    assert_eq!((again.status, &again.json()["new"]), (StatusCode::OK, &json!(false)), "one version");
    assert!(gate.bundles().await["active"]["loaded"] == false, "stored is not active");

    let digest = first["digest"].as_str().unwrap();
    let activated =
        gate.call("POST", &format!("/v1/bundles/{digest}/activate"), Some(json!({"why": "go"}))).await;
    assert_eq!((activated.status, &activated.json()["active"]), (StatusCode::OK, &json!(true)));
    assert_eq!(gate.get("/readyz").await.status, StatusCode::OK);
    let second = gate.upload(archive("second"), "?why=better&activate=true").await;
    assert_eq!((second.status, &second.json()["active"]), (StatusCode::CREATED, &json!(true)));

    let bundles = gate.bundles().await;
    println!("{bundles:#}");
    let active = &bundles["active"];
    assert_eq!(
        (&active["name"], &active["pinned"], &active["source"]),
        (&json!("second"), &json!(true), &json!("api"))
    );
    assert_eq!(active["generation"], 2);
    assert_eq!((&bundles["pin"]["who"], &bundles["pin"]["why"]), (&json!(TOKEN), &json!("better")));
    let versions = bundles["versions"].as_array().unwrap();
    let names: Vec<_> = versions.iter().map(|version| version["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["second", "first"], "newest first");
    assert_eq!((&versions[0]["active"], &versions[1]["active"]), (&json!(true), &json!(false)));
    assert_eq!((&versions[1]["source"], &versions[1]["why"]), (&json!("api"), &json!("to begin")));
    assert_eq!(versions[1]["activated"]["why"], "go");

    for (why, name) in [("it was worse", "first"), ("no, it was not", "second")] {
        let back = gate.call("POST", "/v1/bundles/rollback", Some(json!({"why": why}))).await;
        assert_eq!((back.status, &back.json()["name"]), (StatusCode::OK, &json!(name)), "{}", back.text);
        assert_eq!(gate.app.bundle.current().unwrap().name(), name);
    }
    assert_eq!(
        gate.events().await,
        [
            event("bundle_rolled_back", TOKEN, "no, it was not"),
            event("bundle_rolled_back", TOKEN, "it was worse"),
            event("bundle_activated", TOKEN, "better"),
            event("bundle_uploaded", TOKEN, "better"),
            event("bundle_activated", TOKEN, "go"),
            event("bundle_uploaded", TOKEN, "to begin"),
        ]
    );

    let found = gate.get(&format!("/v1/bundles?prefix={}", digest.get(..10).unwrap())).await.json();
    assert_eq!(found["versions"].as_array().unwrap().len(), 1);
    let detail = gate.get(&format!("/v1/bundles/{digest}")).await.json();
    assert_eq!((&detail["name"], &detail["files"][1]["path"]), (&json!("first"), &json!("rules/a.yaml")));
    let request = Request::get(format!("/v1/bundles/{digest}/archive"))
        .header("authorization", format!("Bearer {}", gate.admin_token))
        .body(Body::empty());
    let answer = gate.admin.clone().oneshot(request.unwrap()).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/gzip");
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(crate::bundle::unpack(&bytes, "x").unwrap(), files("first"));

    // And after a restart the pinned one is in force at once.
    let again = gatehouse(gate.stop().await, None, Trust::default()).await;
    let active = again.bundles().await["active"].clone();
    assert_eq!((&active["name"], &active["pinned"]), (&json!("second"), &json!(true)));
    let events = again.until_event("bundle_active").await;
    println!("{events:?}");
}

impl Gatehouse {
    async fn until_event(&self, what: &str) -> Vec<(String, String, String)> {
        for _ in 0..100_000 {
            let events = self.events().await;
            if events.first().is_some_and(|(found, ..)| found == what) {
                return events;
            }
            tokio::task::yield_now().await;
        }
        panic!("no event `{what}`: {:?}", self.events().await);
    }
}

#[tokio::test]
async fn a_pin_holds_against_the_directory_until_it_is_taken_off() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &files("first"));
    let gate = gatehouse(tempfile::tempdir().unwrap(), Some(directory.path()), Trust::default()).await;
    // What is in the directory is active and stored.
    let bundles = gate.until("the first version", |bundles| bundles["versions"][0]["name"] == "first").await;
    assert_eq!((&bundles["active"]["name"], &bundles["pin"]), (&json!("first"), &Value::Null));
    assert_eq!(
        (&bundles["versions"][0]["source"], &bundles["versions"][0]["who"]),
        (&json!("directory"), &json!("portcullis"))
    );
    let nothing = gate.call("DELETE", "/v1/bundles/pin?why=x", None).await;
    assert_eq!((nothing.status, nothing.code().as_str()), (StatusCode::CONFLICT, "not_pinned"));
    let nothing = gate.call("POST", "/v1/bundles/rollback", Some(json!({"why": "x"}))).await;
    assert_eq!((nothing.status, nothing.code().as_str()), (StatusCode::CONFLICT, "nothing_before"));

    gate.upload(archive("pinned"), "?why=incident&activate=true").await;
    write(directory.path(), &files("third"));
    let bundles =
        gate.until("the third to be stored", |bundles| bundles["versions"][0]["name"] == "third").await;
    println!("{bundles:#}");
    assert_eq!(bundles["active"]["name"], "pinned", "the directory waits");
    let shown = &bundles["active"]["directory"];
    assert_eq!((&shown["differs"], &shown["name"]), (&json!(true), &json!("third")));
    assert_eq!(gate.get("/readyz").await.json()["bundle"]["directory"]["differs"], true);
    assert!(gate.get("/metrics").await.text.contains("portcullis_bundle_waiting 1"));
    assert_eq!(gate.events().await[0].0, "bundle_waits");

    // A broken directory does not matter while something is pinned; but there is nothing to go back to.
    fs::write(directory.path().join("rules/a.yaml"), "rules: [").unwrap();
    let bundles =
        gate.until("the breakage", |bundles| bundles["active"]["directory"]["errors"] != json!([])).await;
    assert_eq!(bundles["active"]["errors"], json!([]), "{bundles:#}");
    assert!(gate.get("/metrics").await.text.contains("portcullis_bundle_error 0"));
    let broken = gate.call("DELETE", "/v1/bundles/pin?why=x", None).await;
    assert_eq!((broken.status, broken.code().as_str()), (StatusCode::CONFLICT, "directory_refused"));
    assert_eq!(gate.bundles().await["active"]["name"], "pinned");

    // Across a restart, with the directory broken.
    let gate = gatehouse(gate.stop().await, Some(directory.path()), Trust::default()).await;
    assert_eq!(gate.bundles().await["active"]["name"], "pinned");

    write(directory.path(), &files("fourth"));
    gate.until("the mended directory", |bundles| bundles["active"]["directory"]["name"] == "fourth").await;
    let back = gate.call("DELETE", "/v1/bundles/pin?why=over", None).await;
    assert_eq!((back.status, &back.json()["name"]), (StatusCode::OK, &json!("fourth")), "{}", back.text);
    let bundles = gate
        .until("the activation on record", |bundles| bundles["versions"][0]["activated"]["why"] == "over")
        .await;
    assert_eq!((&bundles["active"]["name"], &bundles["active"]["pinned"]), (&json!("fourth"), &json!(false)));
    assert_eq!(bundles["versions"][0]["activated"]["who"], TOKEN);
    let events = gate.until_event("bundle_active").await;
    assert!(events.contains(&event("bundle_unpinned", TOKEN, "over")), "{events:?}");

    // From now on the directory is followed again; and rolling back works over both kinds.
    write(directory.path(), &files("fifth"));
    gate.until("the fifth", |bundles| {
        bundles["versions"][0]["activated"]["why"] != Value::Null && bundles["active"]["name"] == "fifth"
    })
    .await;
    let back = gate.call("POST", "/v1/bundles/rollback", Some(json!({"why": "fifth is worse"}))).await;
    assert_eq!(back.json()["name"], "fourth", "{}", back.text);
    let bundles = gate.bundles().await;
    assert_eq!(
        (&bundles["active"]["pinned"], &bundles["active"]["directory"]["differs"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn bad_uploads_change_nothing() {
    let gate = without_directory().await;
    gate.upload(archive("good"), "?why=x&activate=true").await;
    let before = gate.bundles().await;
    let events = gate.events().await.len();
    let file = |path: &str, bytes: &[u8]| SourceFile { path: path.to_owned(), bytes: bytes.to_vec() };
    let good = archive("other");
    let typo = [
        file("bundle.yaml", b"version: \"1.0\"\nname: x\ndefualt: allow\n"),
        file("rules/a.yaml", b"rules:\n- {id: a, action: blok}\n"),
    ];
    let cases: Vec<(&str, Vec<u8>, StatusCode, &str, &str)> = vec![
        ("empty", vec![], StatusCode::UNPROCESSABLE_ENTITY, "bundle_refused", "empty"),
        ("no tar", b"{}".repeat(999), StatusCode::UNPROCESSABLE_ENTITY, "bundle_refused", "not a whole tar"),
        (
            "truncated",
            good[..good.len() / 2].to_vec(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "bundle_refused",
            "cut",
        ),
        (
            "trailing garbage",
            [&good[..], b"x"].concat(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "bundle_refused",
            "follow",
        ),
        (
            "bomb",
            pack(&[file("bundle.yaml", &vec![b'#'; 5_000_000])]).unwrap(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "bundle_refused",
            "200 times",
        ),
        ("50 MB", vec![0; 50_000_000], StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "29360128"),
        (
            "no bundle.yaml",
            pack(&[file("rules/a.yaml", b"rules: []")]).unwrap(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "bundle_refused",
            "no `bundle.yaml`",
        ),
        (
            "does not compile",
            pack(&typo).unwrap(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "bundle_refused",
            "defualt",
        ),
    ];
    for (what, body, status, code, part) in &cases {
        for path in ["/v1/bundles?why=x&activate=true", "/v1/bundles/validate"] {
            let answer = gate.upload_to(path, body.clone()).await;
            println!("{what}: {}", answer.json()["detail"]);
            assert_eq!((answer.status, answer.code().as_str()), (*status, *code), "{what}: {}", answer.text);
            assert!(answer.text.contains(part), "{what}: {}", answer.text);
        }
    }
    let answer = gate.upload(pack(&typo).unwrap(), "?why=x").await.json();
    let findings = answer["diagnostics"].as_array().unwrap();
    println!("{answer:#}");
    let at = |path: &str, line: u64| {
        findings
            .iter()
            .any(|found| found["path"] == path && found["line"] == line && found["severity"] == "error")
    };
    assert!(at("bundle.yaml", 3) && at("rules/a.yaml", 2), "all of them, each with its place");

    for query in [
        "",
        "?why=",
        "?why=%20",
        &format!("?why={}", "x".repeat(1_001)),
        "?why=x&activate=maybe",
        "?reason=x",
    ] {
        let answer = gate.upload(archive("other"), query).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "bad_request"),
            "{query}"
        );
    }
    let unknown = "0".repeat(64);
    let digest = before["active"]["digest"].as_str().unwrap();
    for (method, path, body, status, code) in [
        (
            "POST",
            format!("/v1/bundles/{unknown}/activate"),
            Some(json!({"why": "x"})),
            StatusCode::NOT_FOUND,
            "bundle_not_found",
        ),
        (
            "POST",
            format!("/v1/bundles/{digest}/activate"),
            Some(json!({})),
            StatusCode::BAD_REQUEST,
            "bad_request",
        ),
        (
            "POST",
            format!("/v1/bundles/{digest}/activate"),
            Some(json!({"why": "x", "force": true})),
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_document",
        ),
        (
            "POST",
            "/v1/bundles/rollback".to_owned(),
            Some(json!({"why": "x"})),
            StatusCode::CONFLICT,
            "nothing_before",
        ),
        ("DELETE", "/v1/bundles/pin?why=x".to_owned(), None, StatusCode::CONFLICT, "no_directory"),
        ("DELETE", "/v1/bundles/pin".to_owned(), None, StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", format!("/v1/bundles/{unknown}"), None, StatusCode::NOT_FOUND, "bundle_not_found"),
        ("GET", "/v1/bundles/../archive".to_owned(), None, StatusCode::NOT_FOUND, "bundle_not_found"),
        ("GET", "/v1/bundles?prefix=xyz".to_owned(), None, StatusCode::BAD_REQUEST, "bad_request"),
        ("GET", "/v1/bundles?limit=0".to_owned(), None, StatusCode::BAD_REQUEST, "bad_request"),
    ] {
        let answer = gate.call(method, &path, body).await;
        println!("{method} {path}: {} {}", answer.status, answer.text);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{method} {path}");
    }
    assert_eq!(gate.bundles().await, before, "the last good bundle stays, and nothing is stored");
    assert_eq!(gate.events().await.len(), events);
    println!("compared {} uploads", cases.len());
}

#[tokio::test]
async fn only_signed_bundles_where_they_are_required() {
    let (key, _) = SigningKey::generate().unwrap();
    let (stranger, _) = SigningKey::generate().unwrap();
    let public: BundleKey = key.public().parse().unwrap();
    let trust = Trust { keys: vec![public.clone()], required: true };
    let signed = |name: &str, key: &SigningKey| {
        let mut files = files(name);
        let bytes = key.sign(&portcullis_policy::digest(&files)).into_bytes();
        files.push(SourceFile { path: "bundle.sig".to_owned(), bytes });
        files
    };
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &signed("first", &key));
    let gate = gatehouse(tempfile::tempdir().unwrap(), Some(directory.path()), trust.clone()).await;
    let bundles = gate.until("the first", |bundles| bundles["versions"][0]["name"] == "first").await;
    assert_eq!(bundles["active"]["signed_by"], public.name());

    // In the directory: changed after signing, then signed by somebody else, then signed.
    let mut changed = signed("first", &key);
    changed[1].bytes.extend(b"# one more line\n");
    for (files, part) in [(&changed, "changed after signing"), (&signed("second", &stranger), "not known")] {
        write(directory.path(), files);
        let bundles =
            gate.until("a refusal", |bundles| bundles["active"]["errors"].to_string().contains(part)).await;
        println!("{}", bundles["active"]["errors"]);
        assert_eq!(bundles["active"]["name"], "first", "the last good one stays");
    }
    fs::remove_file(directory.path().join("bundle.sig")).unwrap();
    gate.until("unsigned", |bundles| bundles["active"]["errors"].to_string().contains("is not signed")).await;
    // The digest does not change with the signature; it is noticed all the same.
    write(directory.path(), &signed("second", &key));
    gate.until("the second", |bundles| bundles["active"]["name"] == "second").await;

    // Over the API.
    for files in [files("third"), changed, signed("third", &stranger)] {
        let answer = gate.upload(pack(&files).unwrap(), "?why=x&activate=true").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "bundle_signature")
        );
    }
    let good = gate.upload(pack(&signed("third", &key)).unwrap(), "?why=x&activate=true").await;
    assert_eq!((good.status, &good.json()["signed_by"]), (StatusCode::CREATED, &json!(public.name())));

    // The key is taken away: the pinned version is refused at the next start, and the directory's does not slip in.
    let other = Trust { keys: vec![stranger.public().parse().unwrap()], required: true };
    let gate = gatehouse(gate.stop().await, Some(directory.path()), other).await;
    let active = gate.bundles().await["active"].clone();
    println!("{active:#}");
    assert_eq!((&active["loaded"], &active["pinned"]), (&json!(false), &json!(true)));
    assert!(active["errors"].to_string().contains("key is not known"), "{active}");
    assert_eq!(gate.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(gate.post("/v1/decisions", question(json!({})).to_string()).await.code() == "no_bundle");
    let old = gate.call("POST", "/v1/bundles/rollback", Some(json!({"why": "x"}))).await;
    assert_eq!(old.code(), "bundle_signature", "the one before was signed with that key, too");
    let good = gate.upload(pack(&signed("third", &stranger)).unwrap(), "?why=new%20key&activate=true").await;
    assert_eq!(
        (good.status, &good.json()["active"]),
        (StatusCode::OK, &json!(true)),
        "the same files, signed anew"
    );
    assert_eq!(gate.get("/readyz").await.status, StatusCode::OK);
    let gate = gatehouse(gate.stop().await, None, trust).await;
    assert_eq!(gate.bundles().await["active"]["loaded"], false, "signed by the stranger now");
}

/// A call is decided by one bundle from beginning to end, whatever is swapped meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_in_flight_finish_on_the_bundle_they_started_with() {
    let gate = without_directory().await;
    let (nova, titan) = (gate.stored("nova").await, gate.stored("titan").await);
    let activate = async |digest: &str| {
        let path = format!("/v1/bundles/{digest}/activate");
        let answer = gate.call("POST", &path, Some(json!({"why": "swap"}))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    };
    activate(&nova).await;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let stop = &stop;
    let lanes = (0..16).map(|lane| {
        let gate = &gate;
        async move {
            let mut ids = Vec::new();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let call_id = format!("{lane}-{}", ids.len());
                let answer = gate.decide(&question(json!({"call_id": call_id}))).await;
                ids.push(answer["decision_id"].as_str().unwrap().to_owned());
            }
            ids
        }
    });
    let swaps = async {
        for _ in 0..25 {
            activate(&titan).await;
            activate(&nova).await;
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let mut decisions = 0;
    let (ids, ()) = tokio::join!(join_all(lanes), swaps);
    let mut by = std::collections::BTreeMap::<String, u32>::new();
    for id in ids.into_iter().flatten() {
        let found = gate.get(&format!("/v1/decisions/{id}")).await.json();
        let record = &found["record"];
        let record = if record.is_object() { record } else { &found };
        let (bundle, digest) = (record["policy"]["bundle"].as_str().unwrap(), &record["policy"]["digest"]);
        // The question is for a Nova model: the bundle `nova` refuses it, `titan` lets it out.
        let refused = bundle == "nova";
        assert_eq!(digest, if refused { &nova } else { &titan }, "{record}");
        assert_eq!(record["verdict"]["kind"], if refused { "deny" } else { "allow" }, "{record}");
        assert_eq!(record["policy"]["rule"], if refused { json!("nova") } else { Value::Null }, "{record}");
        *by.entry(bundle.to_owned()).or_default() += 1;
        decisions += 1;
    }
    println!("{decisions} decisions across 50 swaps, none failed: {by:?}");
    assert!(by.len() == 2, "both decided: {by:?}");
}

/// Runs all of them on this task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                std::task::Poll::Ready(value) => *output = Some(value),
                std::task::Poll::Pending => pending = true,
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
