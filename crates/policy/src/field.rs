//! The table of fields that conditions may read. `docs/policy.md` is generated from it.

use crate::Call;

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

pub(crate) type Getter = for<'c> fn(&'c Call, &str) -> FieldValue<'c>;

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
}

/// Every field, in the order of the documentation.
#[must_use]
pub fn fields() -> &'static [Field] {
    FIELDS
}

/// The field of a name, and the key where it is one of a map.
pub(crate) fn lookup(name: &str) -> Option<(&'static Field, String)> {
    if let Some(field) = FIELDS.iter().find(|field| field.name == name && field.kind != FieldKind::Map) {
        return Some((field, String::new()));
    }
    let (head, key) = name.split_once('.')?;
    let field = FIELDS.iter().find(|field| field.kind == FieldKind::Map && field.name == head)?;
    (!key.is_empty()).then(|| (field, key.to_owned()))
}

/// Empty text is a missing value.
fn text(value: &str) -> FieldValue<'_> {
    if value.is_empty() { FieldValue::Missing } else { FieldValue::Text(value) }
}

fn opt(value: Option<&String>) -> FieldValue<'_> {
    value.map_or(FieldValue::Missing, |value| FieldValue::Text(value))
}

macro_rules! fields {
    ($($name:literal $kind:ident $unit:literal $doc:literal = $($needs_text:ident)? |$call:ident $(, $key:ident)?| $get:expr;)*) => {
        &[$(Field {
            name: $name,
            kind: FieldKind::$kind,
            unit: $unit,
            doc: $doc,
            needs_text: false $(|| { let $needs_text = true; $needs_text })?,
            get: { fn get<'c>($call: &'c Call, _key: &str) -> FieldValue<'c> { $(let $key = _key;)? $get } get },
        },)*]
    };
}

static FIELDS: &[Field] = fields! {
    "principal.name" Text "" "Who calls: the name in the directory, or a derived one (see Identity)." = |c| text(&c.principal.name);
    "principal.known" Boolean "" "The name is one of the bundle's directory." = |c| FieldValue::Boolean(c.principal.known);
    "principal.assurance" Text "`claimed`, `confirmed`, `rejected`, `verified`" "How sure that is. Before AWS has answered a credential is `claimed`." = |c| FieldValue::Text(c.principal.assurance.as_str());
    "principal.tenant" Text "" "Tenant of the principal, by the directory." = |c| opt(c.principal.tenant.as_ref());
    "principal.roles" List "" "Roles of the principal, by the directory." = |c| FieldValue::List(&c.principal.roles);
    "credential.kind" Text "`sigv4`, `sigv4a`, `presigned`, `bearer_short_term`, `bearer_long_term`, `bearer_other`, `api_key`, `none`" "Form of the credential." = |c| text(&c.credential.kind);
    "credential.access_key_id" Text "" "AWS access key id." = |c| opt(c.credential.access_key_id.as_ref());
    "credential.account" Text "12 digits" "AWS account decoded from the access key id: a hint." = |c| opt(c.credential.account.as_ref());
    "operation" Text "" "Operation as AWS names it, such as `ConverseStream`; `Unknown` when the gate does not know the host or path." = |c| text(&c.operation);
    "action" Text "" "IAM action, such as `bedrock:InvokeModel`." = |c| text(&c.action);
    "action_type" Text "`model_invoked`, `agent_invoked` …" "Kind of call." = |c| text(&c.action_type);
    "service" Text "" "Endpoint prefix, such as `bedrock-runtime`." = |c| text(&c.service);
    "region" Text "" "AWS region of the endpoint." = |c| text(&c.region);
    "partition" Text "`aws`, `aws-cn`, `aws-us-gov` …" "AWS partition of the endpoint." = |c| text(&c.partition);
    "host" Text "" "Host as received." = |c| text(&c.host);
    "method" Text "" "HTTP method." = |c| text(&c.method);
    "path" Text "" "Raw path as received, never decoded, without query." = |c| text(&c.path);
    "entrance" Text "`pass_through`, `resign`" "What happens to the application's signature." = |c| text(&c.entrance);
    "model.id" Text "" "The model as the caller named it: id, profile id or ARN. A call that names several is decided for each." = |c| opt(c.model.as_ref().map(|m| &m.id));
    "model.kind" Text "`foundation_model`, `inference_profile`, `application_inference_profile`, `provisioned_model`, `custom_model`, `custom_model_deployment`, `imported_model`, `prompt`, `prompt_router`, `marketplace_endpoint` …" "What the identifier names." = |c| c.model.as_ref().map_or(FieldValue::Missing, |m| text(&m.kind));
    "model.base" Text "" "Base model without geography; missing when the identifier does not reveal it (application profiles, provisioned, imported, prompts)." = |c| opt(c.model.as_ref().and_then(|m| m.base.as_ref()));
    "model.provider" Text "" "Provider, such as `anthropic`." = |c| opt(c.model.as_ref().and_then(|m| m.provider.as_ref()));
    "model.version" Text "" "Version suffix, such as `v2:0`." = |c| opt(c.model.as_ref().and_then(|m| m.version.as_ref()));
    "model.geography" Text "`us`, `eu`, `global` …" "Cross-region prefix of an inference profile." = |c| opt(c.model.as_ref().and_then(|m| m.geography.as_ref()));
    "model.region" Text "" "Region in the model's ARN." = |c| opt(c.model.as_ref().and_then(|m| m.region.as_ref()));
    "model.account" Text "12 digits" "Account in the model's ARN." = |c| opt(c.model.as_ref().and_then(|m| m.account.as_ref()));
    "agent.id" Text "" "Agent id, or ARN of an AgentCore runtime." = |c| opt(c.agent.id.as_ref());
    "agent.alias" Text "" "Agent alias id or qualifier." = |c| opt(c.agent.alias.as_ref());
    "agent.session" Text "" "Session id, the caller's choice." = |c| opt(c.agent.session.as_ref());
    "labels" Map "" "A part of the path by its modelled name, such as `labels.knowledgeBaseId`." = |c, key| opt(c.labels.get(key));
    "request.bytes" Integer "bytes" "Size of the body." = |c| FieldValue::Integer(c.request.bytes);
    "request.max_tokens" Integer "tokens" "Largest answer asked for." = |c| c.request.max_tokens.map_or(FieldValue::Missing, FieldValue::Integer);
    "request.stream" Boolean "" "A streamed answer is asked for." = |c| FieldValue::Boolean(c.request.stream);
    "request.tools" List "" "Names of the tools offered to the model." = |c| FieldValue::List(&c.request.tools);
    "request.tool_count" Integer "tools" "Number of tools offered to the model." = |c| FieldValue::Integer(u64::try_from(c.request.tools.len()).unwrap_or(u64::MAX));
    "request.tool_results" Integer "results" "Number of tool results sent back." = |c| FieldValue::Integer(c.request.tool_results);
    "request.text" Text "" "System and user text, up to the gate's cap." = needs_text |c| c.request.text.as_ref().map_or(FieldValue::NeedsText, |t| text(&t.text));
    "request.text_truncated" Boolean "" "The gate's cap cut the text: rules on it have not seen all." = needs_text |c| c.request.text.as_ref().map_or(FieldValue::NeedsText, |t| FieldValue::Boolean(t.truncated));
    "request.guardrail" Text "" "Guardrail id or ARN." = |c| opt(c.request.guardrail.as_ref());
    "request.guardrail_version" Text "" "Guardrail version." = |c| opt(c.request.guardrail_version.as_ref());
    "request.knowledge_bases" List "" "Knowledge bases named in the body; one in the path is `labels.knowledgeBaseId`." = |c| FieldValue::List(&c.request.knowledge_bases);
    "request.s3_uris" List "" "S3 URIs named in the body." = |c| FieldValue::List(&c.request.s3_uris);
    "request.truncated" Boolean "" "A list above was cut at the gate's cap." = |c| FieldValue::Boolean(c.request.truncated);
    "request_metadata" Map "" "A `requestMetadata` entry, such as `request_metadata.team`: the caller's word." = |c, key| opt(c.request.metadata.get(key));
    "session_attributes" Map "" "A `sessionState.sessionAttributes` entry, such as `session_attributes.department`: the caller's word." = |c, key| opt(c.request.session_attributes.get(key));
    "network.source_ip" Text "" "Address of the peer." = |c| opt(c.network.source_ip.as_ref());
    "network.vpc_endpoint" Text "" "VPC endpoint id in the host." = |c| opt(c.network.vpc_endpoint.as_ref());
    "network.server_name" Text "" "TLS server name that the client asked for." = |c| opt(c.network.server_name.as_ref());
    "time.unix" Integer "seconds since 1970" "When the call is decided." = |c| FieldValue::Integer(c.time / 1000);
};

/// The table of `docs/policy.md`, in Markdown.
#[must_use]
pub fn fields_markdown() -> String {
    let mut out = String::from("| field | holds | meaning |\n|---|---|---|\n");
    for field in FIELDS {
        let name =
            if field.kind == FieldKind::Map { format!("{}.KEY", field.name) } else { field.name.to_owned() };
        let unit = if field.unit.is_empty() { String::new() } else { format!("; {}", field.unit) };
        let needs = if field.needs_text { " Makes the gate send the text." } else { "" };
        out.push_str(&format!("| `{name}` | {}{unit} | {}{needs} |\n", field.kind.as_str(), field.doc));
    }
    out
}
