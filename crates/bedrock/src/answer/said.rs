//! What else an answer says: why it stopped, what a guardrail did, which models and tool calls it names.

use super::sieve::CallOrigin;

/// Models kept, and their bytes together. What an answer says is queued until it is reported, and reported in batches of
/// hundreds: an answer that is made to be long must not fill either.
const MAX_MODELS: usize = 16;
const MAX_MODEL_BYTES: usize = 2_048;
/// Tool calls kept, and the bytes of their ids and names together.
const MAX_CALLS: usize = 64;
const MAX_CALL_BYTES: usize = 6_144;

/// What a guardrail did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardrailSaid {
    /// It changed or stopped the answer.
    pub intervened: bool,
    /// Kinds of policies that found something, each once: `topic`, `content`, `word`, `sensitive_information`,
    /// `contextual_grounding`, `automated_reasoning`, `prompt_attack` (InvokeGuardrailChecks).
    pub policies: Vec<&'static str>,
}

/// A tool call that an answer proposed or told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenCall {
    /// Its id, cut to 256 bytes.
    pub id: Option<String>,
    /// The tool: a function, or `METHOD /path` of an API operation. Cut to 256 bytes.
    pub name: String,
    /// Who is to make it.
    pub origin: CallOrigin,
}

/// A kind of a guardrail's policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Policy {
    Topic,
    Content,
    Word,
    SensitiveInformation,
    ContextualGrounding,
    AutomatedReasoning,
    PromptAttack,
}

impl Policy {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Topic, "topic"),
        (Self::Content, "content"),
        (Self::Word, "word"),
        (Self::SensitiveInformation, "sensitive_information"),
        (Self::ContextualGrounding, "contextual_grounding"),
        (Self::AutomatedReasoning, "automated_reasoning"),
        (Self::PromptAttack, "prompt_attack"),
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What documents say of all this.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    /// The last reason.
    pub(super) stop: Option<String>,
    /// The status of the whole (OpenAI's responses): a reason where there is no other.
    pub(super) status: Option<String>,
    /// What a guardrail did: the most that any says.
    intervened: Option<bool>,
    policies: u8,
    pub(super) models: Vec<String>,
    calls: Vec<SeenCall>,
    /// Calls of a list of all of them.
    listed: Vec<SeenCall>,
    pub(super) session: Option<String>,
    /// The id of all calls that an agent returns with this document.
    pub(super) invocation: Option<String>,
    /// Tokens that were counted, not used.
    pub(super) counted: Option<u64>,
}

impl Said {
    pub(super) fn guardrail(&mut self, action: &[u8]) {
        let intervened = matches!(action, b"INTERVENED" | b"GUARDRAIL_INTERVENED");
        self.intervened = self.intervened.max(Some(intervened));
    }

    pub(super) fn found(&mut self, policy: Policy) {
        self.policies |= policy.bit();
    }

    pub(super) fn model(&mut self, id: &str) {
        let bytes = self.models.iter().map(String::len).sum::<usize>().saturating_add(id.len());
        let known = self.models.iter().any(|known| known == id);
        if self.models.len() < MAX_MODELS && bytes <= MAX_MODEL_BYTES && !id.is_empty() && !known {
            self.models.push(id.to_owned());
        }
    }

    pub(super) fn call(&mut self, call: SeenCall) {
        push(&mut self.calls, call);
    }

    pub(super) fn listed(&mut self, call: SeenCall) {
        push(&mut self.listed, call);
    }

    /// Adds what a document says that may be believed.
    pub(super) fn add(&mut self, more: &Self) {
        let last = |place: &mut Option<String>, said: &Option<String>| {
            if said.is_some() {
                place.clone_from(said);
            }
        };
        last(&mut self.stop, &more.stop);
        last(&mut self.status, &more.status);
        self.intervened = self.intervened.max(more.intervened);
        self.policies |= more.policies;
        for model in &more.models {
            self.model(model);
        }
        for call in &more.calls {
            let mut call = call.clone();
            if call.origin == CallOrigin::ReturnControl && call.id.is_none() {
                call.id.clone_from(&more.invocation);
            }
            self.call(call);
        }
        for call in &more.listed {
            self.listed(call.clone());
        }
        if self.session.is_none() {
            self.session.clone_from(&more.session);
        }
        self.counted = self.counted.max(more.counted);
    }

    pub(super) fn stop_reason(&self) -> Option<String> {
        self.stop.clone().or_else(|| self.status.clone())
    }

    /// `None` where nobody speaks of a guardrail.
    pub(super) fn guardrail_said(&self) -> Option<GuardrailSaid> {
        let stopped = self.stop.as_deref() == Some("guardrail_intervened");
        (self.intervened.is_some() || self.policies != 0 || stopped).then(|| GuardrailSaid {
            intervened: stopped || self.intervened == Some(true),
            policies: Policy::ALL
                .iter()
                .filter(|(policy, _)| self.policies & policy.bit() != 0)
                .map(|(_, name)| *name)
                .collect(),
        })
    }

    /// The calls that were told one by one; those of a list where that has more.
    pub(super) fn calls(self) -> Vec<SeenCall> {
        if self.listed.len() > self.calls.len() { self.listed } else { self.calls }
    }
}

fn push(calls: &mut Vec<SeenCall>, call: SeenCall) {
    let length = |call: &SeenCall| call.name.len().saturating_add(call.id.as_ref().map_or(0, String::len));
    let bytes = calls.iter().map(length).sum::<usize>().saturating_add(length(&call));
    if calls.len() < MAX_CALLS && bytes <= MAX_CALL_BYTES {
        calls.push(call);
    }
}
