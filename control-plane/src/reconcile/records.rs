//! Our side: decisions and what became of them, from any place that has records.

use super::files::unpack;
use crate::storage::LogReader;
use anyhow::Context;
use portcullis_reconcile::{Names, Ours, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// A place that has records.
pub trait Records {
    /// Gives every decision on a call to AWS, with what became of it, in any order.
    ///
    /// # Errors
    /// When the place cannot be read to its end.
    fn each(
        &mut self,
        names: &mut Names,
        each: &mut dyn FnMut(Ours),
        progress: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Tally>;
}

/// What was read of ours.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Records.
    pub records: u64,
    /// Records that were pruned: their calls are not known any more.
    pub pruned: u64,
    /// Calls to other providers than AWS.
    pub other_providers: u64,
    /// Outcomes whose decision was not among the records.
    pub outcomes_alone: u64,
    /// Times at which gates let calls out, or lost outcomes, without a record.
    pub gaps: Vec<Gap>,
    /// Lines that could not be read, and why.
    pub broken: Vec<String>,
}

/// A gap that a gate has told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// When it was recorded, Unix milliseconds.
    pub at_ms: u64,
    /// The gate.
    pub gate: String,
    /// What it says.
    pub detail: serde_json::Value,
}

/// Records in files, as JSON Lines: exported with their entries, alone, or as the API shows decisions. A directory stands for
/// the files of an export in it.
#[derive(Debug)]
pub struct Lines(pub Vec<PathBuf>);

/// Longest line: a record is far below it.
const MAX_LINE: u64 = 64 * 1024 * 1024;
/// Broken lines that are named.
const MAX_BROKEN: usize = 50;
/// Gaps that are listed.
const MAX_GAPS: usize = 1_000;

impl Records for Lines {
    fn each(
        &mut self,
        names: &mut Names,
        each: &mut dyn FnMut(Ours),
        progress: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Tally> {
        let mut joiner = Joiner::new(names, each);
        for path in &expanded(&self.0)? {
            let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
            let mut reader = unpack(file).with_context(|| format!("cannot read `{}`", path.display()))?;
            let (mut line, mut number) = (Vec::new(), 0_u64);
            loop {
                line.clear();
                let count = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line);
                if count.with_context(|| format!("cannot read `{}` behind line {number}", path.display()))?
                    == 0
                {
                    break;
                }
                number += 1;
                if let Err(error) = joiner.line(&line) {
                    joiner.broken(format!("{}, line {number}: {error}", path.display()));
                }
                if number.is_multiple_of(50_000) {
                    progress(&format!("{} records", joiner.tally.records));
                }
            }
        }
        Ok(joiner.finish())
    }
}

/// Each directory replaced by the files of records in it, in the order of the log.
fn expanded(places: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for place in places {
        if !place.is_dir() {
            files.push(place.clone());
            continue;
        }
        let entries =
            std::fs::read_dir(place).with_context(|| format!("cannot list `{}`", place.display()))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
        let is_records = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with("records-") && name.contains(".jsonl")
        };
        let mut found: Vec<PathBuf> = paths.into_iter().filter(is_records).collect();
        anyhow::ensure!(!found.is_empty(), "there are no files `records-….jsonl` in `{}`", place.display());
        found.sort();
        files.append(&mut found);
    }
    Ok(files)
}

/// The records of a store, whether a server has it open or not.
#[derive(Debug)]
pub struct Stored(pub LogReader);

/// Records that are read at once, and how much of them.
const PAGE: u32 = 2_000;
const PAGE_BYTES: usize = 16 * 1024 * 1024;

impl Records for Stored {
    fn each(
        &mut self,
        names: &mut Names,
        each: &mut dyn FnMut(Ours),
        progress: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Tally> {
        let mut joiner = Joiner::new(names, each);
        let mut from = 0;
        loop {
            let page = self.0.records(from, PAGE, PAGE_BYTES)?;
            let Some(last) = page.last() else { return Ok(joiner.finish()) };
            from = last.index + 1;
            for logged in page {
                match logged.record {
                    Some(record) => {
                        let read = serde_json::from_str(&record).map_err(anyhow::Error::from);
                        if let Err(error) = read.and_then(|record| joiner.record(record)) {
                            joiner.broken(format!("record {} of the store: {error}", logged.index));
                        }
                    }
                    None => joiner.pruned(),
                }
            }
            progress(&format!("{} records", joiner.tally.records));
        }
    }
}

/// Brings decisions and outcomes together, whichever comes first. Holds those that wait for the other half: in the order of
/// the log, as many as there were calls at one time.
pub struct Joiner<'a> {
    names: &'a mut Names,
    each: &'a mut dyn FnMut(Ours),
    open: HashMap<String, Open>,
    /// What was read so far.
    pub tally: Tally,
}

/// A call, half or whole. More than one decision: the gate asked again when somebody had approved it.
#[derive(Debug, Default)]
struct Open {
    decisions: Vec<Ours>,
    outcome: Option<OutcomeLine>,
}

impl<'a> Joiner<'a> {
    /// Nothing yet.
    pub fn new(names: &'a mut Names, each: &'a mut dyn FnMut(Ours)) -> Self {
        Joiner { names, each, open: HashMap::new(), tally: Tally::default() }
    }

    fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        let wrapped: Wrapped<'_> = serde_json::from_slice(line)?;
        match (wrapped.entry, wrapped.record) {
            (_, Some(record)) => self.record(serde_json::from_str(record.get())?),
            (Some(_), None) => {
                self.pruned();
                Ok(())
            }
            (None, None) => self.record(serde_json::from_slice(line)?),
        }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// When it is none.
    pub fn record(&mut self, record: RecordLine) -> anyhow::Result<()> {
        self.tally.records += 1;
        if record.event_id.is_some() || record.detail.is_some() {
            if record.kind.as_deref() == Some("gap") && self.tally.gaps.len() < MAX_GAPS {
                let RecordLine { at_ms, actor, detail, .. } = record;
                self.tally.gaps.push(Gap { at_ms, gate: actor, detail: detail.unwrap_or_default() });
            }
            return Ok(());
        }
        if record.verdict.is_none() {
            anyhow::ensure!(record.state.is_some(), "neither a decision nor an outcome nor an event");
            let call = record.call_id.clone();
            self.outcome(call, record.outcome_line());
            return Ok(());
        }
        if record.kind.as_deref().is_some_and(|kind| kind != "call") {
            return Ok(());
        }
        if record
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| endpoint.provider.as_deref().is_some_and(|name| name != "aws"))
        {
            self.tally.other_providers += 1;
            return Ok(());
        }
        let (call, shown) = (record.call_id.clone(), record.outcome.is_some() || record.state.is_some());
        let outcome = record.outcome.as_deref().cloned();
        let ours = record.ours(self.names);
        if shown {
            // As the API shows it: whole.
            (self.each)(with(ours, outcome.as_ref()));
            return Ok(());
        }
        let open = self.open.entry(call.clone()).or_default();
        open.decisions.push(ours);
        if open.outcome.as_ref().is_some_and(OutcomeLine::is_final) {
            self.close(&call);
        }
        Ok(())
    }

    fn outcome(&mut self, call: String, outcome: OutcomeLine) {
        let open = self.open.entry(call.clone()).or_default();
        // A late report replaces `unknown`, in whichever order they are read.
        if open.outcome.as_ref().is_none_or(|known| !known.is_final()) {
            open.outcome = Some(outcome);
        }
        let whole = open.outcome.as_ref().is_some_and(OutcomeLine::is_final) && !open.decisions.is_empty();
        if whole {
            self.close(&call);
        }
    }

    fn close(&mut self, call: &str) {
        let Some(Open { mut decisions, outcome }) = self.open.remove(call) else { return };
        decisions.sort_by(|one, other| {
            (one.decided_at_ms, &one.decision_id).cmp(&(other.decided_at_ms, &other.decision_id))
        });
        if decisions.is_empty() {
            self.tally.outcomes_alone += 1;
        }
        // The outcome is that of the decision that it names, else of the last one that let the call out.
        let named = outcome.as_ref().and_then(|outcome| outcome.decision_id.as_deref());
        let place = named.and_then(|id| decisions.iter().position(|ours| &*ours.decision_id == id));
        let place = place
            .or_else(|| decisions.iter().rposition(|ours| ours.allowed))
            .unwrap_or(decisions.len().saturating_sub(1));
        for (at, ours) in decisions.into_iter().enumerate() {
            (self.each)(with(ours, outcome.as_ref().filter(|_| at == place)));
        }
    }

    fn pruned(&mut self) {
        self.tally.records += 1;
        self.tally.pruned += 1;
    }

    fn broken(&mut self, what: String) {
        if self.tally.broken.len() < MAX_BROKEN {
            self.tally.broken.push(what);
        }
    }

    /// All was read: what waits for its other half waits in vain.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        let mut waiting: Vec<String> = self.open.keys().cloned().collect();
        waiting.sort_unstable();
        for call in waiting {
            self.close(&call);
        }
        self.tally
    }
}

/// A decision with what became of it.
fn with(ours: Ours, outcome: Option<&OutcomeLine>) -> Ours {
    let Some(outcome) = outcome else { return ours };
    let end = outcome.ended_at_ms.filter(|end| *end > 0).map(|end| {
        // The gate's clock may be another one; what it measured is not.
        let by_duration = ours.decided_at_ms.saturating_add(outcome.duration_ms);
        if end.abs_diff(by_duration) > 5_000 { by_duration } else { end }
    });
    Ours {
        forwarded: outcome.forwarded,
        state: match outcome.state.as_str() {
            "completed" => State::Completed,
            "failed" | "aborted" => State::Broken,
            "blocked" => State::Refused,
            _ => State::Unknown,
        },
        status: outcome.status,
        ended_at_ms: end,
        aws_request_id: outcome.aws_request_id.as_deref().map(Arc::from),
        tokens: outcome.usage.map(|usage| (usage.input_tokens, usage.output_tokens)),
        ..ours
    }
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow, default)]
    entry: Option<&'a RawValue>,
    #[serde(borrow, default)]
    record: Option<&'a RawValue>,
}

/// What is needed of a record of any kind; of decisions as the API shows them, too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RecordLine {
    decision_id: Option<String>,
    call_id: String,
    kind: Option<String>,
    decided_at_ms: u64,
    entrance: String,
    principal: PrincipalLine,
    credential: CredentialLine,
    endpoint: Option<EndpointLine>,
    operation: String,
    action: String,
    model: Option<ModelLine>,
    other_models: Vec<ModelLine>,
    verdict: Option<VerdictLine>,
    outcome: Option<Box<OutcomeLine>>,
    event_id: Option<String>,
    at_ms: u64,
    actor: String,
    detail: Option<serde_json::Value>,
    state: Option<String>,
    status: Option<u16>,
    aws_request_id: Option<String>,
    forwarded: bool,
    duration_ms: u64,
    ended_at_ms: Option<u64>,
    usage: Option<UsageLine>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PrincipalLine {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CredentialLine {
    access_key_id: Option<String>,
    account_hint: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointLine {
    provider: Option<String>,
    service: String,
    region: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModelLine {
    id: String,
    account: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VerdictLine {
    kind: String,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct UsageLine {
    input_tokens: u64,
    output_tokens: u64,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
struct OutcomeLine {
    decision_id: Option<String>,
    state: String,
    status: Option<u16>,
    aws_request_id: Option<String>,
    forwarded: bool,
    duration_ms: u64,
    ended_at_ms: Option<u64>,
    usage: Option<UsageLine>,
}

impl OutcomeLine {
    fn is_final(&self) -> bool {
        !matches!(self.state.as_str(), "unknown" | "pending")
    }
}

impl RecordLine {
    fn outcome_line(self) -> OutcomeLine {
        let RecordLine {
            decision_id,
            state,
            status,
            aws_request_id,
            forwarded,
            duration_ms,
            ended_at_ms,
            usage,
            ..
        } = self;
        let state = state.unwrap_or_default();
        OutcomeLine { decision_id, state, status, aws_request_id, forwarded, duration_ms, ended_at_ms, usage }
    }

    fn ours(self, names: &mut Names) -> Ours {
        // Re-signed calls reach AWS with the gateway's own credential: theirs says nothing about it.
        let own = self.entrance != "resign";
        let endpoint = self.endpoint.unwrap_or_default();
        let model_account = self.model.as_ref().and_then(|model| names.some(model.account.as_deref()));
        Ours {
            decision_id: self.decision_id.unwrap_or_default().into(),
            decided_at_ms: self.decided_at_ms,
            ended_at_ms: None,
            allowed: self.verdict.is_some_and(|verdict| verdict.kind == "allow"),
            forwarded: false,
            state: State::Unknown,
            status: None,
            aws_request_id: None,
            principal: names.keep(&self.principal.name),
            account: names.some(self.credential.account_hint.as_deref().filter(|_| own)),
            access_key_id: names.some(self.credential.access_key_id.as_deref().filter(|_| own)),
            service: names.keep(&endpoint.service),
            region: names.keep(&endpoint.region),
            operation: names.keep(&self.operation),
            action: names.keep(&self.action),
            models: self.model.iter().chain(&self.other_models).map(|model| names.keep(&model.id)).collect(),
            model_account,
            tokens: None,
        }
    }
}
