//! Routes: which callers may do what, before any rule.

use crate::decision::Effect;
use crate::fold::fold;
use crate::glob::Glob;
use crate::names::Selector;
use crate::source::report::Pos;
use crate::view::View;
use crate::{Bundle, Call};
use portcullis_bedrock::{BodyPlan, OPERATIONS, PayloadKind};

/// The built-in rule that denies what a route does not allow.
pub const ROUTE_RULE: &str = "portcullis/route";

/// One route. A call is on the first that fits.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) at: Pos,
    /// Globs over the principal's name; none: every principal fits. Likewise hosts (lower case) and tenants.
    pub(crate) principals: Option<Vec<Glob>>,
    pub(crate) hosts: Option<Vec<Glob>>,
    pub(crate) tenants: Option<Vec<Glob>>,
    /// Allowed; lower case. None: all.
    pub(crate) models: Option<Vec<Glob>>,
    pub(crate) operations: Option<Vec<Glob>>,
    /// In place of the bundle's default.
    pub(crate) default: Option<Effect>,
    pub(crate) guardrail: Option<Guardrail>,
    pub(crate) max_tokens: Option<u64>,
}

/// The guardrail that calls which run a model must name.
#[derive(Debug)]
pub(crate) struct Guardrail {
    /// Id or ARN.
    pub(crate) id: String,
    /// None: any.
    pub(crate) version: Option<String>,
}

impl Route {
    fn fits(&self, call: &Call) -> bool {
        let fits = |globs: &Option<Vec<Glob>>, text: &str| {
            globs.as_ref().is_none_or(|globs| !text.is_empty() && globs.iter().any(|glob| glob.matches(text)))
        };
        fits(&self.principals, &call.principal.name)
            && (self.hosts.is_none() || fits(&self.hosts, &fold(&call.host)))
            && fits(&self.tenants, call.principal.tenant.as_deref().unwrap_or_default())
    }

    /// Why the route does not allow a call, for the caller; `None` when it does.
    pub(crate) fn refusal(&self, view: &View<'_>) -> Option<String> {
        // What a route allows is about calls to Bedrock.
        if view.call.tool.is_some() || view.call.response.is_some() {
            return None;
        }
        let allows = |globs: &Option<Vec<Glob>>, selector| {
            globs.as_ref().is_none_or(|globs| {
                view.names.get(selector).iter().any(|name| globs.iter().any(|glob| glob.matches(name)))
            })
        };
        if !allows(&self.operations, Selector::Operations) {
            return Some("it does not allow this operation".to_owned());
        }
        let call = view.call;
        if call.model.is_some() && !allows(&self.models, Selector::Models) {
            return Some("it does not allow this model".to_owned());
        }
        if let Some(guardrail) = self.guardrail.as_ref().filter(|_| runs_model(call))
            && !guardrail.is_named(call)
        {
            let version = guardrail.version.as_ref();
            let version = version.map_or_else(String::new, |version| format!(" in version `{version}`"));
            return Some(format!("calls must name guardrail `{}`{version}", guardrail.id));
        }
        let max = self.max_tokens?;
        match call.request.max_tokens {
            Some(asked) if asked <= max => None,
            None if !has_max_tokens(call) => None,
            Some(_) | None => Some(format!("calls must ask for at most {max} tokens")),
        }
    }

    /// Whatever fits the other fits this one. Errs on the side of no.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let covers = |own: &Option<Vec<Glob>>, other: &Option<Vec<Glob>>, always_there: bool| {
            let Some(own) = own else { return true };
            let has = |wanted: &Glob| own.iter().any(|glob| glob.source() == wanted.source());
            (always_there && own.iter().any(|glob| glob.source() == "*"))
                || other.as_ref().is_some_and(|other| other.iter().all(has))
        };
        covers(&self.principals, &other.principals, true)
            && covers(&self.hosts, &other.hosts, true)
            && covers(&self.tenants, &other.tenants, false)
    }
}

impl Guardrail {
    fn is_named(&self, call: &Call) -> bool {
        let named = call.request.guardrail.as_deref().unwrap_or_default();
        let bare = |id: &'_ str| id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let is_arn = |id: &str| id.contains('/');
        let same = if is_arn(named) && is_arn(&self.id) {
            named.eq_ignore_ascii_case(&self.id)
        } else {
            bare(named) == bare(&self.id)
        };
        let version = call.request.guardrail_version.as_deref().unwrap_or_default();
        same && self.version.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(version))
    }
}

/// The call makes a model answer. `CountTokens` reads a text for a model and runs none.
pub(crate) fn runs_model(call: &Call) -> bool {
    call.action_type == "model_invoked" && call.operation != "CountTokens"
}

/// Its operation lets the caller bound the answer.
fn has_max_tokens(call: &Call) -> bool {
    let operation =
        OPERATIONS.iter().find(|known| known.name == call.operation && known.service == call.service);
    let Some(operation) = operation else { return false };
    match operation.body {
        BodyPlan::Json(payload) | BodyPlan::RequiredJson(payload) => matches!(
            payload,
            PayloadKind::Converse
                | PayloadKind::InvokeModel
                | PayloadKind::OpenAiChat
                | PayloadKind::OpenAiResponses
                | PayloadKind::AnthropicMessages
                | PayloadKind::InvokeInlineAgent
                | PayloadKind::RetrieveAndGenerate
                | PayloadKind::StartAsyncInvoke
        ),
        // A bidirectional stream is decided before it says anything.
        BodyPlan::AtHeaders => true,
        BodyPlan::Opaque => false,
    }
}

impl Bundle {
    /// The first route that fits a call.
    pub(crate) fn route_of(&self, call: &Call) -> Option<&Route> {
        self.routes.iter().find(|route| route.fits(call))
    }

    /// The ids of the routes, in order.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.id.as_str())
    }
}
