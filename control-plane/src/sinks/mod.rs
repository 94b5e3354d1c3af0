//! Two places where records go before a call does: the store, and a second one that fails by itself.
//!
//! ```text
//! all   store.commit ─▶ durable in the log ─▶ fed to the second ─▶ durable there ─▶ answer      one is down: refused
//! any   store.commit ─▶ durable in the log ─▶ answer              (the second is fed, and catches up)
//!             └ not taken in time ─▶ spilled: durable in the second ─▶ answer
//!                                        └─ the store is back ─▶ into the log, in order, before anything new
//! ```
//! The second is fed from the log by index, so that it loses nothing whatever happens to it; each wait for it has a deadline.
//! Why it is so, and what it cannot do: docs/decisions/0010-two-sinks.md.

mod config;
mod feed;
mod files;
mod second;
mod spill;
#[cfg(test)]
mod tests;
mod thread;

pub use config::{RawSecond, RawSinks, Require, SinksConfig, SinksError};
pub use second::{SecondError, SecondHealth};
pub use spill::Spilled;

use crate::clock;
use crate::storage::{Commit, Committed, Event, EventKind, NOT_YET, SpillIds, Store, StoreError};
use crate::tokens::MasterKey;
use second::Second;
use serde_json::json;
use spill::Chain;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thread::Thread;
use tokio::sync::RwLock;

/// Decisions that may be spilled and not in the store yet: they are held in memory as well.
const MOST: usize = 100_000;
/// Between two attempts to put them there.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the store may take to take one of them.
const PATIENCE: Duration = Duration::from_secs(5);
/// Decisions that the event about a spill names one by one.
const NAMED: usize = 100;

/// See the module's description.
#[derive(Debug)]
pub struct Sinks {
    config: SinksConfig,
    second: Arc<Second>,
    /// Held for reading while a decision is spilled, for writing while that begins or ends.
    phase: RwLock<Phase>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// The store takes what there is.
    Normal,
    /// It has not taken something, or has not all that was spilled.
    Spilling { since_ms: u64, why: String },
}

/// What the store has not taken yet, the oldest first.
#[derive(Debug, Default)]
struct Waiting {
    spilled: VecDeque<Arc<Spilled>>,
    ids: SpillIds,
    put: Put,
}

/// What became of those that were spilled.
#[derive(Debug, Default)]
struct Put {
    records: u64,
    /// In the store already, under the id behind it.
    repeated: Vec<(String, String)>,
    /// Not taken for what they are: the whole record.
    refused: Vec<serde_json::Value>,
}

impl Sinks {
    /// Opens the second sink. Nothing is written yet.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn open(config: SinksConfig, master: &MasterKey) -> std::io::Result<Arc<Self>> {
        let thread = Thread::start(config.path.clone(), config.rotate_bytes, Chain::new(master))?;
        Ok(Arc::new(Sinks {
            config,
            second: Arc::new(Second::new(thread)),
            // Until what was spilled before is read: it goes first.
            phase: RwLock::new(Phase::Spilling {
                since_ms: clock::unix_ms(),
                why: "the process was started".to_owned(),
            }),
            waiting: Mutex::default(),
        }))
    }

    /// Feeds the second sink and puts into the store what was spilled. Never ends.
    pub async fn run(self: Arc<Self>, store: Arc<dyn Store>) {
        let fed = feed::feed(Arc::clone(&store), Arc::clone(&self.second));
        tokio::join!(fed, self.drain(&store));
    }

    /// Commits a decision to as many sinks as must have it.
    ///
    /// # Errors
    /// [`CommitError`]: nothing may be answered.
    pub async fn commit(
        &self,
        store: &dyn Store,
        commit: Commit,
        deadline: Duration,
    ) -> Result<Committed, CommitError> {
        match self.config.require {
            Require::All => {
                self.second.check()?;
                let committed = in_time(deadline, store.commit(commit)).await?;
                self.second.wait(committed.leaf + 1, self.config.deadline).await?;
                Ok(committed)
            }
            Require::Any => self.commit_any(store, commit, deadline.min(self.config.deadline)).await,
        }
    }

    /// Waits until the second sink has all that the log has, where both must have it.
    ///
    /// # Errors
    /// [`SecondError`].
    pub async fn settled(&self, store: &dyn Store) -> Result<(), SecondError> {
        match self.config.require {
            Require::All => {
                let size = store.head().borrow().size;
                self.second.wait(size, self.config.deadline).await
            }
            Require::Any => Ok(()),
        }
    }

    /// An error where nothing can be recorded as it must be.
    ///
    /// # Errors
    /// [`SecondError`].
    pub fn check(&self) -> Result<(), SecondError> {
        match self.config.require {
            Require::All => self.second.check(),
            Require::Any => Ok(()),
        }
    }

    /// A decision that is spilled and not in the store yet.
    #[must_use]
    pub fn find(&self, decision_id: &str) -> Option<Arc<Spilled>> {
        self.waiting().spilled.iter().find(|spilled| spilled.record.decision_id == decision_id).cloned()
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self, store: &dyn Store) -> SecondHealth {
        let up = self.second.is_up();
        SecondHealth {
            require: if self.config.require == Require::All { "all" } else { "any" }.to_owned(),
            up,
            error: (!up).then(|| self.second.why()),
            behind: store.head().borrow().size.saturating_sub(self.second.durable()),
            spilled: self.waiting().spilled.len() as u64,
        }
    }

    /// One of them is enough.
    #[must_use]
    pub fn one_is_enough(&self) -> bool {
        self.config.require == Require::Any
    }

    async fn commit_any(
        &self,
        store: &dyn Store,
        commit: Commit,
        deadline: Duration,
    ) -> Result<Committed, CommitError> {
        let again = again(&commit);
        let spilling = match &*self.phase.read().await {
            Phase::Normal => None,
            Phase::Spilling { why, .. } => Some(why.clone()),
        };
        let began = spilling.is_none();
        let error = match spilling {
            // What was spilled comes first. So nothing new goes into the store now, not even what cannot be spilled.
            Some(why) => CommitError::Store(StoreError::Unavailable(format!(
                "decisions wait to be put into it: {why}"
            ))),
            None => match in_time(deadline, store.commit(commit)).await {
                Err(error) if error.is_of_the_medium() => error,
                result => return result,
            },
        };
        let Some(again) = again else { return Err(error) };
        if began {
            self.begin(&error.to_string()).await;
        }
        match tokio::time::timeout(self.config.deadline, self.spill(again)).await {
            Ok(Ok(committed)) => Ok(committed),
            Ok(Err(why)) => {
                tracing::error!(why, "a decision can be recorded nowhere");
                Err(error)
            }
            Err(_) => {
                self.second.down("a write took too long");
                Err(error)
            }
        }
    }

    /// From now on decisions are spilled, until the store has all of them.
    async fn begin(&self, why: &str) {
        let mut phase = self.phase.write().await;
        if *phase == Phase::Normal {
            tracing::error!(
                why,
                "the store does not take decisions: those that can be are spilled to the second sink"
            );
            *phase = Phase::Spilling { since_ms: clock::unix_ms(), why: why.to_owned() };
        }
    }

    async fn spill(&self, commit: Commit) -> Result<Committed, String> {
        // Held until it is durable: the spill does not end before that.
        let phase = self.phase.read().await;
        if *phase == Phase::Normal {
            return Err("the store has just come back".to_owned());
        }
        let Commit { mut record, held, captured, .. } = commit;
        if let Some(committed) = self.spilled_before(&record)? {
            return Ok(committed);
        }
        let seq = {
            let mut waiting = self.waiting();
            if waiting.spilled.len() >= MOST {
                return Err(format!("{MOST} decisions are spilled already"));
            }
            let (seq, id) = waiting.ids.next(clock::unix_ms()).ok_or("the system gives no randomness")?;
            record.decision_id = id;
            record.decided_at_ms = SpillIds::time_of(seq);
            seq
        };
        record.spilled = true;
        let spilled = Arc::new(Spilled { record, captured });
        self.second.thread.spill(Arc::clone(&spilled)).await?;
        let committed = committed(&spilled, seq, false);
        self.waiting().spilled.push_back(spilled);
        held.into_iter().for_each(|held| held.recorded(&committed));
        Ok(committed)
    }

    /// What was spilled for the same question before.
    fn spilled_before(&self, record: &portcullis_audit::DecisionRecord) -> Result<Option<Committed>, String> {
        let waiting = self.waiting();
        let Some(found) = waiting.spilled.iter().find(|one| one.record.call_id == record.call_id) else {
            return Ok(None);
        };
        if !found.record.same_question(record) {
            return Err(StoreError::CallIdReused(record.call_id.clone()).to_string());
        }
        Ok(Some(committed(found, 0, true)))
    }

    /// Reads what was spilled before, then puts what is spilled into the store, for ever.
    async fn drain(&self, store: &Arc<dyn Store>) {
        self.read_spilled().await;
        loop {
            let spilling = *self.phase.read().await != Phase::Normal;
            if spilling && self.put_all(store).await {
                self.end(store).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads what was spilled by a process before this one. It goes into the store before anything new; but where the second sink
    /// does not give it in time, the store, which may be well, does not wait for it.
    async fn read_spilled(&self) {
        let found = loop {
            let reading = self.second.thread.spilled();
            tokio::pin!(reading);
            let result = match tokio::time::timeout(self.config.deadline, &mut reading).await {
                Ok(result) => result,
                Err(_) => {
                    self.second.down("reading what was spilled before takes too long");
                    *self.phase.write().await = Phase::Normal;
                    reading.await
                }
            };
            match result {
                Ok(found) => break found,
                Err(why) => {
                    self.second.down(&format!("what was spilled before cannot be read: {why}"));
                    *self.phase.write().await = Phase::Normal;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        let mut phase = self.phase.write().await;
        let mut waiting = self.waiting();
        if let Some(why) = found.broken {
            tracing::error!(why, "a part of what was spilled to the second sink is lost");
            waiting.put.refused.push(json!({ "spill_broken": why }));
        }
        let first = found.spilled.first().map(|spilled| spilled.record.decided_at_ms);
        let mut all: VecDeque<_> = found.spilled.into_iter().map(Arc::new).collect();
        all.append(&mut waiting.spilled);
        waiting.spilled = all;
        if let Some(since_ms) = first {
            let why = "a process before this one spilled them".to_owned();
            *phase = Phase::Spilling { since_ms, why };
        }
    }

    /// Puts what is spilled into the store, the oldest first. `false`: it does not take it now.
    async fn put_all(&self, store: &Arc<dyn Store>) -> bool {
        loop {
            let Some(next) = self.waiting().spilled.front().cloned() else { return true };
            let commit = Commit { captured: next.captured.clone(), ..Commit::from(next.record.clone()) };
            let result = in_time(PATIENCE, store.commit(commit)).await;
            let mut waiting = self.waiting();
            match result {
                Ok(committed) if committed.repeated && committed.decision_id != next.record.decision_id => {
                    let pair = (next.record.decision_id.clone(), committed.decision_id);
                    waiting.put.repeated.push(pair);
                }
                Ok(_) => {}
                Err(error) if error.is_of_the_medium() => return false,
                Err(error) => {
                    tracing::error!(%error, call_id = next.record.call_id, "a spilled decision is kept in an event");
                    waiting.put.refused.push(json!({ "why": error.to_string(), "record": next.record }));
                }
            }
            waiting.put.records += 1;
            waiting.spilled.pop_front();
        }
    }

    /// The store has all of it: that is put on record, then the file goes, then the store is asked first again.
    async fn end(&self, store: &Arc<dyn Store>) {
        let mut phase = self.phase.write().await;
        let Phase::Spilling { since_ms, why } = &*phase else { return };
        if !self.waiting().spilled.is_empty() {
            return;
        }
        let event = {
            let put = &self.waiting().put;
            (put.records > 0 || !put.refused.is_empty()).then(|| {
                let repeated: Vec<_> = put.repeated.iter().take(NAMED).collect();
                let detail = json!({
                    "what": "audit_spill", "from_ms": since_ms, "to_ms": clock::unix_ms(), "why": why,
                    "decisions": put.records, "recorded_before": put.repeated.len(), "recorded_before_as": repeated,
                    "not_taken": put.refused,
                });
                Event { kind: EventKind::Gap, actor: "portcullis".to_owned(), detail }
            })
        };
        if let Some(event) = event {
            if in_time(PATIENCE, store.commit_event(event)).await.is_err() {
                return;
            }
            if let Err(why) = self.second.thread.clear().await {
                // It would be put into the store once more, which changes nothing there.
                tracing::error!(why, "what was spilled is in the store, and its file cannot be removed");
                return;
            }
        } else if in_time(PATIENCE, store.probe()).await.is_err() {
            return;
        }
        self.waiting().put = Put::default();
        *phase = Phase::Normal;
        tracing::info!("the store takes decisions");
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a decision is not recorded as it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store, which took too long.
    #[error("the record was not durable within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The second sink.
    #[error(transparent)]
    Second(#[from] SecondError),
}

impl CommitError {
    /// Another place may take it.
    fn is_of_the_medium(&self) -> bool {
        matches!(
            self,
            CommitError::Timeout(_)
                | CommitError::Store(
                    StoreError::Unavailable(_) | StoreError::Overloaded(_) | StoreError::Closed
                )
        )
    }
}

async fn in_time<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, CommitError> {
    match tokio::time::timeout(deadline, work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(CommitError::Timeout(deadline)),
    }
}

/// The same commit once more, where it can be spilled: nothing goes with it that only the store can take.
fn again(commit: &Commit) -> Option<Commit> {
    if commit.approval.is_some() || !commit.record.charges.is_empty() {
        return None;
    }
    let held = commit.held.iter().map(|held| held.again()).collect::<Option<Vec<_>>>()?;
    Some(Commit { record: commit.record.clone(), held, approval: None, captured: commit.captured.clone() })
}

fn committed(spilled: &Spilled, seq: crate::storage::Seq, repeated: bool) -> Committed {
    Committed {
        decision_id: spilled.record.decision_id.clone(),
        verdict: spilled.record.verdict.clone(),
        seq,
        leaf: NOT_YET,
        repeated,
    }
}
