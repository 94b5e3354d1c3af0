//! The schema of `bundle.yaml`.

use super::rules;
use super::shape::{Key, Shape, key, object};
use super::words;
use crate::load::{limits, manifest, prices, rules as load_rules};
use serde_json::{Value, json};

const GLOBS: &str = "Globs; absent: all.";
pub(crate) const FILE: &[Key] = &[
    key("version", Shape::Text, "Yours; it is in every record."),
    key("name", Shape::Text, "Name of the bundle."),
    key("description", Shape::Text, "For people."),
    key("default", Shape::Words(|| words(manifest::DEFAULTS)), "The verdict when no rule matches."),
    key(
        "tool_default",
        Shape::Words(|| words(manifest::DEFAULTS)),
        "The same for tool calls. Default: `allow`, whatever `default` says.",
    ),
    key(
        "mode",
        Shape::Words(|| words(load_rules::MODES)),
        "`shadow`: everything is let out, and records say what would have happened.",
    ),
    key("principals", Shape::Defs("principal"), "The directory: who has which credentials."),
    key("approvals", Shape::Def("approval"), "What approvals are like, where a rule does not say."),
    key("routes", Shape::Defs("route"), "A call is on the first that fits."),
    key("limits", Shape::Defs("limit"), "What may be used in a sliding window."),
    key("prices", Shape::Object(PRICES), "What tokens cost."),
    key("estimate", Shape::Object(ESTIMATE), "How the use of a call is estimated before it is made."),
];
pub(crate) const PRINCIPAL: &[Key] = &[
    key("name", Shape::Text, "The name that rules and records use."),
    key("description", Shape::Text, "For people."),
    key("access_keys", Shape::Texts, "AWS access key ids."),
    key("accounts", Shape::Texts, "AWS accounts, 12 digits."),
    key("api_key_sha256", Shape::Texts, "SHA-256 of Bedrock API keys, lower-case hex."),
    key("tenant", Shape::Text, "Tenant."),
    key("roles", Shape::Texts, "Roles."),
];
pub(crate) const ROUTE: &[Key] = &[
    key("id", Shape::Text, "Names the route in records and rules."),
    key("description", Shape::Text, "For people."),
    key("principals", Shape::Texts, GLOBS),
    key("hosts", Shape::Texts, GLOBS),
    key("tenants", Shape::Texts, GLOBS),
    key("models", Shape::Texts, "Models that are allowed. Globs; absent: all."),
    key("operations", Shape::Texts, "Operations that are allowed. Globs; absent: all."),
    key("default", Shape::Words(|| words(manifest::DEFAULTS)), "In place of the bundle's default."),
    key("guardrail", Shape::Object(GUARDRAIL), "The guardrail that calls which run a model must name."),
    key("max_tokens", Shape::Integer, "Most tokens that a call may ask for."),
    key("limits", Shape::Defs("limit"), "Limits that count only calls of this route."),
];
pub(crate) const GUARDRAIL: &[Key] =
    &[key("id", Shape::Text, "Id or ARN."), key("version", Shape::Text, "Version; absent: any.")];
pub(crate) const LIMIT: &[Key] = &[
    key("id", Shape::Text, "Names the limit; unique over bundle and routes."),
    key("description", Shape::Text, "For people."),
    key("measure", Shape::Words(|| words(limits::MEASURES)), "What is counted."),
    key("max", Shape::Number, "Most of it in any window; of cost in the currency of `prices`."),
    key("window", Shape::Duration, "Length of the sliding window, 1m to 400d."),
    key("per", Shape::Texts, "Fields to count by; absent: one count for all."),
    key(
        "action",
        Shape::Words(|| words(limits::ACTIONS)),
        "What becomes of a call that would be over it. Default: `throttle` for requests and tool calls, else `block`.",
    ),
    key("mode", Shape::Words(|| words(load_rules::MODES)), "`shadow`: counted and reported, never enforced."),
    key("message", Shape::Text, "For the caller."),
    key("conditions", Shape::Def("conditions"), "Which calls count: all must hold."),
    key("operations", Shape::Texts, GLOBS),
    key("models", Shape::Texts, GLOBS),
    key("principals", Shape::Texts, GLOBS),
    key("regions", Shape::Texts, GLOBS),
    key("tools", Shape::Texts, GLOBS),
    key("agents", Shape::Def("agents"), GLOBS),
    key("knowledge_bases", Shape::Texts, GLOBS),
    key("routes", Shape::Texts, GLOBS),
];
pub(crate) const PRICES: &[Key] = &[
    key("currency", Shape::Text, "Three capital letters."),
    key(
        "unpriced",
        Shape::Words(|| words(prices::UNPRICED)),
        "What becomes of a call to a model without a price, where a cost limit applies.",
    ),
    key("estimate", Shape::Object(ESTIMATE), "How the use of a call is estimated."),
    key("models", Shape::Objects(PRICE), "Prices per million tokens; the first row that fits."),
];
pub(crate) const PRICE: &[Key] = &[
    key("models", Shape::Texts, "Which models. Globs."),
    key("input", Shape::Number, "Per million input tokens."),
    key("output", Shape::Number, "Per million output tokens."),
    key("cache_read", Shape::Number, "Per million tokens read from the cache."),
    key("cache_write", Shape::Number, "Per million tokens written to the cache."),
];
pub(crate) const ESTIMATE: &[Key] = &[
    key("bytes_per_token", Shape::Integer, "Bytes of the body to a token. Default: 3."),
    key("output_tokens", Shape::Integer, "Tokens of an answer that the call does not bound. Default: 4096."),
];

pub(super) fn schema() -> Value {
    let mut schema = object(FILE, &["version", "name", "default"]);
    let mut defs = rules::defs();
    for unused in ["rule", "output_rule", "policy", "past", "groups"] {
        defs.remove(unused);
    }
    defs.insert("principal".to_owned(), object(PRINCIPAL, &["name"]));
    defs.insert("route".to_owned(), object(ROUTE, &["id"]));
    defs.insert("limit".to_owned(), object(LIMIT, &["id", "measure", "max", "window"]));
    if let Some(map) = schema.as_object_mut() {
        map.insert("$defs".to_owned(), json!(defs));
    }
    schema
}
