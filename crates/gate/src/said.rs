//! What an answer said, in the words of the outcome.

use portcullis_bedrock::{AnswerFlaw, AnswerSummary, CallOrigin, GuardrailSaid};
use portcullis_protocol::{AnswerFacts, GuardrailFacts, SeenCall, ToolOrigin};

/// The facts that are read from the answer; what of it was let out is [`crate::passed::Passed::tell`]'s to say.
pub(crate) fn answer_facts(summary: AnswerSummary) -> AnswerFacts {
    let tool_calls = summary.calls.into_iter();
    AnswerFacts {
        stop_reason: summary.stop_reason,
        guardrail: summary.guardrail.map(guardrail),
        models: summary.models,
        tool_calls: tool_calls
            .map(|call| SeenCall { id: call.id, name: call.name, origin: origin(call.origin) })
            .collect(),
        session: summary.session,
        counted_tokens: summary.counted_tokens,
        flaw: summary.flaw.map(|flaw| flaw_code(flaw).to_owned()),
        ..AnswerFacts::default()
    }
}

fn guardrail(said: GuardrailSaid) -> GuardrailFacts {
    GuardrailFacts {
        action: if said.intervened { "intervened" } else { "none" }.to_owned(),
        policies: said.policies.into_iter().map(str::to_owned).collect(),
    }
}

const fn origin(origin: CallOrigin) -> ToolOrigin {
    match origin {
        CallOrigin::Model => ToolOrigin::Model,
        CallOrigin::Server => ToolOrigin::Server,
        CallOrigin::ReturnControl => ToolOrigin::ReturnControl,
        CallOrigin::Agent => ToolOrigin::Agent,
    }
}

/// The stable code of a flaw, see docs/errors.md.
pub(crate) const fn flaw_code(flaw: AnswerFlaw) -> &'static str {
    match flaw {
        AnswerFlaw::Encoded => "answer_encoded",
        AnswerFlaw::Unreadable => "answer_unreadable",
        AnswerFlaw::Truncated => "stream_truncated",
        AnswerFlaw::Broken => "stream_broken",
        AnswerFlaw::TooLong => "answer_too_large",
    }
}
