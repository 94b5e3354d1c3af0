//! Where answers tell what a guardrail found and did.
//!
//! Sources: AWS API reference (`GuardrailAssessment`, `GuardrailTraceAssessment`, ApplyGuardrail, InvokeGuardrailChecks, agents'
//! `GuardrailTrace`), Bedrock user guide "Use guardrails with InvokeModel" for `amazon-bedrock-trace`.

use super::{Means, Members, Place, leaf, of};
use crate::answer::said::Policy;

pub(super) static ACTION: Place = leaf(Means::Guardrail);
/// `{"action": …}`.
pub(in crate::answer) static ACTED: Place = of(&[("action", &ACTION)]);

static DETECTED: Place = leaf(Means::Detected);
static FINDING_ACTION: Place = leaf(Means::FindingAction);

const FINDING_MEMBERS: Members = &[("detected", &DETECTED), ("action", &FINDING_ACTION)];

const fn finding(policy: Policy) -> Place {
    Place { means: Means::Finding(policy), ..of(FINDING_MEMBERS) }
}

const fn hit(policy: Policy) -> Place {
    leaf(Means::Hit(policy))
}

static TOPIC: Place = finding(Policy::Topic);
static CONTENT: Place = finding(Policy::Content);
static WORD: Place = finding(Policy::Word);
static INFORMATION: Place = finding(Policy::SensitiveInformation);
static GROUNDING: Place = finding(Policy::ContextualGrounding);
static REASONING: Place = hit(Policy::AutomatedReasoning);

/// What one guardrail says of one text. A finding of automated reasoning that is `valid` finds nothing wrong.
pub(super) static ASSESSMENT: Place = of(&[
    ("topicPolicy", &of(&[("topics", &TOPIC)])),
    ("contentPolicy", &of(&[("filters", &CONTENT)])),
    ("wordPolicy", &of(&[("customWords", &WORD), ("managedWordLists", &WORD)])),
    ("sensitiveInformationPolicy", &of(&[("piiEntities", &INFORMATION), ("regexes", &INFORMATION)])),
    ("contextualGroundingPolicy", &of(&[("filters", &GROUNDING)])),
    ("automatedReasoningPolicy", &of(&[("findings", &REASONED)])),
]);
static REASONED: Place = of(&[
    ("invalid", &REASONING),
    ("satisfiable", &REASONING),
    ("impossible", &REASONING),
    ("translationAmbiguous", &REASONING),
    ("tooComplex", &REASONING),
]);
/// By the guardrail's id.
static ASSESSMENTS: Place = Place { other: Some(&ASSESSMENT), ..of(&[]) };

/// Converse's `trace.guardrail`.
pub(super) static TRACE: Place =
    of(&[("inputAssessment", &ASSESSMENTS), ("outputAssessments", &ASSESSMENTS)]);
/// InvokeModel's `amazon-bedrock-trace.guardrail`.
pub(super) static INVOKE_TRACE: Place = of(&[("input", &ASSESSMENTS), ("outputs", &ASSESSMENTS)]);
/// An agent's `guardrailTrace`.
pub(super) static AGENT_TRACE: Place =
    of(&[("action", &ACTION), ("inputAssessments", &ASSESSMENT), ("outputAssessments", &ASSESSMENT)]);

// InvokeGuardrailChecks, which has no action.

pub(super) static CONTENT_CHECK: Place = of(&[("results", &CONTENT_SCORE)]);
static CONTENT_SCORE: Place = of(&[("severityScore", &leaf(Means::Score(Policy::Content)))]);
pub(super) static PROMPT_CHECK: Place = of(&[("results", &PROMPT_SCORE)]);
static PROMPT_SCORE: Place = of(&[("severityScore", &leaf(Means::Score(Policy::PromptAttack)))]);
pub(super) static INFORMATION_CHECK: Place = of(&[("results", &INFORMATION_HIT)]);
static INFORMATION_HIT: Place = hit(Policy::SensitiveInformation);
