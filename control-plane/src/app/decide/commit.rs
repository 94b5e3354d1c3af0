//! The record first, then the answer.

use super::{Answered, App, Fault, Wants};
use crate::storage::{Commit, Committed};
use portcullis_audit::VerdictKind;
use portcullis_protocol::Verdict;

impl App {
    /// Waits until the record is durable, but not for ever.
    pub(super) async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        let deadline = self.settings.commit_timeout;
        let committed = tokio::time::timeout(deadline, self.store.commit(commit)).await;
        Ok(committed.map_err(|_| Fault::CommitTimeout(deadline))??)
    }
}

/// The recorded verdict, on the wire.
pub(super) fn answer(committed: Committed, wants: Wants) -> Result<Answered, Fault> {
    let Committed { decision_id, verdict: recorded, leaf, .. } = committed;
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
    Ok(Answered { decision_id, leaf: Some(leaf), verdict, wants })
}
