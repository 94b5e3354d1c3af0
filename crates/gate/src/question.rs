//! From facts to the question that the control plane is asked.

use crate::call_id::CallId;
use crate::config::Gate;
use crate::text::{cut, escape};
use portcullis_bedrock::{
    AgentRef, Body, Call, Credential, CredentialKind, Endpoint, Entrance, Head, ModelKind, ModelRef, Problem,
    SignatureParts, ToolResult,
};
use portcullis_protocol as protocol;
use portcullis_protocol::{DecisionRequest, TextFacts, VERSION};
use serde::Deserialize;
use serde::de::{Error as _, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Longest path that is sent, in bytes.
const MAX_PATH: usize = 4_096;

/// Longest method or host that is sent, in bytes.
const MAX_NAME: usize = 512;

/// What of a head is not in [`Call`]: taken before the host's buffer goes away.
#[derive(Debug)]
pub(crate) struct Heading {
    method: String,
    host: String,
    path: String,
    source: Option<String>,
    server_name: Option<String>,
}

impl Heading {
    pub(crate) fn of(head: &Head<'_>, source: Option<&[u8]>) -> Self {
        let path = head.path.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = path.get(..MAX_PATH).unwrap_or(path);
        let short = |bytes: &[u8]| cut(escape(bytes.get(..MAX_NAME).unwrap_or(bytes)), MAX_NAME);
        Self {
            method: short(head.method),
            host: short(head.authority),
            path: cut(escape(path), MAX_PATH),
            source: source.map(short),
            server_name: head.server_name.map(short),
        }
    }
}

/// What is known of the body when the question is asked.
pub(crate) enum Read {
    /// All of it.
    Whole(Box<Body>),
    /// Nothing: the call is decided at its headers.
    AtHeaders,
    /// It was given up after so many bytes.
    Partly(u64),
}

/// A question that can be asked again.
#[derive(Debug)]
pub(crate) struct Question {
    request: DecisionRequest,
    /// Until it goes along.
    text: TextFacts,
}

impl Question {
    /// The question about a call. `request_metadata` is what its header says.
    pub(crate) fn new(
        call_id: &CallId,
        gate: &Gate,
        heading: Heading,
        call: Call,
        request_metadata: BTreeMap<String, String>,
        read: Read,
    ) -> Self {
        let (entrance, signing) = match &gate.entrance {
            Entrance::Intercepted => (protocol::Entrance::PassThrough, None),
            Entrance::Gateway(_) => {
                (protocol::Entrance::Resign, call.signature.map(|parts| signing(parts, &read)))
            }
        };
        let streams = call.operation.is_some_and(|operation| operation.output_stream);
        let (body, body_model, text) =
            body_facts(read, call.guardrail, request_metadata, call.facts, streams);
        let request = DecisionRequest {
            version: VERSION,
            call_id: call_id.as_str().to_owned(),
            gate: gate.name.clone(),
            entrance,
            method: heading.method,
            host: heading.host,
            path: heading.path,
            endpoint: call.endpoint.map(endpoint),
            operation: call.operation.map_or("Unknown", |operation| operation.name).to_owned(),
            action: call.operation.map_or("Unknown", |operation| operation.iam_action).to_owned(),
            model: call.model.or_else(|| body_model.as_deref().map(ModelRef::parse)).map(model),
            agent: agent(call.agent),
            labels: call.labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            credential: credential(call.credential),
            signing,
            source: protocol::SourceFacts { address: heading.source, server_name: heading.server_name },
            sdk: protocol::SdkFacts {
                user_agent: call.user_agent,
                invocation_id: call.invocation_id,
                attempt: call.attempt,
            },
            body,
            problem: None,
            held: None,
            wait_ms: None,
        };
        Self { request, text }
    }

    /// The form of the call's credential.
    pub(crate) fn credential(&self) -> protocol::CredentialKind {
        self.request.credential.kind
    }

    /// Says what the gate has against the call; such a question never carries text.
    pub(crate) fn with_problem(mut self, problem: &Problem) -> Self {
        self.request.problem = Some(protocol::Problem {
            code: problem.code.as_str().to_owned(),
            detail: problem.detail.clone(),
        });
        self.text = TextFacts::default();
        self
    }

    /// From now on with its text.
    pub(crate) fn with_text(&mut self) {
        self.request.body.text = Some(std::mem::take(&mut self.text));
    }

    /// From now on as one that waits for an approval.
    pub(crate) fn held(&mut self, approval_id: String) {
        self.request.held = Some(approval_id);
    }

    /// Says how long the gate will wait, where it waits for more than a decision.
    pub(crate) fn wait(&mut self, wait_us: u64) {
        self.request.wait_ms = self.request.held.is_some().then_some(wait_us / 1_000);
    }

    /// The question as JSON.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // These types always encode: their maps have string keys. An empty body would be answered 400, which is a fault.
        serde_json::to_vec(&self.request).unwrap_or_default()
    }
}

fn body_facts(
    read: Read,
    guardrail: Option<(String, Option<String>)>,
    header_metadata: BTreeMap<String, String>,
    head_facts: Vec<(&'static str, String)>,
    streams: bool,
) -> (protocol::BodyFacts, Option<String>, TextFacts) {
    let (body, sha256) = match read {
        Read::Whole(body) => {
            let sha256 = hex::encode(body.sha256);
            (*body, Some(sha256))
        }
        // Nothing of it was read, and whoever goes by text or lists must be able to tell.
        Read::AtHeaders => (
            Body { truncated: true, text_truncated: true, result_text_truncated: true, ..Body::default() },
            None,
        ),
        Read::Partly(bytes) => (Body { bytes, ..Body::default() }, None),
    };
    // A guardrail in the header is the one that counts where there is one: only operations that read it have it here.
    let (guardrail, guardrail_version) = match guardrail {
        Some((id, version)) => (Some(id), version),
        None => (body.guardrail, body.guardrail_version),
    };
    let mut request_metadata = body.request_metadata;
    request_metadata.extend(header_metadata);
    let facts = protocol::BodyFacts {
        bytes: body.bytes,
        sha256,
        other_models: body.other_models.iter().map(|id| model(ModelRef::parse(id))).collect(),
        knowledge_bases: body.knowledge_bases,
        max_tokens: body.max_tokens,
        stream: body.stream || streams,
        tools: body.tools,
        tool_results: body.tool_results,
        results: body.results.into_iter().map(result).collect(),
        result_bytes: body.result_bytes,
        facts: body
            .facts
            .into_iter()
            .chain(head_facts)
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        guardrail,
        guardrail_version,
        request_metadata,
        session_attributes: body.session_attributes,
        s3_uris: body.s3_uris,
        text: None,
        truncated: body.truncated,
    };
    let text = TextFacts {
        text: body.text,
        truncated: body.text_truncated,
        tool_results: body.result_text,
        tool_results_truncated: body.result_text_truncated,
    };
    (facts, body.model, text)
}

fn result(result: ToolResult) -> protocol::ToolResultFacts {
    let ToolResult { id, name, bytes, error } = result;
    protocol::ToolResultFacts { id, name, bytes, error }
}

fn signing(parts: SignatureParts, read: &Read) -> protocol::Signing {
    let payload_sha256 = match read {
        Read::Whole(body) => hex::encode(body.sha256),
        // No hash, no proof: the control plane cannot verify such a call, and denies it.
        Read::AtHeaders | Read::Partly(_) => String::new(),
    };
    let SignatureParts { date, scope, signature, headers, path, query } = parts;
    protocol::Signing { date, scope, signature, headers, path, query, payload_sha256 }
}

fn endpoint(endpoint: Endpoint) -> protocol::EndpointFacts {
    protocol::EndpointFacts {
        provider: endpoint.provider,
        service: endpoint.service,
        region: endpoint.region,
        partition: endpoint.partition.to_owned(),
        fips: endpoint.fips,
        dual_stack: endpoint.dual_stack,
        vpc_endpoint: endpoint.vpc_endpoint,
    }
}

fn model(model: ModelRef) -> protocol::ModelFacts {
    let kind = match model.kind {
        ModelKind::FoundationModel => "foundation_model",
        ModelKind::InferenceProfile => "inference_profile",
        ModelKind::ApplicationInferenceProfile => "application_inference_profile",
        ModelKind::ProvisionedModel => "provisioned_model",
        ModelKind::CustomModel => "custom_model",
        ModelKind::CustomModelDeployment => "custom_model_deployment",
        ModelKind::ImportedModel => "imported_model",
        ModelKind::Prompt => "prompt",
        ModelKind::PromptRouter => "prompt_router",
        ModelKind::MarketplaceEndpoint => "marketplace_endpoint",
        ModelKind::Unknown => "unknown",
    };
    protocol::ModelFacts {
        id: model.id,
        kind: kind.to_owned(),
        base: model.base,
        provider: model.provider,
        version: model.version,
        geography: model.geography,
        region: model.region,
        account: model.account,
    }
}

fn agent(agent: AgentRef) -> Option<protocol::AgentFacts> {
    let AgentRef { id, alias, session } = agent;
    let named = id.is_some() || alias.is_some() || session.is_some();
    named.then_some(protocol::AgentFacts { id, alias, session })
}

fn credential(credential: Credential) -> protocol::CredentialFacts {
    let kind = match credential.kind {
        CredentialKind::None => protocol::CredentialKind::None,
        CredentialKind::Sigv4 => protocol::CredentialKind::Sigv4,
        CredentialKind::Sigv4a => protocol::CredentialKind::Sigv4a,
        CredentialKind::Presigned => protocol::CredentialKind::Presigned,
        CredentialKind::BearerShortTerm => protocol::CredentialKind::BearerShortTerm,
        CredentialKind::BearerLongTerm => protocol::CredentialKind::BearerLongTerm,
        CredentialKind::BearerOther => protocol::CredentialKind::BearerOther,
        CredentialKind::ApiKey => protocol::CredentialKind::ApiKey,
    };
    protocol::CredentialFacts {
        kind,
        access_key_id: credential.access_key_id,
        account_hint: credential.account_hint,
        user_hint: credential.user_hint,
        region: credential.region,
        service: credential.service,
        secret_sha256: credential.secret_sha256.map(hex::encode),
        session_token: credential.session_token,
    }
}

/// Reads `x-amzn-bedrock-request-metadata`: a JSON object of strings.
///
/// # Errors
/// Anything else, a repeated key included: AWS and the gate could read it differently.
pub(crate) fn parse_request_metadata(json: &str) -> Result<BTreeMap<String, String>, serde_json::Error> {
    serde_json::from_str::<Metadata>(json).map(|metadata| metadata.0)
}

struct Metadata(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Metadata;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut strings = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if strings.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key is repeated"));
                    }
                }
                Ok(Metadata(strings))
            }
        }
        deserializer.deserialize_map(Strings)
    }
}

#[cfg(test)]
mod tests;
