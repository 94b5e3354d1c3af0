//! The canonical call as Cedar policies are asked about it.

use crate::Tool;
use crate::names::Selector;
use crate::view::View;
use portcullis_cedar::{Argument, Kind, Model, Request, Resource};
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn of(view: &View<'_>) -> Request {
    let call = view.call;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Request {
        principal: call.principal.name.clone(),
        known: call.principal.known,
        assurance: call.principal.assurance.as_str().to_owned(),
        tenant: text(&call.principal.tenant),
        roles: call.principal.roles.clone(),
        credential: call.credential.kind.clone(),
        access_key_id: text(&call.credential.access_key_id),
        account: text(&call.credential.account),
        operation: call.operation.clone(),
        action: call.action.clone(),
        action_type: call.action_type.clone(),
        service: call.service.clone(),
        region: call.region.clone(),
        provider: call.provider.clone(),
        partition: call.partition.clone(),
        host: call.host.clone(),
        method: call.method.clone(),
        path: call.path.clone(),
        entrance: call.entrance.clone(),
        route: view.names.route.unwrap_or_default().to_owned(),
        resources: resources(view),
        bytes: call.request.bytes,
        max_tokens: call.request.max_tokens,
        stream: call.request.stream,
        tools: call.request.tools.clone(),
        tool_results: call.request.tool_results,
        guardrail: text(&call.request.guardrail),
        guardrail_version: text(&call.request.guardrail_version),
        s3_uris: call.request.s3_uris.clone(),
        truncated: call.request.truncated,
        labels: call.labels.clone(),
        session_attributes: call.request.session_attributes.clone(),
        request_metadata: call.request.metadata.clone(),
        arguments: call.tool.as_ref().map(arguments).unwrap_or_default(),
        source_ip: text(&call.network.source_ip),
        vpc_endpoint: text(&call.network.vpc_endpoint),
        server_name: text(&call.network.server_name),
        minute_count: call.counts.minute,
        hourly_count: call.counts.hourly,
        daily_count: call.counts.daily,
        time: call.time,
    }
}

/// What the call names. A tool call names its tool and nothing else.
fn resources(view: &View<'_>) -> Vec<Resource> {
    let call = view.call;
    if let Some(tool) = &call.tool {
        return vec![named(Kind::Tool, tool.names.first().map_or("", String::as_str), &tool.names)];
    }
    let mut found = Vec::new();
    if let Some(id) = call.agent.id.as_deref().filter(|id| !id.is_empty()) {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        found.push(Resource {
            alias: text(&call.agent.alias),
            session: text(&call.agent.session),
            ..by_id_or_arn(Kind::Agent, id)
        });
    }
    found.extend(model(view));
    let bases = call.labels.get("knowledgeBaseId").into_iter().chain(&call.request.knowledge_bases);
    for id in bases.filter(|id| !id.is_empty()) {
        if !found.iter().any(|other| other.kind == Kind::KnowledgeBase && other.id == *id) {
            found.push(by_id_or_arn(Kind::KnowledgeBase, id));
        }
    }
    let guardrail = call.labels.get("guardrailIdentifier").filter(|id| !id.is_empty());
    found.extend(guardrail.map(|id| by_id_or_arn(Kind::Guardrail, id)));
    found
}

/// An ARN is also known by its last part.
fn by_id_or_arn(kind: Kind, id: &str) -> Resource {
    let tail = id.strip_prefix("arn:").and_then(|rest| rest.split_once('/')).map(|(_, tail)| tail.to_owned());
    named(kind, id, tail.as_slice())
}

/// Lower case, as the names that selectors compare with: AWS's identifiers are, and Cedar heeds case.
fn model(view: &View<'_>) -> Option<Resource> {
    let model = view.call.model.as_ref()?;
    let lower = |value: &Option<String>| value.as_deref().unwrap_or_default().to_ascii_lowercase();
    Some(Resource {
        model: Model {
            kind: model.kind.clone(),
            base: lower(&model.base),
            provider: lower(&model.provider),
            version: lower(&model.version),
            geography: lower(&model.geography),
            region: lower(&model.region),
            account: lower(&model.account),
        },
        ..named(Kind::Model, &model.id.to_ascii_lowercase(), view.names.get(Selector::Models))
    })
}

fn named(kind: Kind, id: &str, names: &[String]) -> Resource {
    Resource { kind, id: id.to_owned(), names: names.to_vec(), ..Resource::default() }
}

fn arguments(tool: &Tool) -> BTreeMap<String, Argument> {
    let mut found = BTreeMap::new();
    flatten(&mut found, "", true, &tool.arguments);
    found
}

/// `customer: {country: …}` is `customer.country`. A key that has a dot itself never hides what is really there.
fn flatten(found: &mut BTreeMap<String, Argument>, path: &str, plain: bool, value: &Value) {
    if let Value::Object(map) = value {
        for (key, value) in map {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            flatten(found, &path, plain && !key.contains('.'), value);
        }
    } else if let Some(argument) = argument(value)
        && (plain || !found.contains_key(path))
    {
        found.insert(path.to_owned(), argument);
    }
}

fn argument(value: &Value) -> Option<Argument> {
    match value {
        Value::Bool(value) => Some(Argument::Bool(*value)),
        Value::String(text) => Some(Argument::Text(text.clone())),
        Value::Number(number) => Some(match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Argument::Whole(whole),
            (None, Some(_), _) => Argument::Whole(i64::MAX),
            (None, None, real) => Argument::Number(real?),
        }),
        Value::Array(items) => {
            let texts = items.iter().filter_map(|item| match item {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
            });
            Some(Argument::List(texts.collect()))
        }
        Value::Null | Value::Object(_) => None,
    }
}
