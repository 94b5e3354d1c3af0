//! The HTTP surface, by `oneshot`: no socket is opened.

mod admin;
mod approvals;
mod bundles;
mod captured;
mod correlations;
mod data;
mod fields;
mod guard;
mod history;
mod holds;
mod inspections;
mod keys;
mod limits;
mod mutations;
mod reconciliations;
mod records;
mod redaction;
mod reports;
mod search;
mod wire;

use super::{admin_api, data_plane};
use crate::app::{App, KeyRing, Settings, restore_pin};
use crate::bundle::ActiveBundle;
use crate::redaction::{RawRedaction, RedactionConfig, Redactor};
use crate::search::Search;
use crate::storage::{OpenError, SqliteOptions, SqliteStore, Store};
use crate::telemetry::Telemetry;
use crate::tokens::{Kind, MasterKey, NewToken, Tokens};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use portcullis_policy::{SourceFile, compile};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tower::ServiceExt;

pub(super) const BUNDLE: &str = "version: \"1.0\"\nname: test\ndefault: allow\n";
pub(super) const RULES: &str = "version: \"1.0\"\nname: Models\nrules:\n- id: no-titan\n  action: block\n  models: [\"amazon.titan-*\"]\n  message: Titan is retired\n";

/// A control plane without sockets.
pub(super) struct Plane {
    pub(super) app: Arc<App>,
    pub(super) data: Router,
    pub(super) admin: Router,
    pub(super) data_token: String,
    pub(super) admin_token: String,
    pub(super) dir: TempDir,
}

pub(super) async fn plane() -> Plane {
    plane_with(Settings::default(), Some(RULES), defaults).await
}

pub(super) fn defaults(dir: &Path) -> SqliteOptions {
    SqliteOptions::new(dir)
}

pub(super) async fn plane_with(
    settings: Settings,
    rules: Option<&str>,
    options: impl FnOnce(&Path) -> SqliteOptions,
) -> Plane {
    let dir = tempfile::tempdir().unwrap();
    let bundle = ActiveBundle::empty();
    if let Some(rules) = rules {
        install(&bundle, rules);
    }
    plane_of(settings, dir, bundle, options).await
}

/// A control plane on a data directory that may have been used before.
pub(super) async fn plane_of(
    settings: Settings,
    dir: TempDir,
    bundle: ActiveBundle,
    options: impl FnOnce(&Path) -> SqliteOptions,
) -> Plane {
    let store: Arc<dyn Store> = Arc::new(reopen(&options(dir.path())));
    restore_pin(store.as_ref(), &bundle).await.unwrap();
    let data = NewToken::new(Kind::Data, "gate", &[1; 32], &[1; 6], 0);
    let admin = NewToken::new(Kind::Admin, "auditor", &[2; 32], &[2; 6], 0);
    let tokens = Tokens::with_fixed([
        (Kind::Data, "gate".to_owned(), data.stored.sha256),
        (Kind::Admin, "auditor".to_owned(), admin.stored.sha256),
    ]);
    let master = MasterKey::load_or_create(dir.path()).unwrap();
    let keys = KeyRing::load(Arc::clone(&store), tokens, master).await.unwrap();
    let mut app = App::load(store, bundle, keys, Telemetry::new(), settings).await.unwrap();
    app.search = Arc::new(Search::new(Some(dir.path().to_owned())));
    let app = Arc::new(app);
    Plane {
        data: data_plane(Arc::clone(&app)),
        admin: admin_api(Arc::clone(&app)),
        app,
        data_token: data.secret,
        admin_token: admin.secret,
        dir,
    }
}

/// Opens a store that was open a moment ago. A process that another test starts just then holds the lock too, until it
/// has become its program.
fn reopen(options: &SqliteOptions) -> SqliteStore {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match SqliteStore::open(options.clone()) {
            Err(OpenError::InUse(_)) if std::time::Instant::now() < deadline => std::thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

pub(super) fn install(active: &ActiveBundle, rules: &str) {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
    let bundle = compile(&[file("bundle.yaml", BUNDLE), file("rules/test.yaml", rules)]).unwrap();
    active.install(Arc::new(bundle), Path::new("/bundle"), 1);
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The code of a problem; checks its shape.
    pub(super) fn code(&self) -> String {
        let problem = self.json();
        assert_eq!(self.content_type, "application/problem+json", "{}", self.text);
        assert_eq!(problem["status"], self.status.as_u16(), "{problem}");
        for key in ["type", "title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key} of {problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}

pub(super) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        content_type: content_type.unwrap_or_default(),
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

impl Plane {
    pub(super) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// Calls the admin API with the admin token.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.admin_token))
            .body(body.map(|body| Body::from(body.to_string())).unwrap_or_default());
        send(&self.admin, request.unwrap()).await
    }

    /// Posts to the data plane with the data token.
    pub(super) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", self.data_token))
            .header("content-type", "application/json")
            .body(body.into());
        send(&self.data, request.unwrap()).await
    }

    pub(super) async fn decide(&self, question: &Value) -> Value {
        let answer = self.post("/v1/decisions", question.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }

    pub(super) async fn report(&self, outcomes: Value, unaudited: u64) -> Answer {
        let batch = json!({"version": portcullis_protocol::VERSION, "gate": "gate-1", "outcomes": outcomes, "unaudited": unaudited, "lost": 0});
        self.post("/v1/outcomes", batch.to_string()).await
    }
}

pub(super) fn testdata(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/api").join(name);
    let path = if path.exists() { path } else { Path::new("testdata/api").join(name) };
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A question with some keys replaced.
pub(super) fn question(changes: Value) -> Value {
    let mut question = testdata("question.json");
    for (key, value) in changes.as_object().unwrap() {
        question[key] = value.clone();
    }
    question
}

impl Plane {
    /// With records redacted like that.
    pub(super) fn redacting(self, key_id: u32, fields: &[(&str, &str)]) -> Plane {
        let fields = fields.iter().map(|(name, mode)| ((*name).to_owned(), (*mode).to_owned())).collect();
        let config = RedactionConfig::check(RawRedaction { key_id: Some(key_id), fields }).unwrap();
        let Plane { app, data, admin, data_token, admin_token, dir } = self;
        drop((data, admin));
        let mut app = Arc::into_inner(app).expect("nobody else uses it yet");
        let master = MasterKey::load_or_create(dir.path()).unwrap();
        app.redactor = Arc::new(Redactor::new(Some(config), &master));
        let app = Arc::new(app);
        let (data, admin) = (data_plane(Arc::clone(&app)), admin_api(Arc::clone(&app)));
        Plane { data, admin, app, data_token, admin_token, dir }
    }

    /// The same data directory, in another process.
    pub(super) async fn again(self, rules: &str) -> Plane {
        let Plane { app, data, admin, dir, .. } = self;
        drop((app, data, admin));
        let bundle = ActiveBundle::empty();
        install(&bundle, rules);
        plane_of(Settings::default(), dir, bundle, defaults).await
    }
}
