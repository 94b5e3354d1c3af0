//! One pass over what is too old.

use super::board::Board;
use super::config::Retention;
use super::hold::{InForce, Subject};
use crate::app::App;
use crate::clock;
use crate::export::cursor_names;
use crate::redaction::Redactor;
use crate::storage::{Event, EventKind, Logged, Prune, Store, StoreError};
use portcullis_audit::log::RecordKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(3_600);
/// After a pass that failed.
const AGAIN: Duration = Duration::from_secs(300);
/// Records that one admin record speaks of, at most.
const BATCH: usize = 50_000;
/// Records in one transaction: a few milliseconds of the writer's time.
const SLICE: usize = 200;
/// Records and bytes that are read at once.
const PAGE: u32 = 1_000;
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Links that are looked at in one transaction.
const LINKS: u32 = 1_000;

/// Prunes what is too old, every hour.
#[derive(Debug)]
pub struct Keeper {
    store: Arc<dyn Store>,
    board: Arc<Board>,
    rules: Retention,
    /// Exports that must have a record before it is pruned.
    exports: Vec<String>,
    redactor: Arc<Redactor>,
}

/// What the last pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LastPass {
    /// When it began, Unix milliseconds.
    pub at_ms: u64,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Records pruned.
    pub pruned: u64,
    /// Records that were too old and held, by hold: each that the pass looked at.
    pub held: BTreeMap<String, u64>,
    /// Records that are too old and that an export has not taken yet, by export.
    pub waiting: BTreeMap<String, u64>,
    /// Why it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where the log's records of some kinds are looked at.
struct Stretch {
    kinds: BTreeSet<RecordKind>,
    before_ms: u64,
    from: u64,
    end: u64,
}

#[derive(Default)]
struct Batch {
    records: Vec<Prune>,
    held: BTreeMap<String, u64>,
    /// Everything before is looked at.
    to: u64,
}

fn mark_name(kind: RecordKind) -> String {
    format!("retention/{}", kind.as_str())
}

impl Keeper {
    /// For that application; `exports` are those that must have a record before it is pruned.
    #[must_use]
    pub fn new(app: &App, rules: Retention, exports: Vec<String>) -> Self {
        let keeper = Keeper::on(Arc::clone(&app.store), Arc::clone(&app.retention), rules, exports);
        Keeper { redactor: Arc::clone(&app.redactor), ..keeper }
    }

    /// For that store.
    pub(super) fn on(
        store: Arc<dyn Store>,
        board: Arc<Board>,
        rules: Retention,
        exports: Vec<String>,
    ) -> Self {
        board.rules(rules.clone());
        Keeper { store, board, rules, exports, redactor: Arc::default() }
    }

    /// Prunes every hour, and soon after a hold was placed meanwhile. Never ends.
    pub async fn run(self) {
        loop {
            let pass = self.pass(clock::unix_ms()).await;
            let wait = if pass.error.is_some() { AGAIN } else { EVERY };
            match &pass.error {
                Some(error) => tracing::warn!(error, "retention could not prune everything; will try again"),
                None if pass.pruned > 0 => {
                    tracing::info!(pruned = pass.pruned, "retention has pruned records")
                }
                None => {}
            }
            for (export, records) in &pass.waiting {
                tracing::warn!(
                    export,
                    records,
                    "records that are too old stay until this export has taken them; see GET /v1/audit/exports"
                );
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One pass.
    pub async fn pass(&self, now_ms: u64) -> LastPass {
        let begin = Instant::now();
        let mut pass = LastPass { at_ms: now_ms, ..LastPass::default() };
        let result = self.prune(now_ms, &mut pass).await;
        pass.error = result.err().map(|error| error.to_string());
        pass.took_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.board.passed(pass.clone());
        pass
    }

    async fn prune(&self, now_ms: u64, pass: &mut LastPass) -> Result<(), StoreError> {
        let mut limit = u64::MAX;
        let mut taken = Vec::new();
        for export in &self.exports {
            let [done, _] = cursor_names(export);
            let at = self.store.cursor(done).await?.unwrap_or(0);
            limit = limit.min(at);
            taken.push((export, at));
        }
        for stretch in self.stretches(now_ms).await? {
            for (export, at) in &taken {
                let waiting = stretch.end.saturating_sub(stretch.from.max(*at));
                if waiting > 0 {
                    let all = pass.waiting.entry((*export).clone()).or_default();
                    *all = (*all).max(waiting);
                }
            }
            let stretch = Stretch { end: stretch.end.min(limit), ..stretch };
            self.prune_stretch(stretch, pass).await?;
        }
        if pass.pruned > 0 {
            let mut after = None;
            loop {
                let begin = Instant::now();
                after = self.store.prune_links(after, LINKS).await?;
                if after.is_none() {
                    break;
                }
                rest(begin).await;
            }
        }
        Ok(())
    }

    /// Kinds that stay equally long are looked at together, from where the last pass ended.
    async fn stretches(&self, now_ms: u64) -> Result<Vec<Stretch>, StoreError> {
        let mut by_time: BTreeMap<u64, BTreeSet<RecordKind>> = BTreeMap::new();
        for (kind, keep) in &self.rules.keep {
            by_time.entry(*keep).or_default().insert(*kind);
        }
        let mut stretches = Vec::new();
        for (keep, kinds) in by_time {
            let before_ms = now_ms.saturating_sub(keep);
            let end = self.store.first_at(before_ms).await?;
            let mut from = end;
            for kind in &kinds {
                from = from.min(self.store.cursor(mark_name(*kind)).await?.unwrap_or(0));
            }
            stretches.push(Stretch { kinds, before_ms, from, end });
        }
        Ok(stretches)
    }

    async fn prune_stretch(&self, mut stretch: Stretch, pass: &mut LastPass) -> Result<(), StoreError> {
        while stretch.from < stretch.end {
            let holds = self.store.holds().await?;
            let batch = self.collect(&stretch, &InForce::of(&holds.holds, &self.redactor)).await?;
            if let (Some(first), Some(last)) = (batch.records.first(), batch.records.last()) {
                let detail = json!({
                    "what": "retention_pruned",
                    "kinds": stretch.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
                    "before_ms": stretch.before_ms,
                    "first": first.index,
                    "last": last.index,
                    "records": batch.records.len(),
                    "held": batch.held,
                });
                // First the record of it: whatever is missing later, the log says why.
                let actor = "portcullis".to_owned();
                self.store.commit_event(Event { kind: EventKind::Admin, actor, detail }).await?;
                if !self.prune_batch(&batch.records, holds.version, pass).await? {
                    // A hold was placed meanwhile: from here on once more, with it.
                    continue;
                }
            }
            for (hold, records) in batch.held {
                *pass.held.entry(hold).or_default() += records;
            }
            stretch.from = batch.to;
            for kind in &stretch.kinds {
                self.store.move_cursor(mark_name(*kind), Some(batch.to)).await?;
            }
        }
        Ok(())
    }

    /// False when a hold was placed meanwhile.
    async fn prune_batch(
        &self,
        records: &[Prune],
        version: i64,
        pass: &mut LastPass,
    ) -> Result<bool, StoreError> {
        for slice in records.chunks(SLICE) {
            let begin = Instant::now();
            match self.store.prune(slice.to_vec(), version).await? {
                Some(pruned) => pass.pruned += pruned,
                None => return Ok(false),
            }
            rest(begin).await;
        }
        Ok(true)
    }

    /// What of a stretch is to be pruned, up to a batch of it.
    async fn collect(&self, stretch: &Stretch, holds: &InForce) -> Result<Batch, StoreError> {
        let mut batch = Batch { to: stretch.from, ..Batch::default() };
        while batch.to < stretch.end && batch.records.len() < BATCH {
            let page = self.store.prunable(stretch.kinds.clone(), batch.to, stretch.end, PAGE, PAGE_BYTES);
            let page = page.await?;
            let Some(last) = page.last() else {
                batch.to = stretch.end;
                break;
            };
            batch.to = last.index + 1;
            for logged in &page {
                let subject =
                    if holds.asks_content(logged) { self.subject(logged).await? } else { Subject::Unknown };
                match holds.holding(logged, &subject) {
                    Some(hold) => *batch.held.entry(hold.to_owned()).or_default() += 1,
                    None => batch.records.push(Prune::from(logged)),
                }
            }
            // Reading is work, too, and calls come first.
            tokio::task::yield_now().await;
        }
        Ok(batch)
    }

    /// What a record is about; of an outcome, its decision says it.
    async fn subject(&self, logged: &Logged) -> Result<Subject, StoreError> {
        let Some(record) = parsed(logged) else { return Ok(Subject::Unknown) };
        if let Some(subject) = Subject::of(logged.entry.kind, &record) {
            return Ok(subject);
        }
        for index in self.store.log_find(logged.entry.id.clone()).await? {
            let found = self.store.log_records(index, 1, 1).await?;
            let decision = found.first().filter(|found| found.entry.kind.id_member() == "decision_id");
            if let Some(decision) = decision {
                let subject = parsed(decision).and_then(|record| Subject::of(decision.entry.kind, &record));
                return Ok(subject.unwrap_or(Subject::Unknown));
            }
        }
        Ok(Subject::Unknown)
    }
}

fn parsed(logged: &Logged) -> Option<Value> {
    serde_json::from_str(logged.record.as_deref()?).ok()
}

/// As long as the work took: the writer is there for calls at least half of the time.
async fn rest(begin: Instant) {
    tokio::time::sleep(begin.elapsed().clamp(Duration::from_millis(2), Duration::from_secs(1))).await;
}
