//! Following the log: from a durable place, chunk by chunk, for ever.
//!
//! Two places are kept in the store: how far everything is delivered, and where the chunk ends that is under way. The second is
//! durable before the chunk is sent: whatever happens then, the same chunk is sent again, under the same name.

use super::backoff::Backoff;
use super::board::Standing;
use super::chunk::Chunk;
use super::config::{Destination, Export};
use super::files::FileSink;
use super::otlp::OtlpSink;
use super::webhook::WebhookSink;
use crate::app::App;
use crate::storage::{Head, Log, Logged, StoreError};
use portcullis_audit::log::{Frontier, complete_root, complete_subtrees, verify_consistency};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Records and bytes of records that are read at once.
const PAGE: u32 = 2_000;
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// How often the log is looked at while it grows and a chunk fills.
const TICK: Duration = Duration::from_millis(500);
/// An attempt that takes longer is given up, and made again.
const ATTEMPT: Duration = Duration::from_secs(600);

/// Where chunks go. Whatever was delivered may be delivered again.
pub trait Deliver: Send + Sync + std::fmt::Debug {
    /// Delivers a chunk. When it is done, it is durable there.
    fn deliver<'a>(
        &'a self,
        chunk: &'a Arc<Chunk>,
    ) -> Pin<Box<dyn Future<Output = Result<Delivered, Refusal>> + Send + 'a>>;
}

/// A chunk is delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Bytes that went out.
    pub bytes: u64,
    /// Records that were refused for good, by name.
    pub rejected: u64,
}

/// A chunk is not delivered, or it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why, for people; without secrets.
    pub message: String,
    /// When the receiver wants to be asked again.
    pub after: Option<Duration>,
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Refusal { message, after: None }
    }
}

/// Follows the log for one export.
#[derive(Debug)]
pub struct Follower<L: Log + ?Sized> {
    log: Arc<L>,
    export: Arc<Export>,
    sink: Box<dyn Deliver>,
    standing: Arc<Standing>,
    backoff: Backoff,
    tick: Duration,
}

/// Where a follower is.
struct Place {
    /// The tree of what is delivered.
    frontier: Frontier,
    /// Where the chunk ends that was under way when a process ended.
    planned: Option<u64>,
}

impl Follower<dyn crate::storage::Store> {
    /// For an export of that application.
    #[must_use]
    pub fn of(app: &Arc<App>, export: Export, environment: Vec<(String, String)>) -> Self {
        let export = Arc::new(export);
        let sink: Box<dyn Deliver> = match export.to.clone() {
            Destination::Files(files) => Box::new(FileSink::new(Arc::clone(&export), files, environment)),
            Destination::Otlp(otlp) => Box::new(OtlpSink::new(Arc::clone(&export), &otlp)),
            Destination::Webhook(receiver) => Box::new(WebhookSink::new(Arc::clone(&export), &receiver)),
        };
        let standing = app.exports.add(Arc::clone(&export));
        Follower::new(Arc::clone(&app.store), export, sink, standing)
    }
}

/// The names under which an export's places are kept: what is delivered, and where the chunk under way ends.
#[must_use]
pub(crate) fn cursor_names(export: &str) -> [String; 2] {
    [format!("export/{export}"), format!("export/{export}/next")]
}

impl<L: Log + Send + Sync + ?Sized> Follower<L> {
    pub(super) fn new(
        log: Arc<L>,
        export: Arc<Export>,
        sink: Box<dyn Deliver>,
        standing: Arc<Standing>,
    ) -> Self {
        Follower { log, export, sink, standing, backoff: Backoff::USUAL, tick: TICK }
    }

    /// The same, a thousand times as fast: an hour is 3.6 seconds.
    #[cfg(test)]
    pub(super) fn hasty(self) -> Self {
        let backoff = Backoff { first: self.backoff.first / 1_000, longest: self.backoff.longest / 1_000 };
        Follower { backoff, tick: self.tick / 1_000, ..self }
    }

    /// Delivers whatever comes. Never ends.
    pub async fn run(self) {
        let mut heads = self.log.head();
        let mut failures = 0;
        loop {
            // What the store does not give now, it gives later; nothing is lost by reading it again.
            match self.follow(&mut heads).await {
                Ok(never) => match never {},
                Err(error) => {
                    failures += 1;
                    self.failed(&error.to_string());
                    tokio::time::sleep(self.backoff.wait(failures)).await;
                }
            }
        }
    }

    async fn follow(
        &self,
        heads: &mut watch::Receiver<Arc<Head>>,
    ) -> Result<std::convert::Infallible, StoreError> {
        let mut place = self.place(heads).await?;
        loop {
            let chunk = Arc::new(self.gather(&mut place, heads).await?);
            self.deliver(&chunk).await;
            let [done, _] = cursor_names(&self.export.name);
            self.log.move_cursor(done, Some(chunk.end())).await?;
            let mut frontier = chunk.frontier.clone();
            for record in &chunk.records {
                frontier.push(record.entry.leaf(), |_, _, _| {});
            }
            place = Place { frontier, planned: None };
            self.standing.at(place.frontier.size());
        }
    }

    /// Where it was, or where a new one begins.
    async fn place(&self, heads: &mut watch::Receiver<Arc<Head>>) -> Result<Place, StoreError> {
        let [done, next] = cursor_names(&self.export.name);
        let size = heads.borrow_and_update().size;
        let from = match self.log.cursor(done.clone()).await? {
            Some(from) => from,
            None => {
                let from = if self.export.from_now { size } else { 0 };
                self.log.move_cursor(done, Some(from)).await?;
                from
            }
        };
        if from > size {
            return Err(StoreError::Inconsistent(format!(
                "{from} records are delivered, and the log has {size}"
            )));
        }
        let planned = self.log.cursor(next).await?.filter(|end| *end > from);
        self.standing.at(from);
        Ok(Place { frontier: frontier(&*self.log, from).await?, planned })
    }

    /// The next chunk, once it is full or its time is over. Where it ends is durable then.
    async fn gather(
        &self,
        place: &mut Place,
        heads: &mut watch::Receiver<Arc<Head>>,
    ) -> Result<Chunk, StoreError> {
        let flush = self.export.flush;
        let first = place.frontier.size();
        let mut records: Vec<Logged> = Vec::new();
        let (mut bytes, mut deadline) = (0, None);
        loop {
            let size = heads.borrow_and_update().size;
            let next = first + records.len() as u64;
            let most = place.planned.unwrap_or(first.saturating_add(flush.records));
            if next == most || (place.planned.is_none() && bytes >= flush.bytes) {
                break;
            }
            if next < size.min(most) {
                let limit = u32::try_from(size.min(most) - next).unwrap_or(PAGE).min(PAGE);
                let page = self
                    .log
                    .log_records(next, limit, PAGE_BYTES.min(flush.bytes - bytes.min(flush.bytes - 1)))
                    .await?;
                for record in page {
                    if record.index != first + records.len() as u64 || record.index >= most {
                        return Err(StoreError::Inconsistent(format!(
                            "record {} is out of order",
                            record.index
                        )));
                    }
                    bytes += record.record.as_ref().map_or(0, |record| record.len());
                    records.push(record);
                }
                let Some(oldest) = records.first() else {
                    return Err(StoreError::Inconsistent(format!("record {next} is not in the log")));
                };
                self.standing.has(oldest.entry.time_ms);
                deadline.get_or_insert_with(|| Instant::now() + flush.every);
                continue;
            }
            match deadline {
                // The store lives as long as this does; where it does not, nothing comes any more.
                None => drop(heads.changed().await),
                Some(deadline) if Instant::now() >= deadline => break,
                Some(deadline) => tokio::time::sleep_until(deadline.min(Instant::now() + self.tick)).await,
            }
        }
        let end = first + records.len() as u64;
        if place.planned.is_none() {
            let [_, next] = cursor_names(&self.export.name);
            self.log.move_cursor(next, Some(end)).await?;
        }
        self.chunk(place.frontier.clone(), records, heads).await
    }

    /// The records with their proof. A store whose records do not lead to its own checkpoint is not exported: that would be
    /// handing out what nobody can verify.
    async fn chunk(
        &self,
        frontier: Frontier,
        records: Vec<Logged>,
        heads: &mut watch::Receiver<Arc<Head>>,
    ) -> Result<Chunk, StoreError> {
        let head = Arc::clone(&heads.borrow_and_update());
        let mut after = frontier.clone();
        for record in &records {
            after.push(record.entry.leaf(), |_, _, _| {});
        }
        let missing = || StoreError::Inconsistent("the log has no proof for its own checkpoint".to_owned());
        let consistency = match after.size() {
            size if size == head.size => Vec::new(),
            size => self.log.consistency(size, head.size).await?.ok_or_else(missing)?,
        };
        let proven = verify_consistency(after.size(), head.size, &consistency, &after.root(), &head.root);
        proven.map_err(|error| {
            StoreError::Inconsistent(format!(
                "records {} to {} do not lead to the log's checkpoint: {error}; run `portcullis audit verify`",
                frontier.size(),
                after.size().saturating_sub(1)
            ))
        })?;
        let origin = head.note.lines().next().unwrap_or_default().to_owned();
        Ok(Chunk { origin, records, frontier, head, consistency })
    }

    /// Until it is delivered.
    async fn deliver(&self, chunk: &Arc<Chunk>) {
        self.standing.delivering();
        for failures in 1.. {
            let attempt = tokio::time::timeout(ATTEMPT, self.sink.deliver(chunk)).await;
            let refusal = match attempt {
                Ok(Ok(delivered)) => return self.delivered(chunk, delivered),
                Ok(Err(refusal)) => refusal,
                Err(_) => Refusal::from(format!("an attempt took longer than {} s", ATTEMPT.as_secs())),
            };
            self.failed(&refusal.message);
            let wait = self.backoff.wait(failures);
            tokio::time::sleep(wait.max(refusal.after.unwrap_or_default().min(self.backoff.longest))).await;
        }
    }

    fn delivered(&self, chunk: &Chunk, delivered: Delivered) {
        let records = chunk.records.len() as u64;
        self.standing.delivered(records, delivered.bytes, delivered.rejected);
        let name = self.export.name.as_str();
        if delivered.rejected > 0 {
            tracing::error!(
                export = name,
                chunk = chunk.name(),
                records = delivered.rejected,
                "the receiver has refused records of an export for good; they are in the log only"
            );
        }
        if self.standing.recovered() {
            tracing::info!(export = name, chunk = chunk.name(), "an export goes on");
        }
    }

    /// Said once per change, however often it is tried.
    fn failed(&self, error: &str) {
        let name = self.export.name.as_str();
        if self.standing.failed(error) {
            tracing::warn!(export = name, error, "an export fails; it is tried again until it succeeds");
        }
    }
}

/// The tree of that size, to go on from there.
pub(crate) async fn frontier<L: Log + ?Sized>(log: &L, size: u64) -> Result<Frontier, StoreError> {
    let mut roots = Vec::new();
    for (height, index) in complete_subtrees(size) {
        let (level, count) = (height / 8, 1_u32 << (height % 8));
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let hashes = log.log_hashes(level, index * u64::from(count), count).await?;
        let whole = (hashes.len() == count as usize).then(|| complete_root(&hashes)).flatten();
        roots.push(
            whole
                .ok_or_else(|| StoreError::Inconsistent(format!("the log has no tree of {size} records")))?,
        );
    }
    Ok(Frontier::new(size, roots).unwrap_or_default())
}
