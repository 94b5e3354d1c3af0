//! A call becomes a question to a person.

use crate::app::call::{self, Rest};
use portcullis_approvals::{Approval, Context, Subject, Tool};
use portcullis_policy::{ApprovalTerms, Bundle, Call};
use std::time::Duration;

/// What is asked, but for its id and its time.
pub(in crate::app) fn asked(call: &Call, rest: &Rest, bundle: &Bundle, terms: &ApprovalTerms) -> Approval {
    let subject = subject(call, rest);
    Approval {
        rule: terms.rule.clone(),
        message: terms.message.clone(),
        digest: subject.digest(),
        call: subject,
        context: Context {
            tenant: call.principal.tenant.clone(),
            assurance: call.principal.assurance.as_str().to_owned(),
            source: rest.source.address.as_deref().map(call::ip_of),
            user_agent: rest.sdk.user_agent.clone(),
            gate: rest.gate.clone(),
            call_id: rest.call_id.clone(),
            bundle: bundle.name().to_owned(),
            bundle_version: bundle.version().to_owned(),
            bundle_digest: bundle.digest().to_owned(),
        },
        expires_at_ms: ms(terms.expires),
        valid_for_ms: ms(terms.valid),
        allow_self: terms.allow_self,
        approvers: terms.approvers.clone(),
        ..Approval::default()
    }
}

/// A tool call is bound to what it is and to whom it is made for, not to the request in whose answer it was proposed: the
/// same tool call, proposed again, is the same subject.
fn of_tool(call: &Call, tool: &portcullis_policy::Tool) -> Subject {
    // The form that names the group as well, where there is one: tools of two groups may have the same name.
    let name = tool.names.get(1).or_else(|| tool.names.first());
    Subject {
        principal: call.principal.name.clone(),
        operation: call.operation.clone(),
        action: call.action.clone(),
        service: call.service.clone(),
        region: call.region.clone(),
        partition: call.partition.clone(),
        agent: call.agent.id.clone(),
        agent_alias: call.agent.alias.clone(),
        session_attributes: call.request.session_attributes.clone(),
        tool: Some(Tool { name: name.cloned().unwrap_or_default(), arguments: tool.arguments.clone() }),
        ..Subject::default()
    }
}

fn subject(call: &Call, rest: &Rest) -> Subject {
    if let Some(tool) = &call.tool {
        return of_tool(call, tool);
    }
    let request = &call.request;
    Subject {
        principal: call.principal.name.clone(),
        operation: call.operation.clone(),
        action: call.action.clone(),
        service: call.service.clone(),
        region: call.region.clone(),
        partition: call.partition.clone(),
        // An endpoint of AWS is the same by whichever of its names it is reached; another provider has its host alone.
        host: if call.provider == "aws" { String::new() } else { call.host.to_lowercase() },
        method: call.method.clone(),
        path: call.path.clone(),
        models: call.model.iter().chain(&call.other_models).map(|model| model.id.clone()).collect(),
        agent: call.agent.id.clone(),
        agent_alias: call.agent.alias.clone(),
        session: call.agent.session.clone(),
        knowledge_bases: request.knowledge_bases.clone(),
        labels: call.labels.clone(),
        body_sha256: rest.sha256.clone(),
        bytes: request.bytes,
        max_tokens: request.max_tokens,
        stream: request.stream,
        tools: request.tools.clone(),
        tool_results: request.tool_results,
        guardrail: request.guardrail.clone(),
        guardrail_version: request.guardrail_version.clone(),
        metadata: request.metadata.clone(),
        session_attributes: request.session_attributes.clone(),
        s3_uris: request.s3_uris.clone(),
        tool: None,
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
