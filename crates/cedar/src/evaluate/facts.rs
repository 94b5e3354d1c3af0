//! A request as Cedar's entities and context; only what some policy reads is built.

use super::{Action, Policies};
use crate::request::{Argument, Kind, Request, Resource};
use crate::scope::Placed;
use cedar_policy::{Context, Entities, Entity, EntityUid, RestrictedExpression as Value};
use std::collections::HashSet;

/// The attributes of the context.
pub(crate) const CONTEXT: &[&str] = &[
    "operation",
    "action",
    "action_type",
    "service",
    "region",
    "provider",
    "partition",
    "host",
    "method",
    "path",
    "entrance",
    "route",
    "source_ip",
    "vpc_endpoint",
    "server_name",
    "model",
    "agent",
    "knowledge_bases",
    "request",
    "labels",
    "session_attributes",
    "request_metadata",
    "arguments",
    "time",
    "minute_count",
    "hourly_count",
    "daily_count",
];

type Pairs = Vec<(String, Value)>;

impl Policies {
    pub(super) fn principal(&self, request: &Request) -> Option<Placed> {
        let uid = self.types.uid("Principal", &request.principal)?;
        let mut parents: HashSet<EntityUid> =
            request.roles.iter().filter_map(|role| self.types.uid("Role", role)).collect();
        if !request.tenant.is_empty() {
            parents.extend(self.types.uid("Tenant", &request.tenant));
        }
        Some(self.placed(uid, parents))
    }

    pub(super) fn resource(&self, resource: &Resource) -> Option<Placed> {
        let kind = resource.kind.as_str();
        let uid = self.types.uid(kind, &resource.id)?;
        let mut parents: HashSet<EntityUid> = HashSet::new();
        if resource.kind != Kind::Other {
            parents.extend(resource.names.iter().filter_map(|name| self.types.uid(kind, name)));
            parents.remove(&uid);
        }
        Some(self.placed(uid, parents))
    }

    fn placed(&self, uid: EntityUid, mut ancestors: HashSet<EntityUid>) -> Placed {
        if !self.hierarchy.is_empty() {
            let above = self.hierarchy.above(ancestors.iter().chain([&uid]));
            ancestors.extend(above);
            ancestors.remove(&uid);
        }
        Placed { uid, ancestors }
    }

    /// What all policies see.
    pub(super) fn facts(
        &self,
        request: &Request,
        resources: &[Resource],
        principal: &Placed,
        placed: &[Placed],
        action: &Action,
    ) -> Result<(Context, Entities), String> {
        let mut entities = vec![action.entity.clone()];
        entities.push(entity(principal, self.wanted(principal_attributes(request)))?);
        for (resource, placed) in resources.iter().zip(placed) {
            let twin = |other: &Entity| other.uid() == placed.uid;
            if !entities.iter().any(twin) {
                entities.push(entity(placed, self.wanted(resource_attributes(resource)))?);
            }
        }
        for (name, texts) in [
            ("labels", &request.labels),
            ("session_attributes", &request.session_attributes),
            ("request_metadata", &request.request_metadata),
        ] {
            if self.reads(name) && !texts.is_empty() {
                let tags = texts.iter().map(|(key, text)| (key.clone(), string(text)));
                entities.extend(self.tagged("Texts", name, tags.collect())?);
            }
        }
        if self.reads("arguments") && !request.arguments.is_empty() {
            let tags = request.arguments.iter().map(|(path, value)| Ok((path.clone(), argument(value)?)));
            entities.extend(self.tagged("Arguments", "arguments", tags.collect::<Result<_, String>>()?)?);
        }
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let context = Context::from_pairs(self.context(request, resources, placed)?)
            .map_err(|error| error.to_string())?;
        Ok((context, entities))
    }

    fn wanted(&self, pairs: Vec<(&'static str, Option<Value>)>) -> Pairs {
        let pairs = pairs.into_iter().filter(|(name, _)| self.reads(name));
        pairs.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    fn tagged(&self, kind: &str, id: &str, tags: Pairs) -> Result<Option<Entity>, String> {
        let Some(uid) = self.types.uid(kind, id) else { return Ok(None) };
        Entity::new_with_tags(uid, [], [], tags).map(Some).map_err(|error| error.to_string())
    }

    fn context(&self, request: &Request, resources: &[Resource], placed: &[Placed]) -> Result<Pairs, String> {
        let mut pairs = Pairs::new();
        for name in CONTEXT.iter().filter(|name| self.reads(name)) {
            if let Some(value) = self.context_value(name, request, resources, placed)? {
                pairs.push(((*name).to_owned(), value));
            }
        }
        Ok(pairs)
    }

    fn context_value(
        &self,
        name: &str,
        request: &Request,
        resources: &[Resource],
        placed: &[Placed],
    ) -> Result<Option<Value>, String> {
        let named = |kind: Kind| {
            let pairs = resources.iter().zip(placed).filter(move |(resource, _)| resource.kind == kind);
            pairs.map(|(_, placed)| Value::new_entity_uid(placed.uid.clone()))
        };
        let tags = |kind: &str, id: &str| self.types.uid(kind, id).map(Value::new_entity_uid);
        Ok(match name {
            "operation" => Some(string(&request.operation)),
            "action" => Some(string(&request.action)),
            "action_type" => Some(string(&request.action_type)),
            "service" => Some(string(&request.service)),
            "region" => Some(string(&request.region)),
            "provider" => Some(string(&request.provider)),
            "partition" => Some(string(&request.partition)),
            "host" => Some(string(&request.host)),
            "method" => Some(string(&request.method)),
            "path" => Some(string(&request.path)),
            "entrance" => Some(string(&request.entrance)),
            // A peer that is no address (a Unix socket) has none: Cedar would refuse to look at the whole context.
            "source_ip" => {
                let address: Option<std::net::IpAddr> = request.source_ip.parse().ok();
                address.map(|address| Value::new_ip(address.to_string()))
            }
            "route" => some(&request.route),
            "vpc_endpoint" => some(&request.vpc_endpoint),
            "server_name" => some(&request.server_name),
            "model" => named(Kind::Model).next(),
            "agent" => named(Kind::Agent).next(),
            "knowledge_bases" => Some(Value::new_set(named(Kind::KnowledgeBase))),
            "request" => Some(record(body(request))?),
            "labels" | "session_attributes" | "request_metadata" => tags("Texts", name),
            "arguments" => tags("Arguments", name),
            "time" => Some(record(time(request.time)?)?),
            "minute_count" => Some(long(request.minute_count)),
            "hourly_count" => Some(long(request.hourly_count)),
            "daily_count" => Some(long(request.daily_count)),
            _ => None,
        })
    }
}

fn principal_attributes(request: &Request) -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("name", Some(string(&request.principal))),
        ("known", Some(Value::new_bool(request.known))),
        ("assurance", Some(string(&request.assurance))),
        ("tenant", some(&request.tenant)),
        ("credential", Some(string(&request.credential))),
        ("access_key_id", some(&request.access_key_id)),
        ("account", some(&request.account)),
    ]
}

fn resource_attributes(resource: &Resource) -> Vec<(&'static str, Option<Value>)> {
    let id = || Some(string(&resource.id));
    let model = &resource.model;
    match resource.kind {
        Kind::Model => vec![
            ("id", id()),
            ("kind", some(&model.kind)),
            ("base", some(&model.base)),
            ("provider", some(&model.provider)),
            ("version", some(&model.version)),
            ("geography", some(&model.geography)),
            ("region", some(&model.region)),
            ("account", some(&model.account)),
        ],
        Kind::Agent => {
            vec![("id", id()), ("alias", some(&resource.alias)), ("session", some(&resource.session))]
        }
        Kind::KnowledgeBase | Kind::Guardrail => vec![("id", id())],
        Kind::Tool => vec![("name", id())],
        Kind::Other => Vec::new(),
    }
}

fn body(request: &Request) -> Pairs {
    let mut pairs = vec![
        ("bytes", long(request.bytes)),
        ("stream", Value::new_bool(request.stream)),
        ("tools", texts(&request.tools)),
        ("tool_count", long(u64::try_from(request.tools.len()).unwrap_or(u64::MAX))),
        ("tool_results", long(request.tool_results)),
        ("s3_uris", texts(&request.s3_uris)),
        ("truncated", Value::new_bool(request.truncated)),
    ];
    pairs.extend(request.max_tokens.map(|tokens| ("max_tokens", long(tokens))));
    pairs.extend(some(&request.guardrail).map(|value| ("guardrail", value)));
    pairs.extend(some(&request.guardrail_version).map(|value| ("guardrail_version", value)));
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn time(millis: u64) -> Result<Pairs, String> {
    let now = i64::try_from(millis).unwrap_or(i64::MAX);
    let now = jiff::Timestamp::from_millisecond(now).map_err(|error| error.to_string())?;
    let utc = now.to_zoned(jiff::tz::TimeZone::UTC);
    let number = |value: i8| Value::new_long(i64::from(value));
    Ok(vec![
        ("unix".to_owned(), Value::new_long(now.as_second())),
        ("hour".to_owned(), number(utc.hour())),
        ("minute".to_owned(), number(utc.minute())),
        ("weekday".to_owned(), string(&utc.strftime("%a").to_string().to_lowercase())),
        ("now".to_owned(), Value::new_datetime(utc.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())),
    ])
}

fn argument(value: &Argument) -> Result<Value, String> {
    let pair = |name: &str, value: Value| (name.to_owned(), value);
    record(match value {
        Argument::Text(text) => vec![pair("text", string(text))],
        Argument::Bool(value) => vec![pair("bool", Value::new_bool(*value))],
        Argument::List(items) => vec![pair("texts", texts(items))],
        Argument::Whole(number) => {
            let decimal = (*number).clamp(-MAX_DECIMAL, MAX_DECIMAL);
            vec![
                pair("long", Value::new_long(*number)),
                pair("decimal", Value::new_decimal(format!("{decimal}.0"))),
            ]
        }
        Argument::Number(number) => {
            let decimal = number.clamp(-MAX_DECIMAL as f64, MAX_DECIMAL as f64);
            // Never below what was asked for: a limit must not be passed by a fifth digit.
            let mut shown = format!("{decimal:.4}");
            if shown.parse::<f64>().is_ok_and(|shown| shown < decimal) {
                shown = format!("{:.4}", decimal + 0.000_1);
            }
            // The cast saturates.
            vec![
                pair("long", Value::new_long(number.ceil() as i64)),
                pair("decimal", Value::new_decimal(shown)),
            ]
        }
    })
}

/// The largest whole number that Cedar's decimal can say.
const MAX_DECIMAL: i64 = 922_337_203_685_476;

fn entity(placed: &Placed, attributes: Pairs) -> Result<Entity, String> {
    Entity::new_with_tags(placed.uid.clone(), attributes, placed.ancestors.iter().cloned(), [])
        .map_err(|error| error.to_string())
}

fn record(pairs: Pairs) -> Result<Value, String> {
    Value::new_record(pairs).map_err(|error| error.to_string())
}

fn string(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

fn some(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| string(text))
}

fn texts(items: &[String]) -> Value {
    Value::new_set(items.iter().map(|item| string(item)))
}

fn long(value: u64) -> Value {
    Value::new_long(i64::try_from(value).unwrap_or(i64::MAX))
}
