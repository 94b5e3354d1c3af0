//! Who calls; and, where the gate would sign the call anew, why that must not be.

use super::App;
use crate::app::call::{self, Rest};
use crate::clock;
use crate::redaction::Captured;
use portcullis_audit::DecisionKind;
use portcullis_policy::{Assurance, Bundle, Call, Claim, Principal};
use portcullis_protocol::{DecisionRequest, Entrance};

/// A question taken apart, with its caller known.
#[derive(Clone)]
pub(in crate::app) struct Identified {
    /// What policy sees.
    pub(in crate::app) call: Call,
    /// What only the record needs.
    pub(in crate::app) rest: Rest,
    /// Why the gate must not sign for this caller.
    pub(in crate::app) unverified: Option<&'static str>,
}

impl Identified {
    /// What is decided.
    pub(super) fn kind(&self) -> DecisionKind {
        self.rest.found.as_ref().map_or(DecisionKind::Call, |found| found.kind)
    }

    /// A call that is decided on, and that came without its text.
    pub(super) fn lacks_text(&self) -> bool {
        let is_call = self.kind() == DecisionKind::Call && !self.is_refused() && self.unverified.is_none();
        is_call && self.call.request.text.is_none()
    }

    /// Its texts; of an answer's text, what was not judged before.
    pub(super) fn texts(&self) -> Vec<Captured> {
        let text = self.rest.found.as_ref().and_then(|found| found.text.as_ref());
        Captured::of(&self.call, text.map_or(0, |text| text.bytes.saturating_sub(text.fresh)))
    }

    /// No rule is asked.
    pub(super) fn is_refused(&self) -> bool {
        self.rest.problem.is_some() || self.rest.found.as_ref().is_some_and(|found| found.refused.is_some())
    }
}

impl App {
    pub(super) fn identify(&self, question: DecisionRequest, bundle: Option<&Bundle>) -> Identified {
        let (principal, unverified) = self.principal(&question, bundle);
        let (call, rest) = call::split(question, principal, clock::unix_ms());
        Identified { call, rest, unverified }
    }

    fn principal(
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
            principal.assurance = Assurance::Verified;
            principal.tenant = principal.tenant.or_else(|| verified.tenant.clone());
            if principal.name.is_empty() {
                principal.name.clone_from(&verified.principal);
            }
        }
        (principal, refused)
    }
}
