//! A write that also changes what is live in memory: after its commit, before anybody hears of it.

use super::log::Tx;
use super::writer::{Failed, Task};
use crate::storage::StoreError;
use crate::storage::live::{Changes, Live};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A [`Task`] from a closure that says what it has changed.
pub(super) struct Change<F, T> {
    work: F,
    value: Option<(T, Changes)>,
    live: Arc<Live>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    /// What is decided without its asker is still decided: an answer of a person, a time that is over.
    keep: bool,
}

impl<F, T> Change<F, T>
where
    T: Send + 'static,
    F: FnMut(&Tx<'_>, &mut Changes) -> Result<T, Failed> + Send + 'static,
{
    /// The task, and where its answer will be. Unless `keep`, it is dropped when nobody waits for it any more.
    pub(super) fn task(
        live: Arc<Live>,
        keep: bool,
        work: F,
    ) -> (Box<dyn Task>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Change { work, value: None, live, reply, keep }), answer)
    }
}

impl<F, T> Task for Change<F, T>
where
    T: Send,
    F: FnMut(&Tx<'_>, &mut Changes) -> Result<T, Failed> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failed> {
        let mut changes = Changes::default();
        let value = (self.work)(tx, &mut changes)?;
        self.value = Some((value, changes));
        Ok(())
    }

    fn abandoned(&self) -> bool {
        !self.keep && self.reply.is_closed()
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Change { value, live, reply, .. } = *self;
        let result = result.and_then(|()| value.ok_or(StoreError::Closed)).map(|(value, changes)| {
            live.apply(changes);
            value
        });
        let _ = reply.send(result);
    }
}
