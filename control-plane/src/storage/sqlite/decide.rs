//! Writing one decision, with what is held for it and what becomes of its approval.

use super::approvals::Ledger;
use super::links;
use super::log::Tx;
use super::statements::{self, Row};
use super::writer::{Books, Failed, Task};
use crate::storage::live::{Changes, Live};
use crate::storage::{ApprovalChange, Committed, Held, StoreError, Subscription};
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A decision on its way to the disk. Dropped without a record, it gives back what is held.
pub(super) struct Decide {
    row: Row,
    held: Vec<Box<dyn Held>>,
    approving: Option<Approving>,
    books: Books,
    committed: Option<Result<Committed, StoreError>>,
    changes: Changes,
    reply: oneshot::Sender<Result<Committed, StoreError>>,
}

/// What becomes of the approval that a decision rests on.
pub(super) struct Approving {
    pub(super) change: ApprovalChange,
    pub(super) live: Arc<Live>,
    pub(super) subscriptions: Arc<ArcSwap<Vec<Subscription>>>,
}

impl Decide {
    /// The task, and where its answer will be.
    pub(super) fn task(
        row: Row,
        held: Vec<Box<dyn Held>>,
        approving: Option<Approving>,
        books: Books,
    ) -> (Box<dyn Task>, oneshot::Receiver<Result<Committed, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let (committed, changes) = (None, Changes::default());
        (Box::new(Decide { row, held, approving, books, committed, changes, reply }), answer)
    }

    /// The approval first: where it is gone nothing is written, and the rest of the group goes on.
    fn write(&mut self, tx: &Tx<'_>) -> Result<Result<Committed, StoreError>, Failed> {
        let Some(Approving { change, subscriptions, .. }) = &self.approving else {
            return self.row.insert(tx).map(Ok);
        };
        self.changes = Changes::default();
        let subscriptions = subscriptions.load();
        let mut ledger = Ledger { tx, subscriptions: &subscriptions, changes: &mut self.changes };
        self.row.insert_with(change, &mut ledger)
    }
}

impl Task for Decide {
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failed> {
        let committed = self.write(tx)?;
        // Nobody will tell again what came before its decision.
        if let Ok(committed) = &committed
            && !self.held.is_empty()
            && !committed.repeated
            && let Some(outcome) = statements::outcome(tx, self.row.call_id())?
        {
            links::write_outcome(tx, &outcome)?;
            self.books.told(&outcome);
        }
        self.committed = Some(committed);
        Ok(())
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Decide { row, held, approving, committed, changes, reply, .. } = *self;
        if let (Ok(()), Some(approving)) = (&result, approving) {
            approving.live.apply(changes);
        }
        let result = result.and_then(|()| committed.unwrap_or(Err(StoreError::Closed)));
        // Before the answer: whoever has it may rely on it.
        match &result {
            Ok(committed) => {
                if !committed.repeated {
                    row.stands();
                }
                held.into_iter().for_each(|held| held.recorded(committed));
            }
            Err(_) => drop(held),
        }
        let _ = reply.send(result);
    }
}
