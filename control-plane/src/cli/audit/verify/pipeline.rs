//! One thread reads, some hash, one puts everything in order.
//!
//! ```text
//! source ─▶ steps, numbered ─▶ workers: digests, signatures ─▶ in order again ─▶ Verifier ─▶ findings
//! ```

use super::source::{Note, Source, Step};
use super::state::State;
use crate::cli::output::grouped;
use anyhow::{Context, anyhow};
use portcullis_audit::log::verify::{
    Code, Digest, Finding, Severity, Summary, Verifier, Whose, check_checkpoint, check_cosignatures,
};
use portcullis_audit::log::{Checkpoint, Frontier, Hash, RecordKind, VerifyingKey, WitnessKey};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Steps that wait, for each worker.
const WAITING: usize = 16;
const PROGRESS: Duration = Duration::from_millis(200);
/// So many findings of a code are listed; all are counted.
const LISTED: u64 = 10_000;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The log's name.
    pub(super) origin: String,
    pub(super) keys: Vec<VerifyingKey>,
    pub(super) witnesses: Vec<WitnessKey>,
    /// Checkpoints of before.
    pub(super) given: Vec<String>,
    pub(super) threads: usize,
    pub(super) deep: bool,
    /// The state file.
    pub(super) state: Option<PathBuf>,
}

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) origin: String,
    /// Of each stretch that was read without a break.
    pub(super) parts: Vec<Summary>,
    pub(super) findings: Vec<Finding>,
    pub(super) counts: BTreeMap<Code, u64>,
    /// The newest checkpoint with a good signature.
    pub(super) newest: Option<Checkpoint>,
    /// Witnesses that have cosigned it, each with its time, Unix seconds.
    pub(super) witnesses: Vec<(String, u64)>,
    pub(super) seconds: f64,
    /// Records that were read this time.
    pub(super) read: u64,
    /// Ctrl-C: and whether it can go on.
    pub(super) stopped: Option<Option<PathBuf>>,
}

impl Ended {
    pub(super) fn has(&self, severity: Severity) -> bool {
        self.counts.keys().any(|code| code.severity() == severity)
    }

    pub(super) fn exit_code(&self, strict: bool) -> ExitCode {
        if self.has(Severity::Integrity) {
            ExitCode::from(2)
        } else if self.stopped.is_some() {
            ExitCode::from(130)
        } else if strict && self.has(Severity::Completeness) {
            ExitCode::from(3)
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// A step that was worked on.
enum Done {
    Begin { frontier: Frontier, levels: u8, kinds: Vec<RecordKind> },
    Notes(Vec<Checked>),
    Nodes(Vec<portcullis_audit::log::verify::Node>),
    Records(Vec<Digest>, Vec<Finding>),
    Found(Finding),
}

/// A checkpoint that was looked at.
struct Checked {
    checkpoint: Option<Checkpoint>,
    whose: Whose,
    ahead: Option<(u64, Vec<Hash>)>,
    newest: bool,
    found: Vec<Finding>,
    witnesses: Vec<(String, u64)>,
}

fn work(step: Step, plan: &Plan) -> Done {
    match step {
        Step::Begin { frontier, levels, kinds } => Done::Begin { frontier, levels, kinds },
        Step::Nodes(nodes) => Done::Nodes(nodes),
        Step::Found(finding) => Done::Found(finding),
        Step::Rows(rows) => Done::Records(rows.iter().map(|row| row.digest(plan.deep)).collect(), Vec::new()),
        Step::Lines(lines) => {
            let (digests, found) = lines.digest(plan.deep);
            Done::Records(digests, found)
        }
        Step::Notes(notes) => Done::Notes(notes.into_iter().map(|note| check(note, plan)).collect()),
    }
}

fn check(note: Note, plan: &Plan) -> Checked {
    let Note { text, whose, beside, ahead, newest } = note;
    let mut checked =
        Checked { checkpoint: None, whose, ahead, newest, found: Vec::new(), witnesses: Vec::new() };
    match check_checkpoint(&text, &plan.origin, &plan.keys) {
        Err(mut finding) => {
            // Where it lies says of which size it should be.
            finding.index = finding.index.or(beside.map(|(size, _)| size));
            checked.found.push(finding);
        }
        Ok((checkpoint, signed)) => {
            if let Some((size, root)) = beside
                && (size != checkpoint.size || root.is_some_and(|root| root != checkpoint.root))
            {
                let why = format!(
                    "it lies where the checkpoint of {size} records should, and is of {}",
                    checkpoint.size
                );
                checked.found.push(Finding::at(Code::MisplacedCheckpoint, size, "", why));
            }
            if newest && !plan.witnesses.is_empty() {
                let (seen, found) = check_cosignatures(checkpoint.size, &signed, &plan.witnesses);
                checked.witnesses = seen;
                checked.found.extend(found);
            }
            checked.checkpoint = Some(checkpoint);
        }
    }
    checked
}

/// Verifies everything that the source gives.
///
/// # Errors
/// When the source cannot be read to its end.
pub(super) fn verify(mut source: Box<dyn Source>, plan: &Plan) -> anyhow::Result<Ended> {
    let started = Instant::now();
    let (name, total) = (source.name(), source.total());
    let state = match &plan.state {
        Some(path) => State::read(path, &name, &plan.origin)?,
        None => None,
    };
    let from = state.as_ref().and_then(|state| state.progress.next()).unwrap_or(0);
    let stop = interrupted(plan.state.is_some());
    let mut sink = Sink::new(plan, state, total);
    let (send, receive) = mpsc::sync_channel::<(u64, Step)>(plan.threads * WAITING);
    let receive = Arc::new(Mutex::new(receive));
    let (tell, hear) = mpsc::sync_channel::<(u64, Done)>(plan.threads * WAITING);
    let read = std::thread::scope(|scope| {
        for _ in 0..plan.threads {
            let (receive, tell) = (Arc::clone(&receive), tell.clone());
            scope.spawn(move || {
                loop {
                    let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((number, step)) = next else { return };
                    if tell.send((number, work(step, plan))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((receive, tell));
        let stop = &stop;
        let reader = scope.spawn(move || {
            let mut number = 0;
            source.read(from, &mut |step| {
                let sent = send.send((number, step)).is_ok();
                number += 1;
                sent && !stop.load(Ordering::Relaxed)
            })
        });
        let (mut next, mut early) = (0, BTreeMap::new());
        for (number, done) in hear {
            early.insert(number, done);
            while let Some(done) = early.remove(&next) {
                sink.take(done);
                next += 1;
            }
        }
        reader.join().map_err(|_| anyhow!("a thread ended; this is a mistake of the program"))?
    });
    sink.progress.end();
    read.context("the log could not be read to its end")?;
    let stopped = stop.load(Ordering::Relaxed);
    sink.end(&name, stopped, started)
}

/// Takes what was worked on, in order.
struct Sink<'a> {
    plan: &'a Plan,
    verifier: Option<Verifier>,
    resumed: Option<State>,
    parts: Vec<Summary>,
    findings: Vec<Finding>,
    counts: BTreeMap<Code, u64>,
    newest: Option<Checkpoint>,
    witnesses: Vec<(String, u64)>,
    read: u64,
    progress: Bar,
}

impl<'a> Sink<'a> {
    fn new(plan: &'a Plan, resumed: Option<State>, total: Option<u64>) -> Self {
        Sink {
            plan,
            verifier: None,
            resumed,
            parts: Vec::new(),
            findings: Vec::new(),
            counts: BTreeMap::new(),
            newest: None,
            witnesses: Vec::new(),
            read: 0,
            progress: Bar::new(total),
        }
    }

    fn found(&mut self, found: impl IntoIterator<Item = Finding>) {
        for finding in found {
            let count = self.counts.entry(finding.code).or_default();
            *count += 1;
            if *count <= LISTED {
                self.findings.push(finding);
            }
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Begin { frontier, levels, kinds } => self.begin(frontier, levels, kinds),
            Done::Nodes(nodes) => {
                if let Some(verifier) = &mut self.verifier {
                    nodes.into_iter().for_each(|node| verifier.node(node));
                }
            }
            Done::Found(finding) => self.found([finding]),
            Done::Notes(notes) => notes.into_iter().for_each(|note| self.note(note)),
            Done::Records(digests, found) => {
                self.found(found);
                self.read += digests.len() as u64;
                if let Some(verifier) = &mut self.verifier {
                    verifier.push(digests);
                    let found = verifier.found();
                    self.progress.show(verifier.next(), self.read);
                    self.found(found);
                }
            }
        }
    }

    fn begin(&mut self, frontier: Frontier, levels: u8, kinds: Vec<RecordKind>) {
        self.finish_part();
        let resumed = self.resumed.take().and_then(|state| {
            let verifier = Verifier::resume(state.progress, levels)?;
            Some((verifier, state.found))
        });
        let mut verifier = match resumed {
            Some((verifier, found)) => {
                self.found(found);
                verifier
            }
            None => {
                let mut verifier = Verifier::new(frontier, levels);
                verifier.only(kinds);
                verifier
            }
        };
        let first = self.parts.is_empty();
        for text in self.plan.given.iter().filter(|_| first) {
            let checked = check(Note { whose: Whose::Given, ..Note::kept(text.clone()) }, self.plan);
            if let Some(checkpoint) = &checked.checkpoint {
                verifier.expect(checkpoint.size, checkpoint.root, Whose::Given);
            }
            self.found(checked.found);
        }
        self.verifier = Some(verifier);
    }

    fn note(&mut self, note: Checked) {
        self.found(note.found);
        let Some(checkpoint) = note.checkpoint else { return };
        if let Some(verifier) = &mut self.verifier {
            match note.ahead {
                Some((end, proof)) if end != checkpoint.size => {
                    verifier.expect_ahead(checkpoint.size, checkpoint.root, end, proof);
                }
                _ if checkpoint.size >= verifier.next() || note.whose == Whose::Given => {
                    verifier.expect(checkpoint.size, checkpoint.root, note.whose);
                }
                _ => {}
            }
        }
        if note.newest {
            self.witnesses = note.witnesses;
        }
        if self.newest.as_ref().is_none_or(|newest| newest.size < checkpoint.size) {
            self.newest = Some(checkpoint);
        }
    }

    fn finish_part(&mut self) {
        if let Some(verifier) = self.verifier.take() {
            let (summary, found) = verifier.finish();
            self.found(found);
            self.parts.push(summary);
        }
    }

    fn end(mut self, source: &str, stopped: bool, started: Instant) -> anyhow::Result<Ended> {
        let mut kept = None;
        if stopped {
            // What was found so far stands; what is missing at the end is only not read yet.
            let whole = self.parts.is_empty();
            let progress = self.verifier.take().and_then(|verifier| verifier.progress()).filter(|_| whole);
            if let (Some(path), Some(progress)) = (&self.plan.state, progress) {
                let (source, origin) = (source.to_owned(), self.plan.origin.clone());
                State::new(source, origin, progress, self.findings.clone()).write(path)?;
                kept = Some(path.clone());
            }
        } else {
            self.finish_part();
            if let Some(path) = &self.plan.state
                && path.exists()
            {
                std::fs::remove_file(path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
        Ok(Ended {
            origin: self.plan.origin.clone(),
            parts: self.parts,
            findings: self.findings,
            counts: self.counts,
            newest: self.newest,
            witnesses: self.witnesses,
            seconds: started.elapsed().as_secs_f64(),
            read: self.read,
            stopped: stopped.then_some(kept),
        })
    }
}

/// Turns true when Ctrl-C is pressed. Without a state file Ctrl-C ends the program, as it always does.
fn interrupted(with_state: bool) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    if with_state {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if runtime.is_ok_and(|runtime| runtime.block_on(tokio::signal::ctrl_c()).is_ok()) {
                stop.store(true, Ordering::Relaxed);
            }
        });
    }
    stop
}

/// How far it is, on a terminal.
struct Bar {
    shown: bool,
    total: Option<u64>,
    started: Instant,
    last: Option<Instant>,
}

impl Bar {
    fn new(total: Option<u64>) -> Self {
        Bar { shown: stderr().is_terminal(), total, started: Instant::now(), last: None }
    }

    fn show(&mut self, at: u64, read: u64) {
        if !self.shown || self.last.is_some_and(|last| last.elapsed() < PROGRESS) {
            return;
        }
        self.last = Some(Instant::now());
        let number = |number: u64| grouped(usize::try_from(number).unwrap_or(usize::MAX));
        let speed = number((read as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64);
        let line = match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let part = (u128::from(at) * 20 / u128::from(total)).min(20) as usize;
                format!("[{:<20}] {} of {}, {speed}/s", "=".repeat(part), number(at), number(total))
            }
            None => format!("{} records, {speed}/s", number(at)),
        };
        let _ = write!(stderr(), "\r\u{1b}[K{line}");
    }

    fn end(&self) {
        if self.shown && self.last.is_some() {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}
