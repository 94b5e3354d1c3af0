//! Whoever runs a tool asks before he does: the same decision as for a tool call found in an answer, on what he says of
//! himself, and within what his token covers.

use super::call::{Rest, ip_of};
use super::tool::{ToolAnswer, ToolQuestion, names};
use super::{App, Fault};
use crate::clock;
use crate::tokens::{AgentScope, Caller};
use portcullis_audit::TOKEN_SCOPE_RULE;
use portcullis_policy::{Agent, Assurance, Bundle, Call, Claim, Network, Principal, Request};
use portcullis_protocol::{
    CredentialFacts, CredentialKind, EndpointFacts, ProposedCall, SdkFacts, SourceFacts, Verdict,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for a person: what calls through the gate may wait, too.
pub const LONGEST_WAIT: Duration = Duration::from_secs(50);

/// The operation of such a question in rules and records.
const OPERATION: &str = "Guard";

/// How often one question is decided. Each time something has happened to its approval.
const MAX_ROUNDS: u32 = 16;

/// A question about a tool call that is about to run.
#[derive(Debug, Clone)]
pub struct GuardQuestion {
    /// The call.
    pub tool: ProposedCall,
    /// Who runs it, and for whom.
    pub context: GuardContext,
    /// How long a person may take to approve it, at most [`LONGEST_WAIT`].
    pub wait: Duration,
}

/// Who runs a tool, and for whom: what the caller says of himself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardContext {
    /// Agent id; that of the token when absent.
    pub agent_id: Option<String>,
    /// Agent alias.
    pub agent_alias: Option<String>,
    /// Agent session.
    pub session_id: Option<String>,
    /// Who told the agent to, between it and the user, the nearest first.
    pub delegation: Vec<String>,
    /// The user on whose behalf it acts.
    pub user_id: Option<String>,
    /// Tenant of that user.
    pub tenant: Option<String>,
    /// AWS region in which the tool runs.
    pub region: Option<String>,
    /// What this belongs to.
    pub correlation_id: Option<String>,
    /// `session_attributes` of rules: what is known of the user.
    pub attributes: BTreeMap<String, String>,
    /// From where it asks; not the caller's word.
    pub client: GuardClient,
}

/// What is known of the connection on which somebody asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardClient {
    /// `IP:PORT`; `None` on a Unix socket.
    pub address: Option<String>,
    /// Name and version of the client, as it says.
    pub user_agent: Option<String>,
}

/// What is decided. Its record is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardAnswer {
    /// Id of the record.
    pub decision_id: String,
    /// Allow, deny, throttle or pending approval.
    pub verdict: Verdict,
    /// The caller's token does not cover the call: nothing that the agent says will change that.
    pub out_of_scope: bool,
}

impl App {
    /// Decides a tool call for whoever is about to run it. With `wait`, one that needs an approval is decided anew whenever
    /// something has happened to the approval, until the time is up.
    ///
    /// # Errors
    /// [`Fault`]: there is no verdict, and the tool must not run.
    pub async fn guard(&self, holder: &Caller, question: GuardQuestion) -> Result<GuardAnswer, Fault> {
        let result = self.try_guard(holder, question).await;
        match &result {
            Ok(answer) => self.telemetry.inspected("guard", &answer.verdict),
            Err(fault) => self.telemetry.fault(fault.code()),
        }
        result
    }

    async fn try_guard(&self, holder: &Caller, question: GuardQuestion) -> Result<GuardAnswer, Fault> {
        let until = Instant::now() + question.wait.min(LONGEST_WAIT);
        let exchange = exchange()?;
        let mut round = 1;
        loop {
            let answer = self.guard_once(holder, &question, format!("{exchange}#{round}")).await?;
            let Verdict::PendingApproval { approval_id, .. } = &answer.verdict else { return Ok(answer) };
            if round == MAX_ROUNDS || Instant::now() >= until {
                return Ok(answer);
            }
            // Where it is not pending any more, somebody has answered in the meantime.
            if let Some(mut changes) = self.store.live().follow(approval_id)
                && tokio::time::timeout_at(until, changes.changed()).await.is_err()
            {
                return Ok(answer);
            }
            round += 1;
        }
    }

    async fn guard_once(
        &self,
        holder: &Caller,
        question: &GuardQuestion,
        call_id: String,
    ) -> Result<GuardAnswer, Fault> {
        let scope = holder.agent.as_deref();
        let refused = scope.and_then(|scope| out_of_scope(scope, question));
        let out_of_scope = refused.is_some();
        let principal = {
            let bundle = self.bundle.current();
            principal(holder, &question.context, bundle.as_deref())
        };
        let context = &question.context;
        let agent_id = context.agent_id.clone().or_else(|| scope.map(|scope| scope.id.clone()));
        let mut delegation: Vec<String> = agent_id.iter().map(|id| format!("agent {id}")).collect();
        delegation.extend(context.delegation.iter().cloned());
        delegation.extend(context.user_id.iter().map(|id| format!("user {id}")));
        let question = ToolQuestion {
            call: Call {
                principal,
                operation: OPERATION.to_owned(),
                region: context.region.clone().unwrap_or_default(),
                entrance: "guard".to_owned(),
                agent: Agent {
                    id: agent_id,
                    alias: context.agent_alias.clone(),
                    session: context.session_id.clone(),
                },
                request: Request {
                    session_attributes: context.attributes.clone(),
                    text: Some(portcullis_policy::Text::default()),
                    ..Request::default()
                },
                network: Network {
                    source_ip: context.client.address.as_deref().map(ip_of),
                    ..Network::default()
                },
                time: clock::unix_ms(),
                ..Call::default()
            },
            rest: rest(holder, context, call_id),
            proposed: question.tool.clone(),
            parent: None,
            correlation: context.correlation_id.clone(),
            delegation,
            released_bytes: None,
            refused: refused.map(|why| (TOKEN_SCOPE_RULE, why)),
            held: None,
            // Whoever asks says himself how long he waits.
            can_wait: false,
        };
        match self.decide_tool(question).await? {
            ToolAnswer { verdict: Verdict::Hold { .. } | Verdict::NeedText, .. } => {
                Err(Fault::Inconsistent("a tool call was decided by no verdict"))
            }
            ToolAnswer { decision_id, verdict } => Ok(GuardAnswer { decision_id, verdict, out_of_scope }),
        }
    }
}

/// Why a token does not cover a call.
fn out_of_scope(scope: &AgentScope, question: &GuardQuestion) -> Option<String> {
    let GuardContext { agent_id, tenant, .. } = &question.context;
    if let Some(id) = agent_id.as_ref().filter(|id| **id != scope.id) {
        return Some(format!("the token is for agent `{}`, not `{id}`", scope.id));
    }
    if let (Some(own), Some(other)) = (&scope.tenant, tenant)
        && own != other
    {
        return Some(format!("the token is for tenant `{own}`, not `{other}`"));
    }
    let names = names(&question.tool);
    (!scope.tools.select(&names))
        .then(|| format!("the token does not cover the tool `{}`", names.first().map_or("", String::as_str)))
}

/// The holder of an agent's token is that agent: its token is checked here. With another token the caller may speak for any
/// agent, so whom he names is a claim, under a name that no directory has.
fn principal(holder: &Caller, context: &GuardContext, bundle: Option<&Bundle>) -> Principal {
    let Some(scope) = holder.agent.as_deref() else {
        let name = context.agent_id.as_ref().map(|id| format!("agent:{id}"));
        return Principal {
            name: name.unwrap_or_else(|| "anonymous".to_owned()),
            tenant: context.tenant.clone(),
            ..Principal::default()
        };
    };
    let name = holder.principal.as_deref().unwrap_or(&scope.id);
    let claim = Claim { verified: Some(name), ..Claim::default() };
    let mut principal = bundle.map(|bundle| bundle.identify(&claim)).unwrap_or_default();
    principal.assurance = Assurance::Verified;
    principal.tenant = principal.tenant.or_else(|| scope.tenant.clone());
    if principal.name.is_empty() {
        principal.name = name.to_owned();
    }
    principal
}

fn rest(holder: &Caller, context: &GuardContext, call_id: String) -> Rest {
    Rest {
        call_id,
        gate: format!("guard/{}", holder.name),
        credential: CredentialFacts {
            kind: CredentialKind::BearerOther,
            access_key_id: holder.id.as_deref().map(str::to_owned),
            ..CredentialFacts::default()
        },
        endpoint: context.region.clone().map(|region| EndpointFacts {
            provider: "aws".to_owned(),
            service: String::new(),
            region,
            partition: String::new(),
            fips: false,
            dual_stack: false,
            vpc_endpoint: None,
        }),
        source: SourceFacts { address: context.client.address.clone(), server_name: None },
        sdk: SdkFacts { user_agent: context.client.user_agent.clone(), ..SdkFacts::default() },
        ..Rest::default()
    }
}

/// Names one question, so that its rounds are found together.
fn exchange() -> Result<String, Fault> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|_| Fault::Inconsistent("the system gives no randomness"))?;
    Ok(format!("guard-{:012x}-{}", clock::unix_ms(), hex::encode(random)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StoredAgent;

    fn asks(tool: &str, context: GuardContext) -> GuardQuestion {
        let tool =
            ProposedCall { name: tool.to_owned(), group: Some("bank".to_owned()), ..Default::default() };
        GuardQuestion { tool, context, wait: Duration::ZERO }
    }

    #[test]
    fn a_token_covers_its_agent_its_tenant_and_its_tools() {
        let tools = vec!["get_*".to_owned(), "bank/transfer".to_owned()];
        let stored = StoredAgent { id: "A1".to_owned(), tenant: Some("emea".to_owned()), tools };
        let scope = AgentScope::read(&stored).unwrap();
        let said = |agent: Option<&str>, tenant: Option<&str>| GuardContext {
            agent_id: agent.map(str::to_owned),
            tenant: tenant.map(str::to_owned),
            ..GuardContext::default()
        };
        let cases = [
            ("get_balance", said(None, None), None),
            ("get_balance", said(Some("A1"), Some("emea")), None),
            ("transfer", said(Some("A1"), None), None),
            ("close", said(Some("A1"), None), Some("tool `close`")),
            ("get_balance", said(Some("A2"), None), Some("agent `A1`, not `A2`")),
            ("get_balance", said(Some("a1"), None), Some("agent `A1`, not `a1`")),
            ("get_balance", said(None, Some("apac")), Some("tenant `emea`, not `apac`")),
        ];
        for (tool, context, expected) in cases {
            let why = out_of_scope(&scope, &asks(tool, context.clone()));
            match expected {
                None => assert_eq!(why, None, "{tool} {context:?}"),
                Some(part) => assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{why:?}"),
            }
        }
    }
}
