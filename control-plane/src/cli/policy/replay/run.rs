//! Records in, a table out, on every core.

use crate::app::{Recalled, recall};
use crate::redaction::Redactor;
use crate::storage::{RecordQuery, Records};
use anyhow::{Context, anyhow};
use portcullis_audit::DecisionRecord;
use portcullis_policy::Bundle;
use portcullis_policy::replay::{Table, judge};
use std::io::{BufRead, IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Records handed to a worker at once.
const BATCH: usize = 256;
/// Batches that wait, for each worker.
const WAITING: usize = 4;
const PROGRESS: Duration = Duration::from_millis(200);

/// Where records come from: each is one JSON document.
pub(super) struct Lines {
    /// How many there are, where that is known.
    total: Option<u64>,
    next: Box<dyn FnMut() -> anyhow::Result<Vec<String>>>,
}

impl Lines {
    /// Of a data directory.
    pub(super) fn of_directory(directory: &Path, query: RecordQuery) -> anyhow::Result<Self> {
        let records = Records::open(directory)
            .with_context(|| format!("cannot read the records of `{}`", directory.display()))?;
        let total = Some(records.count(&query)?);
        let mut query = Some(query);
        let next = move || {
            let Some(current) = query.take() else { return Ok(Vec::new()) };
            let page = records.page(&current)?;
            query = page.more.then_some(RecordQuery { after: page.last, ..current });
            Ok(page.records)
        };
        Ok(Lines { total, next: Box::new(next) })
    }

    /// Of a stream of lines.
    pub(super) fn of_reader(mut reader: impl BufRead + 'static) -> Self {
        let next = move || {
            let mut lines = Vec::with_capacity(BATCH);
            while lines.len() < BATCH {
                let mut line = String::new();
                if reader.read_line(&mut line).context("the records end before their end")? == 0 {
                    break;
                }
                lines.push(line);
            }
            Ok(lines)
        };
        Lines { total: None, next: Box::new(next) }
    }
}

/// Replays all of them. The table does not depend on the number of threads.
pub(super) fn replay(bundle: &Bundle, mut lines: Lines, enforce_shadow: bool) -> anyhow::Result<Table> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let (send, receive) = mpsc::sync_channel::<Vec<String>>(workers * WAITING);
    let receive = Arc::new(Mutex::new(receive));
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|_| {
                let receive = Arc::clone(&receive);
                scope.spawn(move || work(bundle, &receive, enforce_shadow))
            })
            .collect();
        // The workers' handle: when they end early, sending fails.
        drop(receive);
        let mut progress = Progress::new(lines.total);
        let fed = feed(&mut lines, &send, &mut progress);
        drop(send);
        let mut table = Table::default();
        for handle in handles {
            table.merge(
                handle.join().map_err(|_| anyhow!("a thread ended; this is a mistake of the program"))??,
            );
        }
        progress.end();
        fed.map(|()| table)
    })
}

fn feed(
    lines: &mut Lines,
    send: &mpsc::SyncSender<Vec<String>>,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    loop {
        let mut batch = (lines.next)()?;
        if batch.is_empty() {
            return Ok(());
        }
        progress.add(batch.len());
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(BATCH));
            if send.send(batch).is_err() {
                // A worker has failed, and tells why.
                return Ok(());
            }
            batch = rest;
        }
    }
}

fn work(
    bundle: &Bundle,
    batches: &Mutex<mpsc::Receiver<Vec<String>>>,
    enforce_shadow: bool,
) -> anyhow::Result<Table> {
    let mut table = Table::default();
    loop {
        let batch = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return Ok(table) };
        for line in batch {
            let record: DecisionRecord = serde_json::from_str(&line)
                .context("a record cannot be read; was it written by a newer version?")?;
            let (principal, id) = (record.principal.name.clone(), record.decision_id.clone());
            let hidden = record.redaction.as_ref().is_some_and(Redactor::hides);
            match recall(record, bundle) {
                Recalled::Refused => table.add_refused(),
                Recalled::Text => table.add_unknown(portcullis_policy::replay::Unknown::Text),
                Recalled::Decided { .. } if hidden => {
                    table.add_unknown(portcullis_policy::replay::Unknown::Redacted);
                }
                Recalled::Decided { call, recorded } => {
                    let judgement = judge(bundle, &call, &recorded, enforce_shadow);
                    table.add(&call, &principal, &id, &recorded, judgement);
                }
            }
        }
    }
}

/// How far it is, on a terminal.
struct Progress {
    shown: bool,
    total: Option<u64>,
    done: usize,
    started: Instant,
    last: Option<Instant>,
}

impl Progress {
    fn new(total: Option<u64>) -> Self {
        Progress { shown: stderr().is_terminal(), total, done: 0, started: Instant::now(), last: None }
    }

    fn add(&mut self, count: usize) {
        self.done += count;
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < PROGRESS) {
            return;
        }
        self.last = Some(Instant::now());
        let done = super::super::super::output::grouped(self.done);
        let line = match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let part = (self.done as u64 * 20 / total).min(20) as usize;
                format!("[{:<20}] {done}", "=".repeat(part))
            }
            None => format!("{done} decisions, {} s", self.started.elapsed().as_secs()),
        };
        let _ = write!(stderr(), "\r\u{1b}[K{line}");
    }

    fn end(&self) {
        if self.shown && self.last.is_some() {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}
