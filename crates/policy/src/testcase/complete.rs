//! Completes a written call the way the gate and the control plane would have.

use super::spec::{CallSpec, RequestSpec, ResultSpec, SeenSpec};
use crate::{
    Agent, Assurance, Bundle, Call, Claim, Credential, Model, Network, Principal, Request, Response, Seen,
    Text, Tool, ToolResult, UNKNOWN_OPERATION,
};
use portcullis_bedrock::operation::Segment;
use portcullis_bedrock::{Endpoint, ModelRef, OPERATIONS, Operation};
use std::collections::BTreeMap;

/// 2026-01-05T12:00:00Z, a Monday: a case that says no time gets the same verdict whenever it runs.
const DEFAULT_TIME: u64 = 1_767_614_400_000;
const DEFAULT_REGION: &str = "us-east-1";
const AGENT_LABELS: &[&str] =
    &["agentId", "agentRuntimeArn", "agentRuntimeId", "flowIdentifier", "harnessId"];
const ALIAS_LABELS: &[&str] = &["agentAliasId", "flowAliasIdentifier"];
const SESSION_LABELS: &[&str] = &["sessionId", "sessionIdentifier"];

impl CallSpec {
    /// The whole call: the operation looked up, model identifiers taken apart, the caller looked up in the directory of
    /// `bundle`. What is written wins over what is derived.
    #[must_use]
    pub fn complete(&self, bundle: &Bundle) -> Call {
        let name = self.operation_name();
        let operation = find(&name, self.service.as_deref());
        let service = self.service.clone().or_else(|| operation.map(|found| found.service.to_owned()));
        let service = service.unwrap_or_default();
        let region = self.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let endpoint = Endpoint::configured(&service, &region);
        let host = self.host.clone().or_else(|| endpoint.host()).unwrap_or_default();
        let labels = self.labels(operation);
        let fallback = if name.is_empty() { "" } else { UNKNOWN_OPERATION };
        let derived = |own: &Option<String>, table: Option<&str>, other: &str| {
            own.clone().unwrap_or_else(|| table.unwrap_or(other).to_owned())
        };
        Call {
            principal: self.principal(bundle),
            credential: self.credential(),
            action: derived(&self.action, operation.map(|found| found.iam_action), fallback),
            action_type: derived(&self.action_type, operation.map(Operation::action_type), ""),
            method: derived(&self.method, operation.map(|found| found.method), ""),
            path: self
                .path
                .clone()
                .or_else(|| operation.map(|found| path(found, &labels)))
                .unwrap_or_default(),
            operation: operation.map_or(name, |found| found.name.to_owned()),
            provider: self.provider.clone().unwrap_or_else(|| provider(&service)),
            partition: self.partition.clone().unwrap_or_else(|| endpoint.partition.to_owned()),
            network: Network {
                source_ip: self.source_ip.clone(),
                vpc_endpoint: self.vpc_endpoint.clone(),
                server_name: self
                    .server_name
                    .clone()
                    .or_else(|| Some(host.clone()).filter(|host| !host.is_empty())),
            },
            service,
            region,
            host,
            entrance: self.entrance.clone().unwrap_or_else(|| "pass_through".to_owned()),
            model: self.model.as_deref().map(model),
            other_models: self.other_models.iter().map(|id| model(id)).collect(),
            agent: Agent {
                id: self.agent.id.clone(),
                alias: self.agent.alias.clone(),
                session: self.agent.session.clone(),
            },
            labels,
            request: self.request(operation),
            tool: self.tool(),
            response: self.response.clone().map(|text| Response { text }),
            counts: self.counts,
            history: self.history(),
            time: self.time.unwrap_or(DEFAULT_TIME),
        }
    }

    fn operation_name(&self) -> String {
        match &self.operation {
            Some(name) => name.clone(),
            None if !self.tool.is_empty() => String::new(),
            None if self.agent.id.is_some() && self.model.is_none() => "InvokeAgent".to_owned(),
            None => "Converse".to_owned(),
        }
    }

    /// A name that is written is looked up in the directory, but nobody has checked it.
    fn principal(&self, bundle: &Bundle) -> Principal {
        let mut principal = bundle.identify(&Claim {
            access_key_id: self.access_key.as_deref(),
            account_hint: self.account.as_deref(),
            secret_sha256: self.api_key_sha256.as_deref(),
            kind: self.credential.as_deref().unwrap_or("sigv4"),
            verified: self.principal.as_deref(),
            source_ip: self.source_ip.as_deref(),
        });
        principal.assurance = self.assurance.unwrap_or(Assurance::Claimed);
        principal.tenant = self.tenant.clone().or(principal.tenant);
        if let Some(roles) = &self.roles {
            principal.roles.clone_from(roles);
        }
        principal
    }

    fn credential(&self) -> Credential {
        Credential {
            kind: self.credential.clone().unwrap_or_else(|| "sigv4".to_owned()),
            access_key_id: self.access_key.clone(),
            account: self.account.clone(),
        }
    }

    /// The labels that are written, and those that the operation's path takes from model, agent and session.
    fn labels(&self, operation: Option<&Operation>) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        for segment in operation.map_or(&[][..], |found| found.segments) {
            let Segment::Label(name) = segment else { continue };
            let value = if matches!(*name, "modelId" | "modelIdentifier") {
                &self.model
            } else if AGENT_LABELS.contains(name) {
                &self.agent.id
            } else if ALIAS_LABELS.contains(name) {
                &self.agent.alias
            } else if SESSION_LABELS.contains(name) {
                &self.agent.session
            } else {
                continue;
            };
            if let Some(value) = value {
                labels.entry((*name).to_owned()).or_insert_with(|| value.clone());
            }
        }
        labels
    }

    fn request(&self, operation: Option<&Operation>) -> Request {
        let RequestSpec { text, text_truncated, results, .. } = &self.request;
        let said: Vec<&str> = results.iter().filter_map(|result| result.text.as_deref()).collect();
        let text = Text {
            text: text.clone().unwrap_or_default(),
            truncated: *text_truncated,
            tool_results: said.join("\n"),
            tool_results_truncated: self.request.results_truncated,
        };
        let results: Vec<ToolResult> = results.iter().map(result).collect();
        Request {
            bytes: self.request.bytes.unwrap_or(text.text.len() as u64),
            knowledge_bases: self.request.knowledge_bases.clone(),
            max_tokens: self.request.max_tokens,
            stream: self.request.stream.unwrap_or_else(|| operation.is_some_and(|found| found.output_stream)),
            tools: self.request.tools.clone(),
            tool_results: self.request.tool_results.max(results.len() as u64),
            result_bytes: results.iter().map(|result| result.bytes).sum(),
            results,
            facts: self.request.facts.clone(),
            text: Some(text),
            guardrail: self.request.guardrail.clone(),
            guardrail_version: self.request.guardrail_version.clone(),
            metadata: self.request_metadata.clone(),
            session_attributes: self.session_attributes.clone(),
            s3_uris: self.request.s3_uris.clone(),
            truncated: self.request.truncated,
        }
    }

    fn tool(&self) -> Option<Tool> {
        let arguments = self.arguments.clone().unwrap_or_else(|| serde_json::json!({}));
        (!self.tool.is_empty()).then(|| Tool {
            names: self.tool.clone(),
            arguments,
            id: self.tool_id.clone(),
            origin: self.tool_origin.clone().unwrap_or_else(|| "model".to_owned()),
        })
    }

    /// Oldest first.
    fn history(&self) -> Vec<Seen> {
        let now = self.time.unwrap_or(DEFAULT_TIME);
        let seen = |one: &SeenSpec| Seen {
            tools: one.tool.clone(),
            operation: one.operation.clone(),
            arguments: one.arguments.clone(),
            time: now.saturating_sub(one.ago_ms),
        };
        let mut history: Vec<Seen> = self.history.iter().map(seen).collect();
        history.sort_by_key(|seen| seen.time);
        history
    }
}

/// The operation of a name, whatever its case; of several services the one that is written.
fn find(name: &str, service: Option<&str>) -> Option<&'static Operation> {
    let named = |operation: &&Operation| operation.name.eq_ignore_ascii_case(name);
    let mut found = OPERATIONS.iter().filter(named);
    match service {
        Some(service) => found.find(|operation| operation.service == service),
        None => found.next(),
    }
}

fn result(spec: &ResultSpec) -> ToolResult {
    let length = spec.text.as_ref().map_or(0, |text| text.len() as u64);
    ToolResult {
        id: spec.id.clone(),
        name: spec.tool.clone(),
        proposed: None,
        bytes: spec.bytes.unwrap_or(length),
        error: spec.error,
    }
}

fn model(id: &str) -> Model {
    let ModelRef { id, kind, base, provider, version, geography, region, account } = ModelRef::parse(id);
    Model { id, kind: kind.as_str().to_owned(), base, provider, version, geography, region, account }
}

/// The raw path as SDKs write it; a label that is not known stands as its name in braces.
fn path(operation: &Operation, labels: &BTreeMap<String, String>) -> String {
    let mut path = String::new();
    for segment in operation.segments {
        path.push('/');
        match segment {
            Segment::Literal(literal) => path.push_str(literal),
            Segment::Label(name) => match labels.get(*name) {
                Some(value) => escape(value, &mut path),
                None => path.push_str(&format!("{{{name}}}")),
            },
        }
    }
    if path.is_empty() { "/".to_owned() } else { path }
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Whose API a service is, where nothing else is said.
fn provider(service: &str) -> String {
    let own = portcullis_bedrock::ProviderApi::parse(service);
    own.map_or(portcullis_bedrock::AWS, portcullis_bedrock::ProviderApi::as_str).to_owned()
}
