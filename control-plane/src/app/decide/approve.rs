//! A call that a person must approve: has somebody?

use super::identify::Identified;
use super::{App, Fault, rule};
use crate::storage::Commit;
use portcullis_audit as audit;
use portcullis_policy::{Bundle, Decision};
use portcullis_protocol::Verdict;

/// What approvals say of a call.
#[expect(dead_code, reason = "approvals fill these")]
pub(super) enum Approval {
    /// It may go out.
    Granted(Granted),
    /// It is recorded and stays: nobody has said yes.
    Refused(Refused),
    /// Nothing is decided yet: the gate keeps it and asks again.
    Hold(Verdict),
}

/// An approval that lets this call out. It is used up in the transaction of the call's record.
pub(super) struct Granted {
    pub(super) approval: audit::Approval,
}

/// A verdict, and what becomes durable with it (a new pending approval).
pub(super) struct Refused {
    pub(super) verdict: audit::Verdict,
}

impl App {
    /// Asks for an approval of this call, as `decision.approval` wants it.
    #[expect(clippy::unused_async, clippy::unused_self, reason = "approvals wait for the store")]
    pub(super) async fn approve(
        &self,
        _identified: &Identified,
        _bundle: &Bundle,
        _decision: &Decision,
    ) -> Result<Approval, Fault> {
        Err(Fault::Inconsistent("the bundle asks for an approval, and nobody can give one"))
    }
}

impl Granted {
    /// Used up when the call's record is durable, and only then.
    pub(super) fn go_with(self, commit: &mut Commit) {
        commit.record.approval = Some(self.approval);
    }
}

impl Refused {
    pub(super) fn commit(self, identified: Identified, bundle: &Bundle, decision: Decision) -> Commit {
        rule::with_verdict(bundle, decision, self.verdict).commit(identified)
    }
}
