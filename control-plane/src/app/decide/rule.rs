//! What the rules say, and what is recorded of it.

use super::Fault;
use super::identify::Identified;
use crate::app::record::{self, Decided};
use crate::storage::Commit;
use portcullis_audit::{
    DecisionKind, Matched, PolicyTrace, REFUSED_RULE, UNVERIFIED_RULE, Verdict, VerdictKind,
};
use portcullis_policy::{Bundle, Call, Decision, Effect, Response};

/// What is decided, as far as rules go.
pub(super) enum Ruling<'a> {
    /// Nothing: the text is needed for that.
    NeedText,
    /// The gate or the control plane refuses the call on its own; no rule was asked.
    Refused(Decided),
    /// It is text that no rule has anything new to say of: it goes on, and nothing is recorded.
    Silent,
    /// A bundle has decided.
    Ruled(Ruled<'a>),
}

/// A bundle's decision.
pub(super) struct Ruled<'a> {
    pub(super) bundle: &'a Bundle,
    pub(super) decision: Decision,
}

pub(super) fn rule<'a>(identified: &Identified, bundle: Option<&'a Bundle>) -> Result<Ruling<'a>, Fault> {
    let Identified { call, rest, unverified } = identified;
    // A refusal of the gate's own needs no bundle: it is recorded even when nothing can be decided.
    if let Some(problem) = &rest.problem {
        let message = format!("the request is refused: {}", problem.code);
        return Ok(Ruling::Refused(refuse(bundle, REFUSED_RULE, &message, None)));
    }
    if let Some((rule, why)) = rest.found.as_ref().and_then(|found| found.refused.as_ref()) {
        return Ok(Ruling::Refused(refuse(bundle, rule, why, None)));
    }
    let bundle = bundle.ok_or(Fault::NoBundle)?;
    if let Some(reason) = unverified {
        let message = "the request is not signed with a key that this gateway knows";
        return Ok(Ruling::Refused(refuse(Some(bundle), UNVERIFIED_RULE, message, Some(reason))));
    }
    let mut decision = bundle.decide(call);
    if identified.kind() != DecisionKind::Call && decision.needs_text {
        return Err(Fault::Inconsistent("a rule on answers reads the text of the request"));
    }
    if let Some(text) = rest.found.as_ref().and_then(|found| found.text.as_ref()) {
        if decision.effect == Effect::Allow {
            forget_the_old(bundle, call, text.bytes.saturating_sub(text.fresh), &mut decision);
        }
        if decision.matched.is_empty() && decision.shadow_effect.is_none() {
            return Ok(Ruling::Silent);
        }
    }
    match (decision.needs_text, &call.request.text) {
        (false, _) => Ok(Ruling::Ruled(Ruled { bundle, decision })),
        (true, None) => Ok(Ruling::NeedText),
        (true, Some(_)) => Err(Fault::Inconsistent("the bundle asks for text that it was given")),
    }
}

/// What held for the text that was judged before, and is on record, is not new when it holds once more.
fn forget_the_old(bundle: &Bundle, call: &Call, old: u64, decision: &mut Decision) {
    let before = call.response.as_ref().and_then(|response| response.text.get(..usize::try_from(old).ok()?));
    let Some(before) = before.filter(|before| !before.is_empty()) else { return };
    if decision.matched.is_empty() {
        return;
    }
    let response = Some(Response { text: before.to_owned() });
    let known = bundle.decide(&Call { response, ..call.clone() });
    decision.matched.retain(|rule| !known.matched.contains(rule));
    if known.shadow_effect == decision.shadow_effect && known.shadow_rule == decision.shadow_rule {
        (decision.shadow_effect, decision.shadow_rule) = (None, None);
    }
}

/// A decision that stands, as it is recorded. `require_approval` is not one: [`super::approve`] makes its verdict.
pub(super) fn decided(bundle: &Bundle, decision: Decision) -> Result<Decided, Fault> {
    let kind = match decision.effect {
        Effect::Allow => VerdictKind::Allow,
        // What the gate cannot take out of a call must not leave with it.
        Effect::Deny | Effect::Redact => VerdictKind::Deny,
        Effect::Throttle => VerdictKind::Throttle,
        // An effect that is no verdict must not let anything out.
        Effect::RequireApproval | Effect::Log | Effect::Warn => {
            return Err(Fault::Inconsistent("the bundle decided something that is no verdict"));
        }
    };
    let message = if kind == VerdictKind::Allow { String::new() } else { decision.message.clone() };
    let retry_after_seconds = decision.retry_after_seconds.filter(|_| kind == VerdictKind::Throttle);
    let verdict = Verdict { kind, message, retry_after_seconds, approval_id: None };
    Ok(with_verdict(bundle, decision, verdict))
}

/// A decision with the verdict that somebody else made of it.
pub(super) fn with_verdict(bundle: &Bundle, decision: Decision, verdict: Verdict) -> Decided {
    let route = decision.route.clone();
    Decided { policy: trace(bundle, decision), verdict, route, ..Decided::default() }
}

impl Decided {
    /// Its record, to be committed. What else becomes durable with it is added to that.
    pub(super) fn commit(self, identified: Identified) -> Commit {
        record::record(identified.call, identified.rest, self).into()
    }
}

fn refuse(bundle: Option<&Bundle>, rule: &str, message: &str, reason: Option<&str>) -> Decided {
    let policy = PolicyTrace {
        bundle: bundle.map(|b| b.name().to_owned()).unwrap_or_default(),
        version: bundle.map(|b| b.version().to_owned()).unwrap_or_default(),
        digest: bundle.map(|b| b.digest().to_owned()).unwrap_or_default(),
        rule: Some(rule.to_owned()),
        reason: reason.map(str::to_owned),
        ..PolicyTrace::default()
    };
    let verdict =
        Verdict { kind: VerdictKind::Deny, message: format!("{rule}: {message}"), ..Verdict::default() };
    Decided { policy, verdict, ..Decided::default() }
}

fn trace(bundle: &Bundle, decision: Decision) -> PolicyTrace {
    let matched = decision.matched.into_iter().map(|matched| Matched {
        rule: matched.id,
        effect: matched.effect.as_str().to_owned(),
        shadow: matched.shadow,
    });
    PolicyTrace {
        bundle: bundle.name().to_owned(),
        version: bundle.version().to_owned(),
        digest: bundle.digest().to_owned(),
        rule: decision.rule,
        reason: None,
        matched: matched.collect(),
        shadow: decision.shadow_effect.map(|effect| effect.as_str().to_owned()),
        shadow_rule: decision.shadow_rule,
    }
}
