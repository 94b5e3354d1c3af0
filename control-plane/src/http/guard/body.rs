//! The question of `POST /v1/guard`.

use super::read::{Object, wrong};
use crate::app::{GuardClient, GuardContext, GuardQuestion, LONGEST_WAIT};
use crate::http::problem::Problem;
use portcullis_protocol::{ProposedCall, ToolOrigin};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A tool call that is about to run.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[allow(dead_code, reason = "the description of what is read member by member")]
pub(in crate::http) struct GuardRequest {
    /// The tool's name, as rules select it.
    tool: String,
    /// Its arguments: an object. `{}` when absent.
    arguments: Option<serde_json::Map<String, serde_json::Value>>,
    /// Who runs it, and for whom.
    context: Option<GuardRequestContext>,
    /// Seconds that a person may take to approve it, 0 to 50; the answer comes when somebody has answered, or then.
    wait_seconds: Option<u64>,
}

/// Who runs the tool, and for whom. Beside an agent's token these are claims, and what they say of the agent must agree with
/// the token.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[allow(dead_code, reason = "the description of what is read member by member")]
pub(in crate::http) struct GuardRequestContext {
    /// Id of the agent that runs it; the token's when absent.
    agent_id: Option<String>,
    /// Its alias.
    agent_alias: Option<String>,
    /// Its session.
    session_id: Option<String>,
    /// The user on whose behalf it runs: `session_attributes.userId` of rules.
    user_id: Option<String>,
    /// That user's department: `session_attributes.userDepartment`.
    department: Option<String>,
    /// That user's roles: `session_attributes.userRole`, joined by commas.
    roles: Option<Vec<String>>,
    /// Whoever told the agent to, between it and the user, the nearest first, such as `agent SUPERVISOR`.
    delegation: Option<Vec<String>>,
    /// Tenant of the user: `session_attributes.tenant`; the principal's tenant where the token does not say one.
    tenant: Option<String>,
    /// AWS region in which it runs.
    region: Option<String>,
    /// What this call belongs to, such as a trace; found from session and `tool_use_id` when absent.
    correlation_id: Option<String>,
    /// Id of the tool call in the model's answer: `toolUseId`, `tool_call_id`, `invocationId`.
    tool_use_id: Option<String>,
    /// Whatever else is known of the user: `session_attributes.KEY` of rules.
    attributes: Option<BTreeMap<String, String>>,
}

const BODY: &[&str] = &["tool", "arguments", "context", "wait_seconds"];
const CONTEXT: &[&str] = &[
    "agent_id",
    "agent_alias",
    "session_id",
    "user_id",
    "department",
    "roles",
    "delegation",
    "tenant",
    "region",
    "correlation_id",
    "tool_use_id",
    "attributes",
];

/// Longest name of a tool, and longest arguments, in bytes: as of tool calls in answers.
pub(super) const MAX_NAME: usize = 1_024;
pub(super) const MAX_ARGUMENTS: usize = 1_024 * 1_024;

/// Reads the question.
///
/// # Errors
/// What is wrong, by its pointer.
pub(super) fn read(bytes: &[u8], client: GuardClient) -> Result<GuardQuestion, Problem> {
    let body = Object::document(bytes)?.only(BODY)?;
    let name = body.long_text("tool")?.unwrap_or_default();
    if name.is_empty() {
        return Err(wrong(&body.pointer("tool"), "must be there, and be text that is not empty"));
    }
    let arguments = body.written("arguments").map_or("{}", |raw| raw.get()).to_owned();
    let context = body.object("context")?.map(|context| context.only(CONTEXT)).transpose()?;
    let wait = body.number("wait_seconds", LONGEST_WAIT.as_secs())?.unwrap_or_default();
    let mut id = None;
    let mut read = GuardContext { client, ..GuardContext::default() };
    if let Some(context) = context {
        id = context.text("tool_use_id")?;
        read = GuardContext {
            agent_id: context.text("agent_id")?,
            agent_alias: context.text("agent_alias")?,
            session_id: context.text("session_id")?,
            delegation: context.texts("delegation")?,
            user_id: context.text("user_id")?,
            tenant: context.text("tenant")?,
            region: context.text("region")?,
            correlation_id: context.text("correlation_id")?,
            attributes: attributes(&context)?,
            ..read
        };
    }
    let tool = ProposedCall { origin: ToolOrigin::Guard, id, ..proposed(name, arguments) };
    Ok(GuardQuestion { tool, context: read, wait: Duration::from_secs(wait) })
}

/// A call within the bounds that hold for those in answers; one beyond them is on record, and never allowed.
pub(super) fn proposed(mut name: String, mut arguments: String) -> ProposedCall {
    let mut problem = None;
    if arguments.len() > MAX_ARGUMENTS {
        arguments = String::new();
        problem = Some("arguments_too_long".to_owned());
    }
    if name.len() > MAX_NAME {
        name.truncate(name.floor_char_boundary(MAX_NAME));
        problem = Some("name_too_long".to_owned());
    }
    ProposedCall { origin: ToolOrigin::Guard, name, arguments, problem, ..ProposedCall::default() }
}

/// What rules read as `session_attributes`: the names are those that Bedrock's agents have in their session.
fn attributes(context: &Object<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let mut attributes = context.map("attributes")?;
    let roles = Some(context.texts("roles")?.join(",")).filter(|roles| !roles.is_empty());
    for (member, name, value) in [
        ("user_id", "userId", context.text("user_id")?),
        ("department", "userDepartment", context.text("department")?),
        ("roles", "userRole", roles),
        ("tenant", "tenant", context.text("tenant")?),
    ] {
        let Some(value) = value else { continue };
        if attributes.get(name).is_some_and(|other| *other != value) {
            return Err(wrong(
                &context.pointer("attributes"),
                format!("has another `{name}` than `{member}` beside it"),
            ));
        }
        attributes.insert(name.to_owned(), value);
    }
    Ok(attributes)
}
