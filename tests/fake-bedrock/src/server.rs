//! Listeners and the life of one request: read, recognise, check, answer; written down before it is sent.

use crate::answer::{self, Ask};
use crate::auth::{self, Checked, Presented};
use crate::calls::{CallLog, CallRecord};
use crate::config::Config;
use crate::control;
use crate::operation::{Match, Operations, region_of};
use crate::reply::{Reply, StepBody};
use crate::tls::Authority;
use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// The body of every answer.
pub(crate) type AnswerBody = BoxBody<Bytes, io::Error>;

/// The fake.
pub struct FakeBedrock;

/// A running fake. Dropping it closes its listeners and every connection.
pub struct Handle {
    /// The TLS listener.
    pub https: SocketAddr,
    /// The control API (plain HTTP).
    pub control: SocketAddr,
    /// The plain listener, when one was asked for.
    pub plain: Option<SocketAddr>,
    /// The CA that signed its certificate.
    pub ca_pem: String,
    calls: CallLog,
    _stop: watch::Sender<()>,
}

impl Handle {
    /// Every call that reached it, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.calls.all()
    }

    /// Forgets the calls.
    pub fn clear(&self) {
        self.calls.clear();
    }

    /// `SANDBOX_URL`: the base of the control API.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }
}

struct State {
    config: Config,
    operations: Operations,
    calls: CallLog,
    ca_pem: String,
}

impl FakeBedrock {
    /// Binds the listeners and serves until the handle is dropped.
    ///
    /// # Errors
    /// When a listener cannot be bound, or the CA cannot be read or made.
    pub async fn start(config: Config) -> Result<Handle> {
        let authority = Authority::open(config.ca_dir.as_deref())?;
        let tls = TlsAcceptor::from(authority.server_config(&config.regions, &config.extra_names)?);
        let listener = bind(config.listen).await?;
        let control = bind(config.control).await?;
        let plain = match config.plain {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let operations = Operations::load().context("testdata/operations.json is broken")?;
        let calls = CallLog::default();
        let (stop, stopped) = watch::channel(());
        let handle = Handle {
            https: listener.local_addr()?,
            control: control.local_addr()?,
            plain: plain.as_ref().map(TcpListener::local_addr).transpose()?,
            ca_pem: authority.pem.clone(),
            calls: calls.clone(),
            _stop: stop,
        };
        let state = Arc::new(State { config, operations, calls, ca_pem: authority.pem });
        tokio::spawn(accept(listener, Some(tls), state.clone(), stopped.clone()));
        if let Some(plain) = plain {
            tokio::spawn(accept(plain, None, state.clone(), stopped.clone()));
        }
        tokio::spawn(accept_control(control, state, stopped));
        Ok(handle)
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on `{address}`"))
}

/// Resolves when the handle is gone.
async fn gone(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    state: Arc<State>,
    stopped: watch::Receiver<()>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = gone(stopped.clone()) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let (tls, state, stopped) = (tls.clone(), state.clone(), stopped.clone());
        tokio::spawn(async move {
            let served = async {
                match tls {
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve_connection(stream, state).await,
                        Err(error) => tracing::debug!(%error, "no TLS handshake"),
                    },
                    None => serve_connection(stream, state).await,
                }
            };
            tokio::select! { () = served => {}, () = gone(stopped) => {} }
        });
    }
}

async fn serve_connection<S>(stream: S, state: Arc<State>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(serve(request, &state).await) }
    });
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).max_buf_size(512 * 1024);
    server
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_header_list_size(512 * 1024);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended");
    }
}

async fn accept_control(listener: TcpListener, state: Arc<State>, stopped: watch::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = gone(stopped.clone()) => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let state = state.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = control::answer(&request, &state.calls, &state.ca_pem);
                async move { Ok::<_, Infallible>(answer) }
            });
            let server = hyper::server::conn::http1::Builder::new();
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "control connection ended");
            }
        });
    }
}

/// The body as far as it came.
struct Received {
    bytes: Vec<u8>,
    sha256: String,
    length: u64,
    end: End,
}

#[derive(PartialEq, Eq)]
enum End {
    Whole,
    TooLarge,
    TimedOut,
    Gone,
}

async fn receive(mut body: Incoming, config: &Config) -> Received {
    let mut received = Received { bytes: Vec::new(), sha256: String::new(), length: 0, end: End::Whole };
    let mut hash = Sha256::new();
    let deadline = tokio::time::sleep(Duration::from_millis(config.body_timeout_ms));
    tokio::pin!(deadline);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = &mut deadline => { received.end = End::TimedOut; break }
        };
        let data = match frame {
            None => break,
            Some(Err(_)) => {
                received.end = End::Gone;
                break;
            }
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        received.length += data.len() as u64;
        if config.record || config.verify {
            hash.update(&data);
        }
        if received.length <= config.max_body_bytes as u64 {
            received.bytes.extend_from_slice(&data);
        } else {
            // What follows is read, so that the client sees the answer, and dropped; but not for ever.
            received.end = End::TooLarge;
            received.bytes = Vec::new();
            if received.length > 4 * config.max_body_bytes as u64 {
                break;
            }
        }
    }
    received.sha256 = hex::encode(hash.finalize());
    received
}

async fn serve(request: Request<Incoming>, state: &State) -> Response<AnswerBody> {
    let (head, body) = request.into_parts();
    let raw = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
    let host = match (head.headers.get("host"), head.uri.authority()) {
        (Some(host), _) => String::from_utf8_lossy(host.as_bytes()).into_owned(),
        (None, Some(authority)) => authority.to_string(),
        (None, None) => String::new(),
    };
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let found = state.operations.find(&host, head.method.as_str(), path, target);

    let bidirectional = found.operation == "InvokeModelWithBidirectionalStream";
    let (received, live) = if bidirectional {
        let nothing = Received { bytes: Vec::new(), sha256: String::new(), length: 0, end: End::Whole };
        (nothing, Some(body))
    } else {
        (receive(body, &state.config).await, None)
    };
    let presented = Presented {
        method: head.method.as_str(),
        host: &host,
        path,
        query,
        headers: &head.headers,
        body_sha256: &received.sha256,
        http2: head.version == Version::HTTP_2,
        streaming_input: bidirectional,
        region: region_of(&host),
        services: signing_names(&found, &host),
    };
    let checked = if state.config.verify {
        auth::check(&presented, &state.config.principals, SystemTime::now())
    } else {
        Checked { kind: "unchecked", access_key_id: None, verdict: Ok(()) }
    };

    let ask = Ask::new(&found, &received.bytes, &head.headers, state.config.pace_ms);
    let request_id = uuid::Uuid::now_v7().to_string();
    let reply = respond(&ask, &checked, &received);
    if state.config.record {
        let mut record = describe(&head, &host, raw, &found, &checked, &received);
        record.model = ask.model.clone();
        record.signature_valid = state.config.verify && checked.verdict.is_ok();
        record.status = reply.status;
        record.request_id = request_id.clone();
        state.calls.push(record);
    }
    if reply.hang {
        std::future::pending::<()>().await;
    }
    let stream = live.filter(|_| reply.status == 200).map(answer::bidirectional);
    into_response(reply, &request_id, stream)
}

fn respond(ask: &Ask<'_>, checked: &Checked, received: &Received) -> Reply {
    let shape = ask.found.shape;
    let refuse = |status, type_name: &str, message: &str| Reply::error(shape, status, type_name, message);
    match (&received.end, &checked.verdict) {
        (End::Gone, _) => refuse(400, "ValidationException", "the client went away"),
        (End::TimedOut, _) => refuse(408, "RequestTimeoutException", "The body did not arrive in time."),
        (_, Err(rejection)) => refuse(403, rejection.type_name, &rejection.message),
        (End::TooLarge, Ok(())) => {
            refuse(400, "ValidationException", "Input is too long for requested model.")
        }
        (End::Whole, Ok(())) => answer::answer(ask),
    }
}

/// What the scope of a signature may name, the likelier first.
fn signing_names(found: &Match, host: &str) -> &'static [&'static str] {
    match found.service.as_str() {
        "bedrock-agentcore" | "bedrock-agentcore-control" => &["bedrock-agentcore"],
        "bedrock-mantle" if host.starts_with("bedrock-mantle.") => &["bedrock-mantle"],
        "bedrock-mantle" if host.starts_with("bedrock-runtime") => &["bedrock"],
        "bedrock-mantle" => &["bedrock", "bedrock-mantle"],
        _ => &["bedrock"],
    }
}

fn describe(
    head: &http::request::Parts,
    host: &str,
    path: &str,
    found: &Match,
    checked: &Checked,
    received: &Received,
) -> CallRecord {
    let masked = ["authorization", "x-api-key", "x-amz-security-token"];
    let show = |(name, value): (&HeaderName, &HeaderValue)| {
        let value = if masked.contains(&name.as_str()) {
            "***".into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        (name.as_str().to_owned(), value.into_owned())
    };
    CallRecord {
        operation: found.operation.clone(),
        method: head.method.to_string(),
        path: path.to_owned(),
        access_key_id: checked.access_key_id.clone(),
        credential: checked.kind.to_owned(),
        rejected: checked.verdict.as_ref().err().map(|r| format!("{}: {}", r.type_name, r.message)),
        body_sha256: received.sha256.clone(),
        body_bytes: received.length,
        body_complete: received.end == End::Whole || received.end == End::TooLarge,
        host: host.to_owned(),
        protocol: format!("{:?}", head.version),
        invocation_id: head
            .headers
            .get("amz-sdk-invocation-id")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned),
        headers: head.headers.iter().map(show).collect(),
        ..CallRecord::default()
    }
}

fn into_response(reply: Reply, request_id: &str, stream: Option<AnswerBody>) -> Response<AnswerBody> {
    let mut response = Response::new(stream.unwrap_or_else(|| StepBody::new(reply.steps).boxed()));
    *response.status_mut() =
        http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), value);
    }
    response
}
