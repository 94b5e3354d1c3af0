//! The operations of the Bedrock services, and the one that a method and path name.
//!
//! The table comes from `data/*.tsv` through `build.rs`: [`OPERATIONS`] holds every operation of the AWS models
//! (kept true to `testdata/operations.json` by `tests/drift.rs`) and the OpenAI- and Anthropic-compatible paths,
//! which no model has.

use crate::body::{BodyPlan, PayloadKind};
use crate::call::ApiShape;

include!(concat!(env!("OUT_DIR"), "/operations.rs"));

/// One operation, as AWS models it.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// Endpoint prefix of its service.
    pub service: &'static str,
    /// Name, such as `ConverseStream`.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// URI template.
    pub uri: &'static str,
    /// IAM action, such as `bedrock:InvokeModelWithResponseStream`.
    pub iam_action: &'static str,
    /// The request is an event stream.
    pub input_stream: bool,
    /// The answer is an event stream.
    pub output_stream: bool,
    /// How to read its body.
    pub body: BodyPlan,
    /// The error shape of its API.
    pub shape: ApiShape,
    /// What kind of call it is.
    pub kind: ActionKind,
    /// The URI template, split. A trailing slash makes no segment.
    pub segments: &'static [Segment],
}

/// One segment of a URI template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// Must be there as it is, never percent-encoded.
    Literal(&'static str),
    /// Anything but nothing, percent-decoded once; its modelled name.
    Label(&'static str),
}

/// Kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    /// Text or media goes to a model.
    ModelInvoked,
    /// An agent, flow or harness is run.
    AgentInvoked,
    /// Anything else.
    Other,
}

impl Operation {
    /// What a call does, for rules that speak of kinds of calls: `model_invoked`, `agent_invoked` or `other`.
    ///
    /// `model_invoked` is every operation that hands the caller's text or media to a model, `CountTokens`,
    /// `Rerank`, `RetrieveAndGenerate` and batch jobs included; `agent_invoked` runs agents, flows and harnesses.
    #[must_use]
    pub fn action_type(&self) -> &'static str {
        match self.kind {
            ActionKind::ModelInvoked => "model_invoked",
            ActionKind::AgentInvoked => "agent_invoked",
            ActionKind::Other => "other",
        }
    }
}

/// One service's row of `data/services.tsv`.
#[derive(Debug)]
pub(crate) struct Service {
    /// Endpoint prefix.
    pub(crate) name: &'static str,
    /// Services that a credential scope for this endpoint may name.
    pub(crate) signing: &'static [&'static str],
    /// `X-Amz-Target` prefix of a json-1.1 service.
    pub(crate) target_prefix: Option<&'static str>,
    /// Form of its host names.
    pub(crate) host: HostForm,
    routes: &'static [Route],
}

/// Form of a service's host names, see [`crate::endpoint`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostForm {
    /// `{service}[-fips].{region}.{suffix}`.
    Standard,
    /// The same, on dual-stack suffixes only.
    DualStackOnly,
    /// `{id}.gateway.bedrock-agentcore.{region}.{suffix}`.
    Gateway,
    /// No host of AWS: those that the operator names.
    Provider,
}

/// The operations of one method and number of segments: a slice of [`OPERATIONS`].
#[derive(Debug)]
struct Route {
    method: &'static str,
    segments: usize,
    start: usize,
    end: usize,
}

/// The service of an endpoint prefix.
pub(crate) fn service(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|s| s.name == name)
}

/// The operation that a method and raw path segments name at a service.
///
/// Literals match as they are, a label takes any one segment that is not empty. A trailing slash is not a segment:
/// botocore sends the one that the model carries (`/sessions/{id}/`), other SDKs drop it, and no two operations
/// differ in it alone (`tests/drift.rs` holds that). Another method on the same path is no operation.
///
/// `target` is `X-Amz-Target`, which names the operation of a json-1.1 service.
pub(crate) fn find(
    service: &Service,
    method: &str,
    segments: &[&str],
    target: Option<&str>,
) -> Option<&'static Operation> {
    let route = service.routes.iter().find(|r| r.method == method && r.segments == segments.len())?;
    let mut operations = OPERATIONS.get(route.start..route.end)?.iter();
    if let Some(prefix) = service.target_prefix {
        let name = target?.strip_prefix(prefix)?.strip_prefix('.')?;
        return operations.find(|o| o.name == name);
    }
    operations.find(|o| o.matches(segments))
}

/// Whether the service has an operation below this first path segment (`None` is the path `/`). A gateway that stands for
/// several services sends a call by that alone, so a path that is no operation belongs to the same service for both.
pub(crate) fn begins(service: &Service, segment: Option<&str>) -> bool {
    OPERATIONS.iter().filter(|operation| operation.service == service.name).any(|operation| {
        match (operation.segments.first(), segment) {
            (Some(Segment::Literal(literal)), Some(segment)) => *literal == segment,
            (first, segment) => first.is_none() && segment.is_none(),
        }
    })
}

impl Operation {
    fn matches(&self, raw: &[&str]) -> bool {
        self.segments.iter().zip(raw).all(|(segment, raw)| match segment {
            Segment::Literal(literal) => literal == raw,
            Segment::Label(_) => !raw.is_empty(),
        })
    }
}
