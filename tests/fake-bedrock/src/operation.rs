//! Which operation a request is: a matcher over `testdata/operations.json`, independent of the gate's.

use crate::reply::Shape;
use serde::Deserialize;
use std::collections::HashMap;

const OPERATIONS: &str = include_str!("../../../testdata/operations.json");

/// OpenAI- and Anthropic-compatible paths (in no AWS model): method, path, operation, error shape.
const COMPATIBLE: &[(&str, &str, &str, Shape)] = &[
    ("POST", "/openai/v1/chat/completions", "CreateChatCompletion", Shape::OpenAi),
    ("POST", "/v1/chat/completions", "CreateChatCompletion", Shape::OpenAi),
    ("POST", "/openai/v1/responses", "CreateResponse", Shape::OpenAi),
    ("POST", "/v1/responses", "CreateResponse", Shape::OpenAi),
    ("GET", "/v1/models", "ListModels", Shape::OpenAi),
    ("GET", "/openai/v1/models", "ListModels", Shape::OpenAi),
    ("POST", "/anthropic/v1/messages", "CreateMessage", Shape::Anthropic),
    ("POST", "/v1/messages", "CreateMessage", Shape::Anthropic),
    ("POST", "/anthropic/v1/messages/count_tokens", "CountMessageTokens", Shape::Anthropic),
];

/// For a host that is not Bedrock's (`https://127.0.0.1:…`): the first service that knows the path.
const PREFERENCE: &[&str] = &[
    "bedrock-runtime",
    "bedrock-agent-runtime",
    "bedrock",
    "bedrock-agent",
    "bedrock-agentcore",
    "bedrock-agentcore-control",
    "bedrock-data-automation",
    "bedrock-data-automation-runtime",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    service: String,
    operation: String,
    method: String,
    request_uri: String,
    response_code: Option<u16>,
}

struct Route {
    operation: String,
    segments: Vec<Segment>,
    status: u16,
}

enum Segment {
    Literal(String),
    Label(String),
}

/// What was recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) service: String,
    /// `Unknown` when nothing matched.
    pub(crate) operation: String,
    /// URI labels, decoded once.
    pub(crate) labels: Vec<(String, String)>,
    /// Status of a good answer.
    pub(crate) status: u16,
    pub(crate) shape: Shape,
}

impl Match {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// The table.
pub(crate) struct Operations {
    by_service: HashMap<String, HashMap<(String, usize), Vec<Route>>>,
}

impl Operations {
    /// # Errors
    /// When the embedded table is broken.
    pub(crate) fn load() -> serde_json::Result<Self> {
        let rows: Vec<Row> = serde_json::from_str(OPERATIONS)?;
        let mut by_service: HashMap<String, HashMap<(String, usize), Vec<Route>>> = HashMap::new();
        for row in rows {
            let segments: Vec<Segment> = parts(&row.request_uri)
                .map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                    Some(label) => Segment::Label(label.to_owned()),
                    None => Segment::Literal(part.to_owned()),
                })
                .collect();
            let status = row.response_code.unwrap_or(200);
            let routes = by_service.entry(row.service).or_default();
            let routes = routes.entry((row.method, segments.len())).or_default();
            routes.push(Route { operation: row.operation, segments, status });
        }
        // Literals beat labels: `/custom-models/create-custom-model` before `/custom-models/{id}`.
        for routes in by_service.values_mut().flat_map(HashMap::values_mut) {
            routes.sort_by_key(|route| {
                route.segments.iter().map(|s| matches!(s, Segment::Label(_))).collect::<Vec<_>>()
            });
        }
        Ok(Self { by_service })
    }

    /// `path` is raw, without the query; `target` is `x-amz-target`.
    pub(crate) fn find(&self, host: &str, method: &str, path: &str, target: Option<&str>) -> Match {
        for (m, p, operation, shape) in COMPATIBLE {
            if *m == method && *p == path {
                return Match {
                    service: "bedrock-mantle".into(),
                    operation: (*operation).into(),
                    labels: Vec::new(),
                    status: 200,
                    shape: *shape,
                };
            }
        }
        let service = service_of(host);
        let services: &[&str] = match &service {
            Some(service) => &[service],
            None => PREFERENCE,
        };
        let found = services.iter().find_map(|service| self.find_in(service, method, path, target));
        found.unwrap_or_else(|| Match {
            service: service.unwrap_or_default().to_owned(),
            operation: "Unknown".into(),
            status: 404,
            ..Match::default()
        })
    }

    fn find_in(&self, service: &str, method: &str, path: &str, target: Option<&str>) -> Option<Match> {
        let segments: Vec<&str> = parts(path).collect();
        let routes = self.by_service.get(service)?.get(&(method.to_owned(), segments.len()))?;
        let wanted = target.and_then(|target| target.rsplit_once('.')).map(|(_, operation)| operation);
        routes.iter().find_map(|route| {
            // JSON 1.1: every operation is `POST /`, the header tells.
            if route.segments.is_empty() && wanted != Some(route.operation.as_str()) {
                return None;
            }
            let mut labels = Vec::new();
            for (segment, raw) in route.segments.iter().zip(&segments) {
                match segment {
                    Segment::Literal(literal) if literal == raw => {}
                    Segment::Label(label) if !raw.is_empty() => labels.push((label.clone(), decode(raw))),
                    Segment::Literal(_) | Segment::Label(_) => return None,
                }
            }
            Some(Match {
                service: service.to_owned(),
                operation: route.operation.clone(),
                labels,
                status: route.status,
                shape: Shape::Aws,
            })
        })
    }
}

/// Segments; one trailing slash counts for nothing, as in AWS's own models.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/').filter(move |_| !path.is_empty())
}

/// The endpoint prefix in a host name; `None` for a host that is not Bedrock's.
fn service_of(host: &str) -> Option<&'static str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let mut labels = name.split('.');
    let mut first = labels.next()?;
    if first.starts_with("vpce-") {
        first = labels.next()?;
    }
    let first = first.strip_suffix("-fips").unwrap_or(first);
    PREFERENCE.iter().copied().chain(["bedrock-mantle"]).find(|service| *service == first)
}

/// The region in a Bedrock host name.
pub(crate) fn region_of(host: &str) -> Option<&str> {
    service_of(host)?;
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let skip = if name.starts_with("vpce-") { 2 } else { 1 };
    name.split('.').nth(skip).filter(|region| region.contains('-'))
}

/// Percent-decodes once; what is not an escape stays as it is.
pub(crate) fn decode(raw: &str) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit =
            |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Operations, decode, region_of};

    #[test]
    fn recognises() {
        let table = Operations::load().unwrap();
        let cases = [
            ("bedrock-runtime.us-east-1.amazonaws.com", "POST", "/model/a.b-v1%3A0/converse", "Converse"),
            (
                "127.0.0.1:9",
                "POST",
                "/model/arn%3Aaws%3Ax%2Fy/invoke-with-response-stream",
                "InvokeModelWithResponseStream",
            ),
            ("bedrock-agent-runtime.us-east-1.amazonaws.com", "POST", "/agents/S1", "InvokeInlineAgent"),
            ("bedrock-agent.us-east-1.amazonaws.com:443", "POST", "/agents/A1/", "PrepareAgent"),
            ("bedrock-agent-runtime.us-east-1.amazonaws.com", "PUT", "/sessions/", "CreateSession"),
            (
                "bedrock.us-east-1.amazonaws.com",
                "POST",
                "/custom-models/create-custom-model",
                "CreateCustomModel",
            ),
            ("bedrock-mantle.us-east-1.api.aws", "POST", "/v1/chat/completions", "CreateChatCompletion"),
            (
                "vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com",
                "GET",
                "/async-invoke",
                "ListAsyncInvokes",
            ),
            ("bedrock-runtime.us-east-1.amazonaws.com", "GET", "/model/x/converse", "Unknown"),
            ("bedrock-runtime.us-east-1.amazonaws.com", "POST", "/model//converse", "Unknown"),
            ("bedrock-runtime.us-east-1.amazonaws.com", "POST", "/", "Unknown"),
        ];
        for (host, method, path, expected) in cases {
            let found = table.find(host, method, path, None);
            println!("{method} {host}{path}: {} {:?}", found.operation, found.labels);
            assert_eq!(found.operation, expected);
        }
        let target = Some("AmazonBedrockKeystoneRuntimeService.InvokeDataAutomationAsync");
        let found =
            table.find("bedrock-data-automation-runtime.us-east-1.amazonaws.com", "POST", "/", target);
        assert_eq!(found.operation, "InvokeDataAutomationAsync");
    }

    #[test]
    fn decodes_once() {
        for (raw, expected) in
            [("a%3Ab", "a:b"), ("%252F", "%2F"), ("%zz%", "%zz%"), ("%4", "%4"), ("ü", "ü")]
        {
            assert_eq!(decode(raw), expected);
        }
        assert_eq!(region_of("bedrock-runtime-fips.us-gov-west-1.amazonaws.com"), Some("us-gov-west-1"));
        assert_eq!(region_of("127.0.0.1:8"), None);
    }
}
