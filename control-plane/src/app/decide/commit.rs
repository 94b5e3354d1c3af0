//! The record first, then the answer.

use super::{Answered, App, Fault, Wants};
use crate::redaction::{Captured, NoRandomness};
use crate::storage::{Commit, Committed, NOT_YET};
use portcullis_audit::{DecisionKind, VerdictKind};
use portcullis_protocol::Verdict;
use std::sync::Arc;

/// Bytes that are searched for what must not be kept while nobody waits for it.
const LONG_TEXT: usize = 16 * 1024;

impl App {
    /// Redacts the record, and waits until it is durable, but not for ever. `inspected`: somebody may ask about the answer.
    pub(super) async fn commit(
        &self,
        mut commit: Commit,
        texts: &[Captured],
        inspected: bool,
    ) -> Result<Committed, Fault> {
        let clear = self.redactor.decision(&mut commit.record);
        let clear = clear.map_err(|_| Fault::Inconsistent("a question has no canonical form"))?;
        self.capture(texts, &mut commit).await?;
        let recorded = clear.is_some().then(|| commit.record.verdict.message.clone());
        let deadline = self.settings.commit_timeout;
        let mut committed = match &self.sinks {
            Some(sinks) => sinks.commit(&*self.store, commit, deadline).await?,
            None => {
                let committed = tokio::time::timeout(deadline, self.store.commit(commit)).await;
                committed.map_err(|_| Fault::CommitTimeout(deadline))??
            }
        };
        if let Some(clear) = clear {
            // The caller knows what he sent: what he is told is not blinded.
            if recorded.is_some_and(|recorded| recorded == committed.verdict.message) {
                committed.verdict.message.clone_from(&clear.verdict.message);
            }
            if inspected && committed.verdict.kind == VerdictKind::Allow && clear.kind == DecisionKind::Call {
                self.in_flight.put(*clear);
            }
        }
        Ok(committed)
    }

    /// Encrypts the texts that go with a record. Long ones are searched elsewhere: this thread answers other calls meanwhile.
    async fn capture(&self, texts: &[Captured], commit: &mut Commit) -> Result<(), Fault> {
        if texts.is_empty() {
            return Ok(());
        }
        let (capturer, texts, call_id) =
            (Arc::clone(&self.capturer), texts.to_vec(), commit.record.call_id.clone());
        let long = texts.iter().map(|captured| captured.text.len()).sum::<usize>() > LONG_TEXT;
        let captured = if long {
            let work = tokio::task::spawn_blocking(move || capturer.seal(texts, &call_id));
            work.await.unwrap_or(Err(NoRandomness))
        } else {
            capturer.seal(texts, &call_id)
        };
        let captured = captured.map_err(|_| Fault::Inconsistent("the system gives no randomness"))?;
        (commit.record.captured, commit.captured) = captured.into_iter().unzip();
        Ok(())
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
    Ok(Answered { decision_id, leaf: (leaf != NOT_YET).then_some(leaf), verdict, wants })
}
