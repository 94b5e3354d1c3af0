//! A control plane that misbehaves on request: for the faults that a real one cannot be talked into.

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// How the stub answers `POST /v1/decisions`.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// `allow`, as a sound control plane answers.
    Allow,
    /// A status and a body, whatever was asked.
    Say(u16, String),
    /// A JSON answer with `call_id` filled in, other keys as given.
    With(Value),
    /// Never answers.
    Hang,
    /// Closes the connection.
    Close,
    /// `allow`, but late.
    Late(Duration),
    /// `hold`, and `allow` so long after it was asked again.
    Hold(Duration),
}

/// The running stub.
#[derive(Debug)]
pub struct Stub {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    // Dropping the runtime ends the server.
    _runtime: tokio::runtime::Runtime,
}

#[derive(Debug)]
struct Shared {
    behaviour: Behaviour,
    /// What answers are to be asked about, and how such questions are answered.
    inspect: Option<(Value, Behaviour)>,
    questions: Vec<Value>,
    inspections: Vec<Value>,
    outcomes: Vec<Value>,
}

impl Stub {
    /// Starts it.
    ///
    /// # Errors
    /// No port could be had.
    pub fn start(behaviour: Behaviour) -> Result<Self> {
        let shared = Arc::new(Mutex::new(Shared {
            behaviour,
            inspect: None,
            questions: Vec::new(),
            inspections: Vec::new(),
            outcomes: Vec::new(),
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let state = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, shared, _runtime: runtime })
    }

    /// Changes what it does from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.lock().behaviour = behaviour;
    }

    /// From now on every allowed call's answer is to be asked about (`{"tool_calls": true}`), and this is what such a question
    /// meets.
    pub fn inspect(&self, inspect: Value, behaviour: Behaviour) {
        self.lock().inspect = Some((inspect, behaviour));
    }

    /// The questions about answers so far.
    #[must_use]
    pub fn inspections(&self) -> Vec<Value> {
        self.lock().inspections.clone()
    }

    /// The questions asked so far.
    #[must_use]
    pub fn questions(&self) -> Vec<Value> {
        self.lock().questions.clone()
    }

    /// The outcomes reported so far.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Value> {
        self.lock().outcomes.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

async fn answer(shared: Arc<Mutex<Shared>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let asked: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut inspected = Value::Null;
    let behaviour = {
        let mut shared = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if path == "/v1/outcomes" {
            let batch = asked["outcomes"].as_array().cloned().unwrap_or_default();
            let accepted = batch.len();
            shared.outcomes.extend(batch);
            return Ok(json_answer(200, json!({"accepted": accepted}).to_string()));
        }
        match path.as_str() {
            "/v1/decisions" => shared.questions.push(asked.clone()),
            "/v1/inspections" => shared.inspections.push(asked.clone()),
            _ => return Ok(json_answer(200, "{}".to_owned())),
        }
        match (&shared.inspect, path.as_str()) {
            (Some((_, behaviour)), "/v1/inspections") => behaviour.clone(),
            (Some((inspect, _)), _) => {
                inspected = inspect.clone();
                shared.behaviour.clone()
            }
            (None, _) => shared.behaviour.clone(),
        }
    };
    let mut allow = json!({"call_id": asked["call_id"], "decision_id": "0191-stub", "verdict": "allow"});
    if asked["number"].is_u64() {
        allow["number"] = asked["number"].clone();
    } else if inspected.is_object() {
        allow["inspect"] = inspected;
    }
    match behaviour {
        Behaviour::Allow => Ok(json_answer(200, allow.to_string())),
        Behaviour::Say(status, body) => Ok(json_answer(status, body)),
        Behaviour::With(mut value) => {
            if value.get("call_id").is_none() {
                value["call_id"] = asked["call_id"].clone();
            }
            if value.get("number").is_none() && asked["number"].is_u64() {
                value["number"] = asked["number"].clone();
            }
            Ok(json_answer(200, value.to_string()))
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Close => anyhow::bail!("closed on purpose"),
        Behaviour::Hold(_) if asked["held"].is_null() => {
            let mut hold = json!({
                "call_id": asked["call_id"], "decision_id": "", "verdict": "hold", "approval_id": "ap-1", "seconds": 45,
            });
            if asked["number"].is_u64() {
                hold["number"] = asked["number"].clone();
            }
            Ok(json_answer(200, hold.to_string()))
        }
        Behaviour::Late(delay) | Behaviour::Hold(delay) => {
            tokio::time::sleep(delay).await;
            Ok(json_answer(200, allow.to_string()))
        }
    }
}

fn json_answer(status: u16, body: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap_or_default()
}
