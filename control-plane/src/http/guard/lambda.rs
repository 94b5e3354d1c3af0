//! The event that Bedrock sends to the Lambda function of an action group, and the answer that it takes.
//!
//! Formats: «Configure Lambda functions to send information that an Amazon Bedrock agent elicits from the user»,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/agents-lambda.html>. There are two forms: the action group is defined
//! by an API schema (`apiPath`, `httpMethod`, `requestBody`), or by function details (`function`).

use super::body::proposed;
use super::read::{Object, wrong};
use crate::app::{GuardAnswer, GuardClient, GuardContext, GuardQuestion};
use crate::http::problem::Problem;
use portcullis_protocol::{ProposedCall, Verdict};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// The only version that there is.
const VERSION: &str = "1.0";

/// What of an event is needed to answer it.
#[derive(Debug)]
pub(super) struct Event<'a> {
    group: String,
    form: Form,
    session_attributes: Option<&'a RawValue>,
    prompt_session_attributes: Option<&'a RawValue>,
}

/// How the action group is defined.
#[derive(Debug)]
enum Form {
    Function(String),
    Api { path: String, method: String },
}

/// Reads an event. Members that are not known are left alone: AWS adds some now and then.
///
/// # Errors
/// What is wrong, by its pointer.
pub(super) fn read(
    bytes: &[u8],
    wait: Duration,
    client: GuardClient,
) -> Result<(Event<'_>, GuardQuestion), Problem> {
    let body = Object::document(bytes)?;
    if let Some(version) = body.text("messageVersion")?.filter(|version| version != VERSION) {
        return Err(wrong("/messageVersion", format!("must be {VERSION}, not {version}")));
    }
    let group = body.required("actionGroup")?;
    let form = form(&body)?;
    let arguments = arguments(&body)?;
    let (name, method) = match &form {
        Form::Function(name) => (name.clone(), None),
        Form::Api { path, method } => (path.clone(), Some(method.clone())),
    };
    let (arguments, unreadable) = match arguments {
        Ok(arguments) => (arguments, None),
        Err(unreadable) => (String::new(), Some(unreadable)),
    };
    let mut tool = ProposedCall { group: Some(group.clone()), method, ..proposed(name, arguments) };
    tool.problem = tool.problem.or(unreadable);
    let agent = body.object("agent")?;
    let of_agent = |name| agent.as_ref().map_or(Ok(None), |agent| agent.text(name));
    let attributes = body.map("sessionAttributes")?;
    let context = GuardContext {
        agent_id: of_agent("id")?,
        agent_alias: of_agent("alias")?,
        session_id: body.text("sessionId")?,
        user_id: ["userId", "user_id"].iter().find_map(|key| attributes.get(*key)).cloned(),
        tenant: ["tenant", "tenantId"].iter().find_map(|key| attributes.get(*key)).cloned(),
        attributes,
        client,
        ..GuardContext::default()
    };
    // What goes back must be an object, too.
    body.object("promptSessionAttributes")?;
    let event = Event {
        group,
        form,
        session_attributes: body.raw("sessionAttributes"),
        prompt_session_attributes: body.raw("promptSessionAttributes"),
    };
    Ok((event, GuardQuestion { tool, context, wait }))
}

fn form(body: &Object<'_>) -> Result<Form, Problem> {
    match (body.long_text("function")?, body.long_text("apiPath")?) {
        (Some(function), None) => Ok(Form::Function(function)),
        (None, Some(path)) => Ok(Form::Api { path, method: body.required("httpMethod")? }),
        (Some(_), Some(_)) => Err(wrong("/apiPath", "cannot be there beside `function`")),
        (None, None) => Err(wrong("/function", "must be there, or `apiPath` and `httpMethod`")),
    }
}

/// The arguments as an object: the parameters and, of an API, the properties of the body. A name that stands in both with
/// another value is there twice, which nobody reads the same way: such a call is refused with its record.
///
/// # Errors
/// Outer: the event is none. Inner: a value is not of the type that it is declared to have.
fn arguments(body: &Object<'_>) -> Result<Result<String, String>, Problem> {
    let mut lists = vec![body.objects("parameters")?];
    let content = body.object("requestBody")?.map(|body| body.object("content")).transpose()?.flatten();
    for media in content.map(|content| content.each_object()).transpose()?.unwrap_or_default() {
        lists.push(media.objects("properties")?);
    }
    let mut written = Vec::new();
    let mut known = HashSet::new();
    for parameter in lists.iter().flatten() {
        let name = parameter.required("name")?;
        let kind = parameter.text("type")?.unwrap_or_default();
        let Some(value) = parameter.raw("value") else { continue };
        let Some(value) = argument(&kind, value) else {
            return Ok(Err("argument_of_another_type".to_owned()));
        };
        let member = format!("{}:{value}", Value::String(name));
        if known.insert(member.clone()) {
            written.push(member);
        }
    }
    Ok(Ok(format!("{{{}}}", written.join(","))))
}

/// A value, which is text in the event, by its declared type. `None` where it is not of that type: the tool may read
/// `5,000` or `5_000` as a number, a rule would not.
fn argument(kind: &str, value: &RawValue) -> Option<String> {
    let Ok(text) = serde_json::from_str::<String>(value.get()) else {
        return Some(value.get().to_owned());
    };
    let trimmed = text.trim();
    match kind {
        "integer" | "number" => {
            serde_json::from_str::<serde_json::Number>(trimmed).ok().map(|_| trimmed.to_owned())
        }
        "boolean" => {
            let lower = trimmed.to_ascii_lowercase();
            matches!(lower.as_str(), "true" | "false").then_some(lower)
        }
        // What is no JSON the tool gets as text; so do rules.
        "array" | "object" if trimmed.starts_with(['[', '{']) => {
            match serde_json::from_str::<&RawValue>(trimmed) {
                Ok(json) => Some(json.get().to_owned()),
                Err(_) => Some(value.get().to_owned()),
            }
        }
        _ => Some(value.get().to_owned()),
    }
}

impl Event<'_> {
    /// The answer that the function returns instead of running the tool; `None` when it may run it.
    ///
    /// A function's `responseState`: `REPROMPT` gives the text to the model, «when the function execution fails because of
    /// invalid input», so that the agent can tell its user what is forbidden or waits for whom, or choose otherwise. `FAILURE`
    /// ends the turn with `DependencyFailedException`: where another try of the model can only make it worse (a rate limit),
    /// or cannot help (the agent's token does not cover the tool). An API operation has its status for that.
    pub(super) fn refusal(&self, answer: &GuardAnswer) -> Option<Value> {
        let GuardAnswer { verdict, out_of_scope, .. } = answer;
        let (status, state) = match verdict {
            Verdict::Allow => return None,
            Verdict::Throttle { .. } => (429, "FAILURE"),
            _ if *out_of_scope => (403, "FAILURE"),
            _ => (403, "REPROMPT"),
        };
        let body = super::GuardResponse::of(answer);
        let body = serde_json::to_string(&body).unwrap_or_default();
        let response = match &self.form {
            Form::Function(function) => json!({
                "actionGroup": self.group,
                "function": function,
                "functionResponse": {"responseState": state, "responseBody": {"TEXT": {"body": body}}},
            }),
            Form::Api { path, method } => json!({
                "actionGroup": self.group,
                "apiPath": path,
                "httpMethod": method,
                "httpStatusCode": status,
                "responseBody": {"application/json": {"body": body}},
            }),
        };
        Some(json!({
            "messageVersion": VERSION,
            "response": response,
            "sessionAttributes": attributes(self.session_attributes),
            "promptSessionAttributes": attributes(self.prompt_session_attributes),
        }))
    }
}

fn attributes(raw: Option<&RawValue>) -> Value {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_else(|| json!({}))
}
