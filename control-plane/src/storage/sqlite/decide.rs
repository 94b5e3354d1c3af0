//! Writing one decision, with what is held for it.

use super::statements::{self, Row};
use super::writer::{Books, Failed, Task};
use crate::storage::{Committed, Held, StoreError};
use rusqlite::Connection;
use tokio::sync::oneshot;

/// A decision on its way to the disk. Dropped without a record, it gives back what is held.
pub(super) struct Decide {
    row: Row,
    held: Vec<Box<dyn Held>>,
    books: Books,
    committed: Option<Committed>,
    reply: oneshot::Sender<Result<Committed, StoreError>>,
}

impl Decide {
    /// The task, and where its answer will be.
    pub(super) fn task(
        row: Row,
        held: Vec<Box<dyn Held>>,
        books: Books,
    ) -> (Box<dyn Task>, oneshot::Receiver<Result<Committed, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Decide { row, held, books, committed: None, reply }), answer)
    }
}

impl Task for Decide {
    fn run(&mut self, conn: &Connection) -> Result<(), Failed> {
        let committed = self.row.insert(conn)?;
        // Nobody will tell again what came before its decision.
        if !self.held.is_empty()
            && !committed.repeated
            && let Some(outcome) = statements::outcome(conn, self.row.call_id())?
        {
            self.books.told(&outcome);
        }
        self.committed = Some(committed);
        Ok(())
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Decide { held, committed, reply, .. } = *self;
        let result = result.and_then(|()| committed.ok_or(StoreError::Closed));
        // Before the answer: whoever has it may rely on it.
        match &result {
            Ok(committed) => held.into_iter().for_each(|held| held.recorded(committed)),
            Err(_) => drop(held),
        }
        let _ = reply.send(result);
    }
}
