//! The table of fields that conditions may read. `docs/policy.md` is generated from it.

use crate::Text;
use crate::names::Selector;
use crate::view::View;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A whole number, 0 or more.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    List,
    /// Texts by key: a condition names one, as in `session_attributes.department`.
    Map,
    /// Any JSON value: a condition names a path into it, as in `arguments.account.iban` or `arguments.items.0`.
    Json,
}

impl FieldKind {
    /// For people: `text`, `whole number` …
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "whole number",
            Self::Boolean => "boolean",
            Self::List => "list of text",
            Self::Map => "text by key",
            Self::Json => "JSON by path",
        }
    }
}

/// One row of the table.
pub struct Field {
    /// As conditions write it.
    pub name: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Unit or set of values; empty when the kind says it all.
    pub unit: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Reading it needs the request's text.
    pub needs_text: bool,
    pub(crate) get: Getter,
}

pub(crate) type Getter = for<'v> fn(&'v View<'_>, &str) -> FieldValue<'v>;

/// A field's value in one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FieldValue<'c> {
    /// The call does not say.
    Missing,
    /// The call's text was not given.
    NeedsText,
    Text(&'c str),
    Integer(u64),
    Boolean(bool),
    List(&'c [String]),
    /// Never `null`: that is missing.
    Json(&'c serde_json::Value),
}

/// Every field, in the order of the documentation.
#[must_use]
pub fn fields() -> &'static [Field] {
    FIELDS
}

/// The field of a name, and the key or path where it has one.
pub(crate) fn lookup(name: &str) -> Option<(&'static Field, String)> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| *name);
    let whole = |field: &&Field| field.name == name && field.kind != FieldKind::Map;
    if let Some(field) = FIELDS.iter().find(whole) {
        return Some((field, String::new()));
    }
    by_key(FIELDS, name)
}

/// The same for rules on what a tool answered.
pub(crate) fn lookup_output(name: &str) -> Option<(&'static Field, String)> {
    if name == OUTPUT.name {
        return Some((&OUTPUT, String::new()));
    }
    // Of an output rule the tool is the one that answered.
    if matches!(name, "tool_name" | "tool.name") {
        return lookup("tool_result.names");
    }
    by_key(std::slice::from_ref(&OUTPUT), name).or_else(|| lookup(name))
}

fn by_key(fields: &'static [Field], name: &str) -> Option<(&'static Field, String)> {
    let (head, key) = name.split_once('.')?;
    let keyed = |field: &&Field| matches!(field.kind, FieldKind::Map | FieldKind::Json) && field.name == head;
    let field = fields.iter().find(keyed)?;
    let sound = match field.kind {
        FieldKind::Json => key.split('.').all(|part| !part.is_empty()),
        _ => !key.is_empty(),
    };
    sound.then(|| (field, key.to_owned()))
}

impl Field {
    /// A moment in time: `within_hours` and `outside_hours` apply to it.
    pub(crate) fn is_moment(&self) -> bool {
        matches!(self.name, "time.unix" | "time.iso" | "context.time")
            || matches!(self.kind, FieldKind::Map | FieldKind::Json)
    }

    /// One of [`crate::Call::counts`].
    pub(crate) fn is_count(&self) -> bool {
        matches!(self.name, "context.minute_count" | "context.hourly_count" | "context.daily_count")
    }

    /// Only tool calls have it.
    pub(crate) fn is_of_tools(&self) -> bool {
        matches!(self.name, "arguments" | "tool.name" | "tool.id" | "tool.origin")
    }

    /// Everything that a bundle looks for in it is looked for at once.
    pub(crate) fn is_searched(&self) -> bool {
        matches!(self.name, "request.text" | "response.text")
    }

    /// Only the text of answers has it.
    pub(crate) fn is_of_answers(&self) -> bool {
        self.name == "response.text"
    }

    /// It tells of the tool results that are sent back.
    pub(crate) fn is_of_results(&self) -> bool {
        self.name.starts_with("tool_result.")
    }

    /// What it says may be a prompt, or data of a customer: never shown to callers or in explanations.
    pub(crate) fn is_content(&self) -> bool {
        self.needs_text || matches!(self.name, "arguments" | "output" | "response.text")
    }
}

/// Empty text is a missing value.
fn text(value: &str) -> FieldValue<'_> {
    if value.is_empty() { FieldValue::Missing } else { FieldValue::Text(value) }
}

fn opt(value: Option<&String>) -> FieldValue<'_> {
    value.map_or(FieldValue::Missing, |value| text(value))
}

/// What the text says of tool results, where there are any.
fn results_text<'v>(view: &'v View<'_>, get: impl Fn(&'v Text) -> FieldValue<'v>) -> FieldValue<'v> {
    let request = &view.call.request;
    if request.tool_results == 0 {
        return FieldValue::Missing;
    }
    request.text.as_ref().map_or(FieldValue::NeedsText, get)
}

macro_rules! fields {
    ($($name:literal $kind:ident $unit:literal $doc:literal = $($needs_text:ident)? |$view:ident $(, $key:ident)?| $get:expr;)*) => {
        &[$(Field {
            name: $name,
            kind: FieldKind::$kind,
            unit: $unit,
            doc: $doc,
            needs_text: false $(|| { let $needs_text = true; $needs_text })?,
            get: { fn get<'v>($view: &'v View<'_>, _key: &str) -> FieldValue<'v> { $(let $key = _key;)? $get } get },
        },)*]
    };
}

static FIELDS: &[Field] = fields! {
    "principal.name" Text "" "Who calls: the name in the directory, or a derived one (see Identity)." = |v| text(&v.call.principal.name);
    "principal.known" Boolean "" "The name is one of the bundle's directory." = |v| FieldValue::Boolean(v.call.principal.known);
    "principal.assurance" Text "`claimed`, `confirmed`, `rejected`, `verified`" "How sure that is. Before AWS has answered a credential is `claimed`." = |v| FieldValue::Text(v.call.principal.assurance.as_str());
    "principal.tenant" Text "" "Tenant of the principal, by the directory." = |v| opt(v.call.principal.tenant.as_ref());
    "principal.roles" List "" "Roles of the principal, by the directory." = |v| FieldValue::List(&v.call.principal.roles);
    "credential.kind" Text "`sigv4`, `sigv4a`, `presigned`, `bearer_short_term`, `bearer_long_term`, `bearer_other`, `api_key`, `none`" "Form of the credential." = |v| text(&v.call.credential.kind);
    "credential.access_key_id" Text "" "AWS access key id." = |v| opt(v.call.credential.access_key_id.as_ref());
    "credential.account" Text "12 digits" "AWS account decoded from the access key id: a hint." = |v| opt(v.call.credential.account.as_ref());
    "operation" Text "" "Operation as AWS names it, such as `ConverseStream`; `Unknown` when the gate does not know the host or path." = |v| text(v.operation());
    "action" Text "" "IAM action, such as `bedrock:InvokeModel`." = |v| text(&v.call.action);
    "details" Text "`Bedrock invoke_model: ID`, `Bedrock invoke_agent: ID` …" "The call in words: the operation in snake case and the model or agent it names; `invoke_model` for every call that runs a model, `invoke_agent` for every call that runs an agent." = |v| text(v.details());
    "action_type" Text "`model_invoked`, `agent_invoked` …" "Kind of call." = |v| text(&v.call.action_type);
    "service" Text "" "Endpoint prefix, such as `bedrock-runtime`." = |v| text(&v.call.service);
    "region" Text "" "AWS region of the endpoint." = |v| text(&v.call.region);
    "provider" Text "`aws`, `anthropic`, `openai` …" "Whose API is called: `aws`, or the name that the operator gives another provider." = |v| text(&v.call.provider);
    "partition" Text "`aws`, `aws-cn`, `aws-us-gov` …" "AWS partition of the endpoint." = |v| text(&v.call.partition);
    "host" Text "" "Host as received." = |v| text(&v.call.host);
    "method" Text "" "HTTP method." = |v| text(&v.call.method);
    "path" Text "" "Raw path as received, never decoded, without query." = |v| text(&v.call.path);
    "entrance" Text "`pass_through`, `resign`" "What happens to the application's signature." = |v| text(&v.call.entrance);
    "model.id" Text "" "The model as the caller named it: id, profile id or ARN. A call that names several is decided for each." = |v| opt(v.call.model.as_ref().map(|m| &m.id));
    "model.kind" Text "`foundation_model`, `inference_profile`, `application_inference_profile`, `provisioned_model`, `custom_model`, `custom_model_deployment`, `imported_model`, `prompt`, `prompt_router`, `marketplace_endpoint` …" "What the identifier names." = |v| v.call.model.as_ref().map_or(FieldValue::Missing, |m| text(&m.kind));
    "model.base" Text "" "Base model without geography; missing when the identifier does not reveal it (application profiles, provisioned, imported, prompts)." = |v| opt(v.call.model.as_ref().and_then(|m| m.base.as_ref()));
    "model.provider" Text "" "Provider, such as `anthropic`." = |v| opt(v.call.model.as_ref().and_then(|m| m.provider.as_ref()));
    "model.version" Text "" "Version suffix, such as `v2:0`." = |v| opt(v.call.model.as_ref().and_then(|m| m.version.as_ref()));
    "model.geography" Text "`us`, `eu`, `global` …" "Cross-region prefix of an inference profile." = |v| opt(v.call.model.as_ref().and_then(|m| m.geography.as_ref()));
    "model.region" Text "" "Region in the model's ARN." = |v| opt(v.call.model.as_ref().and_then(|m| m.region.as_ref()));
    "model.account" Text "12 digits" "Account in the model's ARN." = |v| opt(v.call.model.as_ref().and_then(|m| m.account.as_ref()));
    "agent.id" Text "" "Agent id, or ARN of an AgentCore runtime." = |v| opt(v.call.agent.id.as_ref());
    "agent.alias" Text "" "Agent alias id or qualifier." = |v| opt(v.call.agent.alias.as_ref());
    "agent.session" Text "" "Session id, the caller's choice." = |v| opt(v.call.agent.session.as_ref());
    "labels" Map "" "A part of the path by its modelled name, such as `labels.knowledgeBaseId`." = |v, key| opt(v.call.labels.get(key));
    "request.bytes" Integer "bytes" "Size of the body." = |v| FieldValue::Integer(v.call.request.bytes);
    "request.max_tokens" Integer "tokens" "Largest answer asked for; of several answers (`n`), together." = |v| v.call.request.max_tokens.map_or(FieldValue::Missing, FieldValue::Integer);
    "request.stream" Boolean "" "A streamed answer is asked for." = |v| FieldValue::Boolean(v.call.request.stream);
    "request.tools" List "" "Names of the tools offered to the model." = |v| FieldValue::List(&v.call.request.tools);
    "request.tool_count" Integer "tools" "Number of tools offered to the model." = |v| FieldValue::Integer(u64::try_from(v.call.request.tools.len()).unwrap_or(u64::MAX));
    "request.tool_results" Integer "results" "Number of tool results sent back." = |v| FieldValue::Integer(v.call.request.tool_results);
    "tool_result.count" Integer "results" "The same number." = |v| FieldValue::Integer(v.call.request.tool_results);
    "tool_result.bytes" Integer "bytes" "Size of all of them together." = |v| FieldValue::Integer(v.call.request.result_bytes);
    "tool_result.max_bytes" Integer "bytes" "Size of the largest of the newest 64." = |v| FieldValue::Integer(v.results().max_bytes);
    "tool_result.errors" Integer "results" "How many of the newest 64 the caller calls failures." = |v| FieldValue::Integer(v.results().errors);
    "tool_result.ids" List "" "Ids of the tool calls that the newest 64 answer." = |v| FieldValue::List(&v.results().ids);
    "tool_result.names" List "" "Their tools, where the request tells, or the control plane remembers what was proposed under these ids." = |v| FieldValue::List(&v.results().names);
    "tool_result.unnamed" Integer "results" "Results whose tool is not known." = |v| FieldValue::Integer(v.results().unnamed);
    "tool_result.text" Text "" "What the tools answered, all of them, up to the gate's cap." = needs_text |v| results_text(v, |t| text(&t.tool_results));
    "tool_result.text_truncated" Boolean "" "The gate's cap cut it." = needs_text |v| results_text(v, |t| FieldValue::Boolean(t.tool_results_truncated));
    "facts" Map "" "What else the operation's body says, such as `facts.role_arn`; see docs/coverage.md." = |v, key| opt(v.call.request.facts.get(key));
    "request.text" Text "" "System and user text, up to the gate's cap." = needs_text |v| v.call.request.text.as_ref().map_or(FieldValue::NeedsText, |t| text(&t.text));
    "request.text_truncated" Boolean "" "The gate's cap cut the text: rules on it have not seen all." = needs_text |v| v.call.request.text.as_ref().map_or(FieldValue::NeedsText, |t| FieldValue::Boolean(t.truncated));
    "request.guardrail" Text "" "Guardrail id or ARN." = |v| opt(v.call.request.guardrail.as_ref());
    "request.guardrail_version" Text "" "Guardrail version." = |v| opt(v.call.request.guardrail_version.as_ref());
    "request.knowledge_bases" List "" "Knowledge bases named in the body; one in the path is `labels.knowledgeBaseId`." = |v| FieldValue::List(&v.call.request.knowledge_bases);
    "request.s3_uris" List "" "S3 URIs named in the body." = |v| FieldValue::List(&v.call.request.s3_uris);
    "request.truncated" Boolean "" "A list above was cut at the gate's cap." = |v| FieldValue::Boolean(v.call.request.truncated);
    "request_metadata" Map "" "A `requestMetadata` entry, such as `request_metadata.team`: the caller's word." = |v, key| opt(v.call.request.metadata.get(key));
    "session_attributes" Map "" "A `sessionState.sessionAttributes` entry, such as `session_attributes.department`: the caller's word." = |v, key| opt(v.call.request.session_attributes.get(key));
    "knowledge_base" List "" "Knowledge bases that the call names, in the path or in the body." = |v| FieldValue::List(v.names.get(Selector::KnowledgeBases));
    "route" Text "" "The route that the call is on, by its id." = |v| v.names.route.map_or(FieldValue::Missing, text);
    "tool.name" Text "" "The tool of a tool call, by its first name. A rule that reads it or `arguments` concerns tool calls only." = |v| opt(v.tool_names().first());
    "arguments" Json "" "An argument of a tool call: names and list indexes, joined by dots, as in `arguments.amount` or `arguments.items.0.price`." = |v, key| v.argument(key);
    "tool.id" Text "" "Its id in the answer that proposes it." = |v| opt(v.call.tool.as_ref().and_then(|tool| tool.id.as_ref()));
    "tool.origin" Text "`model`, `server`, `return_control`, `agent`, `guard`" "Who makes it: the caller, because a model proposes it; the provider within the answer; the caller, because an agent returns control; an agent; whoever asks `POST /v1/guard`." = |v| v.call.tool.as_ref().map_or(FieldValue::Missing, |tool| text(&tool.origin));
    "response.text" Text "" "A stretch of the answer's text. A rule that reads it concerns the text of answers only." = |v| v.response_text();
    "network.source_ip" Text "" "Address of the peer." = |v| opt(v.call.network.source_ip.as_ref());
    "network.vpc_endpoint" Text "" "VPC endpoint id in the host." = |v| opt(v.call.network.vpc_endpoint.as_ref());
    "network.server_name" Text "" "TLS server name that the client asked for." = |v| opt(v.call.network.server_name.as_ref());
    "time.unix" Integer "seconds since 1970" "When the call is decided." = |v| FieldValue::Integer(v.time / 1000);
    "time.iso" Text "RFC 3339, UTC" "The same as text, such as `2026-11-30T09:15:00Z`." = |v| FieldValue::Text(v.iso_time());
    "time.hour" Integer "0 to 23, UTC" "Hour of the day." = |v| FieldValue::Integer(v.time / 3_600_000 % 24);
    "time.minute" Integer "0 to 59" "Minute of the hour." = |v| FieldValue::Integer(v.time / 60_000 % 60);
    "time.weekday" Text "`mon` … `sun`, UTC" "Day of the week." = |v| FieldValue::Text(v.weekday());
    "context.time" Text "RFC 3339, UTC" "As `time.iso`." = |v| FieldValue::Text(v.iso_time());
    "context.day_of_week" Text "`mon` … `sun`, UTC" "As `time.weekday`." = |v| FieldValue::Text(v.weekday());
    "context.minute_count" Integer "calls" "Calls of this principal (to this tool, for a tool call) let out in the last minute, this one not included." = |v| v.count(|counts| counts.minute);
    "context.hourly_count" Integer "calls" "The same for the last hour." = |v| v.count(|counts| counts.hourly);
    "context.daily_count" Integer "calls" "The same for the last 24 hours." = |v| v.count(|counts| counts.daily);
};

/// What a tool answered: read by `output_rules` only.
static OUTPUT: Field = Field {
    name: "output",
    kind: FieldKind::Json,
    unit: "",
    doc: "What the tool answered.",
    needs_text: false,
    get: |view, path| view.output(path),
};

/// Names that the rule formats of others use, and ours for them.
pub(crate) const ALIASES: &[(&str, &str)] = &[
    ("tool_name", "tool.name"),
    ("agent_id", "agent.id"),
    ("session_id", "agent.session"),
    ("user_id", "session_attributes.userId"),
    ("role", "principal.roles"),
    ("time", "time.iso"),
];

/// The tables of `docs/policy.md`, in Markdown.
#[must_use]
pub fn fields_markdown() -> String {
    let mut out = String::from("| field | holds | meaning |\n|---|---|---|\n");
    for field in FIELDS {
        let name = match field.kind {
            FieldKind::Map => format!("{}.KEY", field.name),
            FieldKind::Json => format!("{}.PATH", field.name),
            _ => field.name.to_owned(),
        };
        let unit = if field.unit.is_empty() { String::new() } else { format!("; {}", field.unit) };
        let needs = if field.needs_text { " Makes the gate send the text." } else { "" };
        out.push_str(&format!("| `{name}` | {}{unit} | {}{needs} |\n", field.kind.as_str(), field.doc));
    }
    out.push_str(
        "\nOther names for some of them, as other rule formats write them:\n\n| name | is |\n|---|---|\n",
    );
    for (alias, name) in ALIASES {
        out.push_str(&format!("| `{alias}` | `{name}` |\n"));
    }
    out
}
