//! The single facts of a head, each from its bytes.

use super::bad_header;
use crate::body::{BodyPlan, PayloadKind};
use crate::call::{AgentRef, ApiShape, Head, Problem, ProblemCode};
use crate::credential::{Signature, SignatureParts};
use crate::endpoint::Endpoint;
use crate::headers::Headers;
use crate::model::{ModelKind, ModelRef};
use crate::operation::{Operation, service};
use crate::path::{Target, decode};
use std::borrow::Cow;

/// The method: an upper-case token.
pub(super) fn method(raw: &[u8]) -> Result<&str, Problem> {
    let token =
        !raw.is_empty() && raw.len() <= 32 && raw.iter().all(|b| b.is_ascii_alphabetic() || *b == b'-');
    let method = std::str::from_utf8(raw).ok().filter(|_| token);
    method.ok_or_else(|| bad_header("the method is missing or not a token".to_owned()))
}

/// The host of an authority, lower-case, without port or trailing dot. A `host` header beside it must be the same.
pub(super) fn host(authority: &[u8], header: Option<&str>) -> Result<String, Problem> {
    let authority =
        std::str::from_utf8(authority).map_err(|_| bad_header("the authority is not UTF-8".to_owned()))?;
    if header.is_some_and(|header| !header.eq_ignore_ascii_case(authority)) {
        return Err(bad_header("header `host` and the authority differ".to_owned()));
    }
    let host = without_port(authority)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    if host.is_empty() || host.len() > 253 || !host.bytes().all(sound) {
        return Err(bad_header("the authority is missing or not a host name".to_owned()));
    }
    Ok(host.to_ascii_lowercase())
}

fn without_port(authority: &str) -> Result<&str, Problem> {
    // An IPv6 address in brackets has colons of its own.
    let after_address = authority.rsplit_once(']').map_or(authority, |(_, port)| port);
    match after_address.rsplit_once(':') {
        None => Ok(authority),
        Some((_, port))
            if port.parse::<u16>().is_ok_and(|p| p > 0) && port.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Ok(authority.rsplit_once(':').map_or(authority, |(host, _)| host))
        }
        Some(_) => Err(bad_header("the authority has a bad port".to_owned())),
    }
}

/// The TLS server name must be the authority's host: else a certificate for one host would vouch for another.
pub(super) fn check_server_name(server_name: Option<&[u8]>, host: Option<&str>) -> Result<(), Problem> {
    let mismatch =
        |detail: &str| Err(Problem { code: ProblemCode::ServerNameMismatch, detail: detail.to_owned() });
    match (server_name, host) {
        (None | Some([]), _) => mismatch("the TLS connection has no server name"),
        (Some(name), Some(host)) => {
            let name = name.strip_suffix(b".").unwrap_or(name);
            if name.eq_ignore_ascii_case(host.as_bytes()) {
                Ok(())
            } else {
                mismatch("the TLS server name is another host than the authority")
            }
        }
        (Some(_), None) => mismatch("the authority is no host name"),
    }
}

/// The error shape of a path that is no operation: its first segment tells the API.
pub(super) fn shape_of(endpoint: Option<&Endpoint>, path: &[u8]) -> ApiShape {
    let under =
        |prefix: &[u8]| path.strip_prefix(prefix).is_some_and(|rest| matches!(rest, [] | [b'/' | b'?', ..]));
    let at = |service: &str| endpoint.is_some_and(|e| e.service == service);
    let mantle = at("bedrock-mantle") || at("openai");
    if under(b"/anthropic") || at("anthropic") {
        ApiShape::Anthropic
    } else if under(b"/openai") || under(b"/v1") || mantle {
        ApiShape::OpenAi
    } else {
        ApiShape::Aws
    }
}

/// Whether AWS reads the guardrail headers of an operation: on any other they must not count as a guardrail.
///
/// The models have them on InvokeModel and its streaming twin (`tests/drift.rs` holds that); "Invoke a model with the
/// OpenAI Chat Completions API" (Bedrock user guide) adds that path.
pub(super) fn takes_guardrail_headers(operation: &Operation) -> bool {
    operation.service == "bedrock-runtime"
        && matches!(
            operation.body,
            BodyPlan::RequiredJson(PayloadKind::InvokeModel | PayloadKind::OpenAiChat)
        )
}

/// `x-amz-target` names the operation of a json-1.1 service; where the path does, no SDK sends it, and a server that
/// spoke both protocols could go by either.
pub(super) fn check_target(operation: Option<&Operation>, headers: &Headers<'_>) -> Result<(), Problem> {
    let by_path = operation.and_then(|o| service(o.service)).is_some_and(|s| s.target_prefix.is_none());
    match headers.target {
        Some(_) if by_path => {
            Err(bad_header("header `x-amz-target` names an operation beside the path's".to_owned()))
        }
        _ => Ok(()),
    }
}

/// The model that the URI names.
pub(super) fn model(labels: &[(&'static str, String)]) -> Option<ModelRef> {
    let is_model = |name: &str| matches!(name, "modelId" | "modelIdentifier");
    labels.iter().find(|(name, _)| is_model(name)).map(|(_, id)| ModelRef::parse(id))
}

/// The agent, flow, harness or AgentCore runtime that labels, query and headers name.
pub(super) fn agent(
    labels: &[(&'static str, String)],
    operation: Option<&Operation>,
    headers: &Headers<'_>,
    target: Option<&Target<'_>>,
) -> Result<AgentRef, Problem> {
    let mut agent = AgentRef::default();
    let Some(operation) = operation else { return Ok(agent) };
    for (name, value) in labels {
        let slot = match *name {
            "agentId" | "agentRuntimeArn" | "agentRuntimeId" | "flowIdentifier" | "harnessId" => {
                &mut agent.id
            }
            "agentAliasId" | "flowAliasIdentifier" => &mut agent.alias,
            "sessionId" | "sessionIdentifier" => &mut agent.session,
            _ => continue,
        };
        *slot = Some(value.clone());
    }
    if operation.service == "bedrock-agentcore" {
        if let Some(target) = target {
            let harness = one(target, "harnessArn")?;
            agent.id = agent.id.or(harness);
            agent.alias = one(target, "qualifier")?;
        }
        let session = headers.runtime_session.or(headers.tool_session);
        agent.session = session.map(str::to_owned).or(agent.session);
    }
    Ok(agent)
}

/// What else the head says, where the operation reads it there.
pub(super) fn more(
    model: Option<&ModelRef>,
    operation: Option<&Operation>,
    headers: &Headers<'_>,
    target: Option<&Target<'_>>,
) -> Result<Vec<(&'static str, String)>, Problem> {
    let mut facts = Vec::new();
    let mut add =
        |name, value: Option<&str>| facts.extend(value.map(|value| (name, cut(value.as_bytes(), 2_048))));
    let Some(operation) = operation else { return Ok(facts) };
    // Its text is kept at AWS: there is none in the request.
    add("prompt_by_arn", model.filter(|model| model.kind == ModelKind::Prompt).map(|_| "true"));
    match operation.name {
        "InvokeAgentRuntime" | "InvokeAgentRuntimeCommand" | "InvokeHarness" | "InvokeGateway" => {
            add("runtime_user_id", headers.runtime_user);
            add("mcp_session_id", headers.mcp_session);
            add("mcp_protocol_version", headers.mcp_version);
            add("mcp_method", headers.mcp_method);
            add("mcp_name", headers.mcp_name);
            let account = target.map(|target| one(target, "accountId")).transpose()?.flatten();
            add("runtime_account_id", account.as_deref());
        }
        "InvokeAgent" => add("source_arn", headers.source_arn),
        _ if takes_guardrail_headers(operation) => {
            add("service_tier", headers.service_tier);
            add("latency", headers.latency);
        }
        _ => {}
    }
    Ok(facts)
}

/// The decoded value of a query key that may be there once.
fn one(target: &Target<'_>, name: &str) -> Result<Option<String>, Problem> {
    let mut found = None;
    for (_, value) in target.query_pairs().filter(|(key, _)| key == name) {
        let bad = |what: &str| Problem {
            code: ProblemCode::PathNotCanonical,
            detail: format!("query key `{name}` {what}"),
        };
        if found.replace(decode(value).map_err(bad)?.into_owned()).is_some() {
            return Err(bad("is there twice"));
        }
    }
    Ok(found)
}

/// The inputs of a signature check. `None` where a signed header is not there or not UTF-8: it cannot be checked.
pub(super) fn signature_parts(
    signature: Signature<'_>,
    head: &Head<'_>,
    target: Option<&Target<'_>>,
) -> Option<SignatureParts> {
    let target = target?;
    let mut headers = Vec::with_capacity(8);
    for name in signature.signed_headers.split(';') {
        let value = match name {
            "host" | ":authority" => Cow::Borrowed(std::str::from_utf8(head.authority).ok()?),
            _ => header_value(head, name)?,
        };
        headers.push((name.to_owned(), value.into_owned()));
    }
    Some(SignatureParts {
        date: signature.date,
        scope: signature.scope,
        signature: signature.signature,
        headers,
        path: target.path.to_owned(),
        query: target.query.to_owned(),
    })
}

/// The value of a header; the values of a repeated one are joined with commas, as SigV4 does.
fn header_value<'a>(head: &Head<'a>, name: &str) -> Option<Cow<'a, str>> {
    let mut values =
        head.headers.iter().filter(|(n, _)| n == name.as_bytes()).map(|(_, v)| std::str::from_utf8(v).ok());
    let mut joined = Cow::Borrowed(values.next()??);
    for value in values {
        let joined = joined.to_mut();
        joined.push(',');
        joined.push_str(value?);
    }
    Some(joined)
}

/// `content-length`: digits, and no transfer coding beside it.
pub(super) fn content_length(headers: &Headers<'_>) -> Result<Option<u64>, Problem> {
    let Some(raw) = headers.content_length else { return Ok(None) };
    if headers.transfer_encoding.is_some() {
        return Err(bad_header("headers `content-length` and `transfer-encoding` are both there".to_owned()));
    }
    let digits = !raw.is_empty() && raw.bytes().all(|b| b.is_ascii_digit());
    let length = raw.parse().ok().filter(|_| digits);
    length.map(Some).ok_or_else(|| bad_header("header `content-length` is not a number".to_owned()))
}

/// The body must be readable as it is: no content or transfer coding; JSON in no character set but UTF-8.
pub(super) fn check_encodings(headers: &Headers<'_>, body: &BodyPlan) -> Result<(), Problem> {
    let encoded =
        |detail: &str| Err(Problem { code: ProblemCode::ContentEncoding, detail: detail.to_owned() });
    let is =
        |value: Option<&str>, only: &str| value.is_none_or(|v| v.is_empty() || v.eq_ignore_ascii_case(only));
    if !is(headers.content_encoding, "identity") {
        return encoded("header `content-encoding`: send the body as it is");
    }
    if !is(headers.transfer_encoding, "chunked") {
        return encoded("header `transfer-encoding`: only `chunked` is taken");
    }
    if matches!(body, BodyPlan::Opaque | BodyPlan::AtHeaders) {
        return Ok(());
    }
    let parameters = headers.content_type.into_iter().flat_map(|v| v.split(';').skip(1));
    let mut charsets = parameters.filter_map(|p| {
        let (name, value) = p.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    if charsets.any(|c| !["utf-8", "utf8", "us-ascii"].iter().any(|known| c.eq_ignore_ascii_case(known))) {
        return encoded("header `content-type`: only the character set `utf-8` is taken");
    }
    Ok(())
}

/// Text from a header that nothing depends on, cut at a character's edge.
pub(super) fn cut(raw: &[u8], most: usize) -> String {
    let text = String::from_utf8_lossy(raw.get(..most).unwrap_or(raw));
    let mut text = text.into_owned();
    while text.len() > most {
        text.pop();
    }
    text
}
