//! The life of one request: read, recognise, check, answer; written down before it is sent.

use crate::answer::{self, Ask};
use crate::auth::{self, Checked, Presented};
use crate::calls::{CallLog, CallRecord};
use crate::meter::Meter;
use crate::operation::{Match, region_of};
use crate::receive::{End, Received, receive};
use crate::reply::{Reply, StepBody};
use crate::server::State;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use std::io;
use std::time::SystemTime;

/// The body of every answer.
pub(crate) type AnswerBody = BoxBody<Bytes, io::Error>;

/// One exchange.
pub(crate) async fn serve(request: Request<Incoming>, state: &State) -> Response<AnswerBody> {
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

    let mut unanswered = Unanswered::new(state, describe(&head, &host, raw, &found));
    let bidirectional = found.operation == "InvokeModelWithBidirectionalStream";
    let (received, live) = if bidirectional {
        (Received::nothing(), Some(body))
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
    if let Some(mut record) = unanswered.record.take() {
        record.credential = checked.kind.to_owned();
        record.access_key_id = checked.access_key_id;
        record.signature_valid = state.config.verify && checked.verdict.is_ok();
        record.rejected = checked.verdict.err().map(|r| format!("{}: {}", r.type_name, r.message));
        record.model.clone_from(&ask.model);
        record.body_bytes = received.length;
        record.body_complete = matches!(received.end, End::Whole | End::TooLarge);
        record.status = reply.status;
        record.request_id.clone_from(&request_id);
        record.body_sha256.clone_from(&received.sha256);
        record.said = ask.said.get().cloned();
        state.calls.push(record);
    }
    let meter = state.config.record.then(|| Meter::new(&state.calls, &request_id));
    if reply.hang {
        std::future::pending::<()>().await;
    }
    let stream = live.filter(|_| reply.status == 200).map(answer::bidirectional);
    into_response(reply, &request_id, stream, meter)
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

/// The record of a call as far as its head tells.
fn describe(head: &http::request::Parts, host: &str, path: &str, found: &Match) -> CallRecord {
    let masked = ["authorization", "x-api-key", "x-amz-security-token"];
    let show = |(name, value): (&HeaderName, &HeaderValue)| {
        let hidden = masked.contains(&name.as_str());
        let value = if hidden { "***".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        (name.as_str().to_owned(), value.into_owned())
    };
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    CallRecord {
        at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        operation: found.operation.clone(),
        method: head.method.to_string(),
        path: path.to_owned(),
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

/// A call that has reached us. Its record is written even when the connection breaks while its body is read, because
/// then the server drops the exchange, and this with it.
struct Unanswered {
    record: Option<CallRecord>,
    calls: CallLog,
}

impl Unanswered {
    fn new(state: &State, record: CallRecord) -> Self {
        Self { record: state.config.record.then_some(record), calls: state.calls.clone() }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            self.calls.push(CallRecord { rejected: Some("the connection broke".to_owned()), ..record });
        }
    }
}

fn into_response(
    reply: Reply,
    request_id: &str,
    stream: Option<AnswerBody>,
    meter: Option<Meter>,
) -> Response<AnswerBody> {
    let mut response = Response::new(stream.unwrap_or_else(|| StepBody::new(reply.steps, meter).boxed()));
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
