//! The export itself.

use super::files::Place;
use super::part::{FilePart, Packing, Part, Shape};
use super::source::{Anchor, Signer, Source, frontier};
use super::state::{State, base64, tree};
use crate::export::formats::{ExportFormat, ocsf};
use crate::export::{Manifest, ManifestFile};
use crate::storage::Logged;
use anyhow::{Context, bail, ensure};
use portcullis_audit::log::{Frontier, Hash, RecordKind, verify_consistency};
use serde::{Deserialize, Serialize};
use std::io::Write;

/// When a file is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// So many records of the log.
    Records(u64),
    /// About so many bytes, before they are packed.
    Bytes(u64),
}

/// What is exported, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Into what.
    pub format: ExportFormat,
    /// How it is packed.
    pub packing: Packing,
    /// When a file is full.
    pub split: Split,
    /// Which kinds; empty: all.
    pub kinds: Vec<RecordKind>,
    /// From this record on.
    pub first: u64,
    /// To the one before this; `None`: as many as there are.
    pub end: Option<u64>,
    /// Entries at or after this time (Unix milliseconds) only …
    pub since_ms: Option<u64>,
    /// … and before this one.
    pub until_ms: Option<u64>,
    /// Goes on with an export that was interrupted.
    pub resume: bool,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The log.
    pub origin: String,
    /// Index of the first record.
    pub first: u64,
    /// Index of the record after the last.
    pub end: u64,
    /// The files, without the manifest and what proves them.
    pub files: Vec<ManifestFile>,
    /// Size of the tree of the checkpoint that they lead to.
    pub checkpoint_size: u64,
    /// Files that an interrupted export had left here.
    pub resumed_files: usize,
}

/// Hears how many records are done, of how many.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Exports into a place.
///
/// # Errors
/// When the log cannot be read, does not lead to its checkpoint, or the place does not take the files; for people. What is there is
/// whole, and can be gone on with.
pub fn run(
    source: &mut dyn Source,
    place: &Place,
    plan: &Plan,
    progress: Progress<'_>,
) -> anyhow::Result<Done> {
    let (mut state, resumed_files) = match begin(source, place, plan)? {
        Beginning::New(state) => (state, 0),
        Beginning::Again(state) => {
            let files = state.files.len();
            (state, files)
        }
    };
    let signer = signer(source, plan.format)?;
    let wanted = |logged: &Logged| plan.kinds.is_empty() || plan.kinds.contains(&logged.entry.kind);
    let (origin, anchor) = (state.origin.clone(), Anchor::parse(state.checkpoint.clone())?);
    let shape = Shape {
        origin: &origin,
        format: plan.format,
        packing: plan.packing,
        wanted: &wanted,
        sign: signer.as_deref(),
        checkpoint: (&anchor.note, anchor.checkpoint.size),
    };
    let mut grown = tree(state.next, &state.tree)?;
    let total = state.end - state.first;
    while state.next < state.end {
        let name = format!("records-{:012}.{}{}", state.next, plan.format.extension(), packed(plan));
        let staged = place.staged(&name);
        let mut part = FilePart::create(&staged, &shape)?;
        let limit = match plan.split {
            Split::Records(records) => state.next.saturating_add(records).min(state.end),
            Split::Bytes(_) => state.end,
        };
        while state.next < limit && !full(plan.split, &part) {
            let block = read_block(source, state.next, limit)?;
            add(&mut grown, &block, &mut state)?;
            let proofs = proofs(source, &block, &shape)?;
            part.push(&block, &proofs, &shape)?;
            progress(state.next - state.first, total);
        }
        let records = part.finish()?;
        let stored = place.put(&name, &staged)?;
        let sha256 = hex::encode(stored.sha256);
        state.files.push(ManifestFile { name, bytes: stored.bytes, sha256, records });
        state.tree = base64(grown.roots());
        state.save(&place.state())?;
    }
    finish(source, place, plan, state, &grown, resumed_files)
}

/// Exports to one stream: no manifest, no checkpoint, nothing to go on with.
///
/// # Errors
/// See [`run`].
pub fn stream(
    source: &mut dyn Source,
    out: impl Write + Send,
    plan: &Plan,
    progress: Progress<'_>,
) -> anyhow::Result<Done> {
    let anchor = source.anchor()?;
    let (first, end) = range(source, plan, anchor.checkpoint.size)?;
    let signer = signer(source, plan.format)?;
    let wanted = |logged: &Logged| plan.kinds.is_empty() || plan.kinds.contains(&logged.entry.kind);
    let origin = anchor.checkpoint.origin.clone();
    let (format, packing) = (plan.format, plan.packing);
    let checkpoint = (anchor.note.as_str(), anchor.checkpoint.size);
    let shape =
        Shape { origin: &origin, format, packing, wanted: &wanted, sign: signer.as_deref(), checkpoint };
    let mut part = Part::new(out, &shape)?;
    let mut next = first;
    while next < end {
        let block = read_block(source, next, end)?;
        next += block.len() as u64;
        let proofs = proofs(source, &block, &shape)?;
        part.push(&block, &proofs, &shape)?;
        progress(next - first, end - first);
    }
    part.finish()?;
    let checkpoint_size = anchor.checkpoint.size;
    Ok(Done { origin, first, end, files: Vec::new(), checkpoint_size, resumed_files: 0 })
}

fn signer(source: &dyn Source, format: ExportFormat) -> anyhow::Result<Option<Signer>> {
    if format == ExportFormat::InToto { source.signer().map(Some) } else { Ok(None) }
}

/// The inclusion proofs of a block, for the format that has them.
fn proofs(source: &mut dyn Source, block: &[Logged], shape: &Shape<'_>) -> anyhow::Result<Vec<Vec<Hash>>> {
    if shape.format != ExportFormat::InToto {
        return Ok(Vec::new());
    }
    block.iter().map(|logged| source.inclusion(logged.index, shape.checkpoint.1)).collect()
}

fn packed(plan: &Plan) -> &'static str {
    // Columns are packed in the file itself.
    if plan.format == ExportFormat::Parquet { "" } else { plan.packing.extension() }
}

enum Beginning {
    New(State),
    Again(State),
}

fn begin(source: &mut dyn Source, place: &Place, plan: &Plan) -> anyhow::Result<Beginning> {
    if place.has("manifest.json")? {
        bail!("there is a whole export in {place} already; give another place, or remove it");
    }
    let found = State::load(&place.state())?;
    if let Some(state) = found {
        if !plan.resume {
            bail!(
                "an export into {place} was interrupted at record {}: --resume goes on with it; to begin anew, remove `{}`",
                state.next,
                place.state().display()
            );
        }
        return again(source, place, plan, state).map(Beginning::Again);
    }
    let anchor = source.anchor()?;
    let size = anchor.checkpoint.size;
    let (first, end) = range(source, plan, size)?;
    let roots = base64(frontier(source, first, size)?.roots());
    let state = State {
        version: 1,
        origin: anchor.checkpoint.origin,
        format: plan.format,
        packing: plan.packing,
        split: plan.split,
        kinds: plan.kinds.clone(),
        first,
        end,
        checkpoint: anchor.note,
        frontier: roots.clone(),
        next: first,
        tree: roots,
        first_time_ms: 0,
        last_time_ms: 0,
        files: Vec::new(),
    };
    state.save(&place.state())?;
    Ok(Beginning::New(state))
}

/// Goes on where the last file that is there ends.
fn again(source: &mut dyn Source, place: &Place, plan: &Plan, state: State) -> anyhow::Result<State> {
    state.same(plan)?;
    let now = source.anchor()?.checkpoint;
    ensure!(
        now.origin == state.origin && now.size >= state.end,
        "the export that was interrupted is of the log `{}` with {} records; this is `{}` with {}",
        state.origin,
        state.end,
        now.origin,
        now.size
    );
    for file in &state.files {
        let found = place.size(&file.name)?;
        ensure!(
            found == Some(file.bytes),
            "{place} no longer has `{}` as it was written; remove `{}`, and begin anew",
            file.name,
            place.state().display()
        );
    }
    Ok(state)
}

/// The indexes that are asked for.
fn range(source: &mut dyn Source, plan: &Plan, size: u64) -> anyhow::Result<(u64, u64)> {
    let first = plan.since_ms.map_or(Ok(plan.first), |ms| first_at(source, ms, size))?;
    let end = plan.until_ms.map_or(Ok(plan.end.unwrap_or(size)), |ms| first_at(source, ms, size))?.min(size);
    ensure!(first < end, "there are no records in that range; the log has {size}, from 0 on");
    Ok((first, end))
}

/// The first record that was logged at or after a time: times never go back in a log.
fn first_at(source: &mut dyn Source, ms: u64, size: u64) -> anyhow::Result<u64> {
    let (mut low, mut high) = (0, size);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = source.records(middle, 1)?;
        let entry = &found.first().with_context(|| format!("the log has no record {middle}"))?.entry;
        if entry.time_ms < ms { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// Records from `next` on, to the end of their block: what belongs together is told together, however it is read.
fn read_block(source: &mut dyn Source, next: u64, limit: u64) -> anyhow::Result<Vec<Logged>> {
    let end = ((next / ocsf::BLOCK + 1) * ocsf::BLOCK).min(limit);
    let mut block: Vec<Logged> = Vec::new();
    loop {
        let from = next + block.len() as u64;
        let missing = u32::try_from(end - from).unwrap_or(u32::MAX);
        if missing == 0 {
            return Ok(block);
        }
        let page = source.records(from, missing)?;
        ensure!(!page.is_empty(), "the log ends at record {from}, and its checkpoint has more");
        let in_order = page.iter().zip(from..).all(|(logged, index)| logged.index == index);
        ensure!(in_order, "the log gives other records than those from {from} on");
        block.extend(page);
    }
}

fn add(grown: &mut Frontier, block: &[Logged], state: &mut State) -> anyhow::Result<()> {
    for logged in block {
        grown.push(logged.entry.leaf(), |_, _, _| {});
    }
    let (Some(first), Some(last)) = (block.first(), block.last()) else {
        bail!("a block of records is empty")
    };
    if first.index == state.first {
        state.first_time_ms = first.entry.time_ms;
    }
    state.last_time_ms = last.entry.time_ms;
    state.next = last.index + 1;
    Ok(())
}

fn full(split: Split, part: &FilePart) -> bool {
    matches!(split, Split::Bytes(bytes) if part.bytes() >= bytes)
}

/// What was read must be what was signed; then all that proves it, and the manifest last.
fn finish(
    source: &mut dyn Source,
    place: &Place,
    plan: &Plan,
    state: State,
    grown: &Frontier,
    resumed_files: usize,
) -> anyhow::Result<Done> {
    let Anchor { checkpoint, note } = Anchor::parse(state.checkpoint.clone())?;
    let proof = if state.end == checkpoint.size {
        Vec::new()
    } else {
        source.consistency(state.end, checkpoint.size)?
    };
    let leads = verify_consistency(state.end, checkpoint.size, &proof, &grown.root(), &checkpoint.root);
    leads.context(
        "the records do not lead to the log's checkpoint: the log was changed, or what it answers with; \
         `portcullis audit verify` tells where",
    )?;
    let manifest = Manifest {
        version: 1,
        origin: state.origin.clone(),
        export: String::new(),
        format: plan.format.as_str().to_owned(),
        kinds: state.kinds.clone(),
        first: state.first,
        end: state.end,
        first_time_ms: state.first_time_ms,
        last_time_ms: state.last_time_ms,
        files: state.files.clone(),
        frontier: state.frontier.clone(),
        checkpoint: note.clone(),
        consistency: base64(&proof),
        partial: partial(plan),
    };
    let lines =
        |hashes: &[String]| hashes.iter().map(|hash| format!("{hash}\n")).collect::<String>().into_bytes();
    if state.first > 0 {
        place.put_bytes("frontier", lines(&manifest.frontier))?;
    }
    if !proof.is_empty() {
        place.put_bytes("consistency", lines(&manifest.consistency))?;
    }
    place.put_bytes("checkpoint", note.into_bytes())?;
    place.put_bytes("manifest.json", serde_json::to_vec_pretty(&manifest)?)?;
    place.forget()?;
    let State { origin, first, end, files, .. } = state;
    Ok(Done { origin, first, end, files, checkpoint_size: checkpoint.size, resumed_files })
}

/// What of an export cannot be verified from its files, and how it can.
fn partial(plan: &Plan) -> Option<String> {
    let kinds = plan.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", ");
    let all = plan.kinds.is_empty();
    match plan.format {
        ExportFormat::Jsonl if all => None,
        ExportFormat::Jsonl => Some(format!(
            "records of the kinds {kinds} only; of the others there are the entries, so that the range can be verified as a whole"
        )),
        ExportFormat::InToto if all => Some(
            "the range as a whole is verified from an export as jsonl; each line is verified by its signature".to_owned(),
        ),
        _ => Some(format!(
            "{}the range as a whole is verified from an export as jsonl; a single record by its hash, with the inclusion proof of \
             `portcullis audit proof ID`",
            if all { String::new() } else { format!("records of the kinds {kinds} only; ") }
        )),
    }
}
