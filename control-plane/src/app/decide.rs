//! One decision: identity → policy → record → durable → answer.

use super::call::{self, Rest};
use super::record::{self, Decided};
use super::{App, Fault};
use crate::clock;
use crate::storage::Committed;
use crate::telemetry::Phase;
use portcullis_audit::{Matched, PolicyTrace, REFUSED_RULE, UNVERIFIED_RULE, VerdictKind};
use portcullis_policy::{Bundle, Call, Claim, Decision, Effect, Principal};
use portcullis_protocol::{DecisionAnswer, DecisionRequest, Entrance, Verdict};
use std::time::Instant;

/// Longest `call_id` taken.
const MAX_CALL_ID: usize = 256;

impl App {
    /// Decides a call. When this is `Ok` with a verdict other than `need_text`, the decision is durable.
    ///
    /// # Errors
    /// [`Fault`]: there is no verdict, and the gate must refuse the call.
    pub async fn decide(&self, question: DecisionRequest) -> Result<DecisionAnswer, Fault> {
        let result = self.try_decide(question).await;
        match &result {
            Ok(answer) => self.telemetry.decided(&answer.verdict),
            Err(fault) => self.telemetry.fault(fault.code()),
        }
        result
    }

    async fn try_decide(&self, question: DecisionRequest) -> Result<DecisionAnswer, Fault> {
        check(&question)?;
        // A request is decided on one bundle, whatever is swapped meanwhile.
        let bundle = self.bundle.current();
        let wants_text = bundle.as_ref().is_some_and(|bundle| bundle.wants_text());
        let started = Instant::now();
        let (principal, refused) = self.identify(&question, bundle.as_deref());
        let (call, rest) = call::split(question, principal, clock::unix_ms());
        let identified = Instant::now();
        self.telemetry.phase(Phase::Identity, identified - started);

        let ruling = rule(&call, &rest, bundle.as_deref(), refused)?;
        let decided = Instant::now();
        self.telemetry.phase(Phase::Policy, decided - identified);
        let Some(decision) = ruling else {
            return Ok(need_text(rest.call_id));
        };

        let call_id = rest.call_id.clone();
        let commit = self.store.commit_decision(record::record(call, rest, decision));
        let deadline = self.settings.commit_timeout;
        let committed =
            tokio::time::timeout(deadline, commit).await.map_err(|_| Fault::CommitTimeout(deadline))??;
        self.telemetry.phase(Phase::Commit, decided.elapsed());
        answer(call_id, committed, wants_text)
    }

    /// Who calls; and, where the gate would sign the call anew, why that must not be.
    fn identify(
        &self,
        question: &DecisionRequest,
        bundle: Option<&Bundle>,
    ) -> (Principal, Option<&'static str>) {
        let verified = match question.entrance {
            Entrance::PassThrough => Ok(None),
            Entrance::Resign => self.keys.verify(question, clock::unix_ms()).map(Some),
        };
        let (verified, refused) = match verified {
            Ok(verified) => (verified, None),
            Err(reason) => (None, Some(reason)),
        };
        let source_ip = question.source.address.as_deref().map(call::ip_of);
        let claim = Claim {
            access_key_id: question.credential.access_key_id.as_deref(),
            account_hint: question.credential.account_hint.as_deref(),
            secret_sha256: question.credential.secret_sha256.as_deref(),
            kind: call::credential_kind(question.credential.kind),
            verified: verified.as_ref().map(|verified| verified.principal.as_str()),
            source_ip: source_ip.as_deref(),
        };
        let mut principal = bundle.map(|bundle| bundle.identify(&claim)).unwrap_or_default();
        if let Some(verified) = verified {
            // What was checked stands, whatever the directory makes of it.
            principal.assurance = portcullis_policy::Assurance::Verified;
            principal.tenant = principal.tenant.or_else(|| verified.tenant.clone());
            if principal.name.is_empty() {
                principal.name.clone_from(&verified.principal);
            }
        }
        (principal, refused)
    }
}

fn check(question: &DecisionRequest) -> Result<(), Fault> {
    if question.version != portcullis_protocol::VERSION {
        return Err(Fault::Question(format!(
            "protocol version {} is not spoken here, this is version {}; upgrade the control plane first, then the gates",
            question.version,
            portcullis_protocol::VERSION
        )));
    }
    if question.call_id.is_empty() || question.call_id.len() > MAX_CALL_ID {
        return Err(Fault::Question(format!("`call_id` must have 1 to {MAX_CALL_ID} bytes")));
    }
    Ok(())
}

/// What is decided; `None` when the text is needed for that.
fn rule(
    call: &Call,
    rest: &Rest,
    bundle: Option<&Bundle>,
    unverified: Option<&'static str>,
) -> Result<Option<Decided>, Fault> {
    // A refusal of the gate's own needs no bundle: it is recorded even when nothing can be decided.
    if let Some(problem) = &rest.problem {
        let message = format!("the request is refused: {}", problem.code);
        return Ok(Some(refuse(bundle, REFUSED_RULE, &message, None)));
    }
    let bundle = bundle.ok_or(Fault::NoBundle)?;
    if let Some(reason) = unverified {
        let message = "the request is not signed with a key that this gateway knows";
        return Ok(Some(refuse(Some(bundle), UNVERIFIED_RULE, message, Some(reason))));
    }
    let decision = bundle.decide(call);
    if decision.needs_text {
        return match call.request.text {
            None => Ok(None),
            Some(_) => Err(Fault::Inconsistent("the bundle asks for text that it was given")),
        };
    }
    let verdict = match decision.effect {
        Effect::Allow => audit_verdict(VerdictKind::Allow, String::new()),
        Effect::Deny => audit_verdict(VerdictKind::Deny, decision.message.clone()),
        // An effect that is not known here must not let anything out.
        _ => return Err(Fault::Inconsistent("the bundle decided something that is neither allow nor deny")),
    };
    let route = decision.route.clone();
    Ok(Some(Decided { policy: trace(bundle, decision), verdict, route, ..Decided::default() }))
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
    let verdict = audit_verdict(VerdictKind::Deny, format!("{rule}: {message}"));
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
    }
}

fn audit_verdict(kind: VerdictKind, message: String) -> portcullis_audit::Verdict {
    portcullis_audit::Verdict { kind, message, ..portcullis_audit::Verdict::default() }
}

fn need_text(call_id: String) -> DecisionAnswer {
    DecisionAnswer { call_id, decision_id: String::new(), verdict: Verdict::NeedText, wants_text: true }
}

/// The recorded verdict, on the wire.
fn answer(call_id: String, committed: Committed, wants_text: bool) -> Result<DecisionAnswer, Fault> {
    let Committed { decision_id, verdict: recorded, .. } = committed;
    let message = recorded.message;
    let verdict = match recorded.kind {
        VerdictKind::Allow => Verdict::Allow,
        VerdictKind::Deny => Verdict::Deny { message },
        VerdictKind::Throttle => {
            Verdict::Throttle { message, retry_after_seconds: recorded.retry_after_seconds.unwrap_or(1) }
        }
        VerdictKind::PendingApproval => {
            let missing = Fault::Inconsistent("a pending approval was recorded without its id");
            Verdict::PendingApproval { message, approval_id: recorded.approval_id.ok_or(missing)? }
        }
    };
    Ok(DecisionAnswer { call_id, decision_id, verdict, wants_text })
}
