//! Exports as JSON Lines: a directory with manifests, or one file with its checkpoint.

use super::source::{Lines, Note, Source, Step};
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::MultiGzDecoder;
use portcullis_audit::log::verify::{Code, Finding, Line};
use portcullis_audit::log::{Frontier, Hash, RecordKind};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines that are looked at together.
const BATCH: usize = 256;
/// Longest line; a record of a call is at most some megabytes.
const LONGEST: u64 = 256 * 1024 * 1024;
const BUFFER: usize = 256 * 1024;

/// An export.
#[derive(Debug)]
pub(super) struct Export {
    path: PathBuf,
    chunks: Vec<Chunk>,
}

/// Records without a gap, with what proves them.
#[derive(Debug)]
struct Chunk {
    /// The file that says so.
    manifest: String,
    directory: PathBuf,
    said: Manifest,
}

/// What lies beside the files (`export::Manifest`), as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Manifest {
    version: u32,
    format: String,
    kinds: Vec<RecordKind>,
    first: u64,
    end: Option<u64>,
    files: Vec<FileSaid>,
    frontier: Vec<String>,
    checkpoint: String,
    consistency: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct FileSaid {
    name: String,
    bytes: Option<u64>,
    sha256: Option<String>,
    records: Option<u64>,
}

impl Export {
    /// Finds its files; they are read later.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let told = || format!("cannot read `{}`", path.display());
        let metadata = std::fs::metadata(path).with_context(told)?;
        let chunks =
            if metadata.is_dir() { directory(path).with_context(told)? } else { vec![single(path)?] };
        for Chunk { manifest, said, .. } in &chunks {
            if said.version > 1 {
                bail!("`{manifest}` is of version {}; this program knows version 1", said.version);
            }
            if !said.format.is_empty() && said.format != "jsonl" {
                bail!(
                    "`{manifest}` is of an export as {}: only one as jsonl holds the whole log",
                    said.format
                );
            }
        }
        Ok(Export { path: path.to_owned(), chunks })
    }
}

/// The chunks of a directory, in the order of the log.
fn directory(path: &Path) -> anyhow::Result<Vec<Chunk>> {
    let (mut manifests, mut records) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with("manifest") && name.ends_with(".json") {
            manifests.push(name);
        } else if name.starts_with("records-") && name.contains(".jsonl") {
            records.push(name);
        }
    }
    manifests.sort_unstable();
    records.sort_unstable();
    let mut chunks = Vec::new();
    for name in manifests {
        let text = std::fs::read(path.join(&name))?;
        let said: Manifest =
            serde_json::from_slice(&text).with_context(|| format!("`{name}` is no manifest"))?;
        if said.files.iter().any(|file| Path::new(&file.name).components().count() != 1) {
            bail!("`{name}` names a file outside of its directory");
        }
        chunks.push(Chunk { manifest: name, directory: path.to_owned(), said });
    }
    if chunks.is_empty() {
        if records.is_empty() {
            bail!("it holds neither a manifest nor `records-….jsonl`");
        }
        let files =
            records.into_iter().map(|name| FileSaid { name, bytes: None, sha256: None, records: None });
        let said = Manifest { files: files.collect(), ..beside(path)? };
        chunks.push(Chunk { manifest: "checkpoint".to_owned(), directory: path.to_owned(), said });
    }
    chunks.sort_by_key(|chunk| chunk.said.first);
    Ok(chunks)
}

/// A file with what lies beside it.
fn single(path: &Path) -> anyhow::Result<Chunk> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let manifest = directory.join("manifest.json");
    let mut said = match std::fs::read(&manifest) {
        Ok(text) => serde_json::from_slice::<Manifest>(&text)
            .ok()
            .filter(|said| said.files.len() == 1 && said.files.iter().all(|file| file.name == name)),
        Err(_) => None,
    };
    if said.is_none() {
        let own = directory.join(format!("{name}.checkpoint"));
        let files = vec![FileSaid { name, bytes: None, sha256: None, records: None }];
        said = Some(match std::fs::read_to_string(own) {
            Ok(checkpoint) => Manifest { files, checkpoint, ..Manifest::default() },
            Err(_) => Manifest { files, ..beside(directory)? },
        });
    }
    let said = said.unwrap_or_default();
    Ok(Chunk { manifest: "checkpoint".to_owned(), directory: directory.to_owned(), said })
}

/// `checkpoint`, `frontier` and `consistency`, where there is no manifest.
fn beside(directory: &Path) -> anyhow::Result<Manifest> {
    let read = |name: &str| std::fs::read_to_string(directory.join(name));
    let checkpoint = read("checkpoint").with_context(|| {
        format!("there is no checkpoint beside the records (`{}`)", directory.join("checkpoint").display())
    })?;
    let lines =
        |name: &str| read(name).map(|text| text.lines().map(str::to_owned).collect()).unwrap_or_default();
    let (frontier, consistency) = (lines("frontier"), lines("consistency"));
    Ok(Manifest { checkpoint, frontier, consistency, ..Manifest::default() })
}

fn hashes(texts: &[String]) -> Option<Vec<Hash>> {
    texts.iter().map(|text| STANDARD.decode(text).ok()?.try_into().ok()).collect()
}

impl Source for Export {
    fn name(&self) -> String {
        std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone()).display().to_string()
    }

    fn total(&self) -> Option<u64> {
        let counts = self.chunks.iter().map(|chunk| Some(chunk.said.end?.saturating_sub(chunk.said.first)));
        counts.sum::<Option<u64>>()
    }

    fn read(&mut self, from: u64, give: &mut dyn FnMut(Step) -> bool) -> anyhow::Result<()> {
        let mut next: Option<u64> = None;
        for chunk in &self.chunks {
            let first = chunk.first()?;
            if next.is_none_or(|next| next != first) {
                if let Some(next) = next.filter(|next| *next < first) {
                    let why = "between two files of the export there is none with these records";
                    give(Step::Found(Finding::between(Code::MissingRecord, next, first, why)));
                }
                chunk.begin(first, give)?;
            }
            let Some(end) = chunk.read(first, from, give)? else { return Ok(()) };
            next = Some(chunk.said.end.unwrap_or(end).max(end));
        }
        Ok(())
    }
}

impl Chunk {
    /// Index of its first record: that of the manifest, else that of the first line.
    fn first(&self) -> anyhow::Result<u64> {
        if self.manifest != "checkpoint" {
            return Ok(self.said.first);
        }
        let Some(file) = self.said.files.first() else { return Ok(0) };
        let mut raw = Hashing::new(self.open(file)?);
        let mut line = Vec::new();
        unpack(&mut raw)?.take(LONGEST).read_until(b'\n', &mut line)?;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        // A frontier says where it begins; without one it begins with the log, or it cannot be verified anyway.
        let first = Line::parse(line).map_or(0, |line| line.index);
        Ok(if first.count_ones() as usize == self.said.frontier.len() { first } else { 0 })
    }

    fn open(&self, file: &FileSaid) -> anyhow::Result<File> {
        let path = self.directory.join(&file.name);
        File::open(&path).with_context(|| format!("cannot read `{}`", path.display()))
    }

    fn begin(&self, first: u64, give: &mut dyn FnMut(Step) -> bool) -> anyhow::Result<()> {
        let frontier = hashes(&self.said.frontier).and_then(|roots| Frontier::new(first, roots));
        let frontier = frontier.with_context(|| {
            format!("the frontier in `{}` is not that of a tree of {first} records", self.manifest)
        })?;
        give(Step::Begin { frontier, levels: 0, kinds: self.said.kinds.clone() });
        Ok(())
    }

    /// Gives its records; where they end. `None`: it is enough.
    fn read(&self, first: u64, from: u64, give: &mut dyn FnMut(Step) -> bool) -> anyhow::Result<Option<u64>> {
        let said = &self.said;
        let proof = hashes(&said.consistency).with_context(|| {
            format!("the consistency proof in `{}` is not hashes in base64", self.manifest)
        })?;
        let ahead = said.end.map(|end| (end, proof));
        give(Step::Notes(vec![Note { ahead, newest: true, ..Note::kept(said.checkpoint.clone()) }]));
        let mut index = first;
        for file in &said.files {
            let begun = index;
            let Some(read) = self.file(file, &mut index, from, give)? else { return Ok(None) };
            let differs = |why: String| {
                let why = format!("`{}` is not the file that `{}` names: {why}", file.name, self.manifest);
                Finding::between(
                    Code::ChangedManifest,
                    begun,
                    begun.saturating_add(file.records.unwrap_or(0)).max(index),
                    why,
                )
            };
            if file.bytes.is_some_and(|bytes| bytes != read.bytes) {
                give(Step::Found(differs(format!("it has {} bytes", read.bytes))));
            } else if file.sha256.as_ref().is_some_and(|sha256| *sha256 != read.sha256) {
                give(Step::Found(differs("its SHA-256 is another".to_owned())));
            }
            if file.records.is_some_and(|records| records != read.lines) {
                give(Step::Found(differs(format!("it has {} records", read.lines))));
            }
        }
        if let Some(end) = said.end.filter(|end| *end != index) {
            let why = format!("`{}` says that the records end at {end}, they end at {index}", self.manifest);
            give(Step::Found(Finding::between(Code::ChangedManifest, index.min(end), index.max(end), why)));
        }
        Ok(Some(index))
    }

    /// The lines of a file, but for those before `from`.
    fn file(
        &self,
        file: &FileSaid,
        index: &mut u64,
        from: u64,
        give: &mut dyn FnMut(Step) -> bool,
    ) -> anyhow::Result<Option<Raw>> {
        let name: Arc<str> = file.name.as_str().into();
        let mut raw = Hashing::new(self.open(file)?);
        let mut lines = 0;
        let mut broken = None;
        {
            let mut reader = unpack(&mut raw).with_context(|| format!("cannot unpack `{name}`"))?;
            let mut batch = Lines { file: Arc::clone(&name), first: 1, bytes: Vec::new() };
            let mut held = 0;
            loop {
                let before = batch.bytes.len();
                let read = (&mut reader).take(LONGEST).read_until(b'\n', &mut batch.bytes);
                let more = match read {
                    Ok(count) => count > 0,
                    Err(error) => {
                        broken = Some(error);
                        false
                    }
                };
                if more {
                    lines += 1;
                    *index += 1;
                    if *index <= from {
                        batch.bytes.truncate(before);
                        batch.first = lines + 1;
                        continue;
                    }
                    held += 1;
                }
                // To the border of a tile.
                if held > 0 && (!more || held >= BATCH || index.is_multiple_of(BATCH as u64)) {
                    let next = Lines {
                        file: Arc::clone(&name),
                        first: lines + 1,
                        bytes: Vec::with_capacity(batch.bytes.len()),
                    };
                    held = 0;
                    if !give(Step::Lines(std::mem::replace(&mut batch, next))) {
                        return Ok(None);
                    }
                }
                if !more {
                    break;
                }
            }
        }
        if let Some(error) = broken {
            let why = format!("`{name}` ends behind line {lines}: {error}");
            give(Step::Found(Finding::between(Code::Malformed, *index, index.saturating_add(1), why)));
        }
        // What lies behind the end of what was packed belongs to the file as well.
        io::copy(&mut raw, &mut io::sink())?;
        Ok(Some(Raw { bytes: raw.bytes, sha256: hex::encode(raw.digest.finalize()), lines }))
    }
}

/// A file as it was read.
struct Raw {
    bytes: u64,
    sha256: String,
    lines: u64,
}

/// Unpacks what is packed. The first bytes tell, not the name.
fn unpack<'a>(reader: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut reader = BufReader::with_capacity(BUFFER, reader);
    let start = reader.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(reader)))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(BufReader::with_capacity(BUFFER, zstd::stream::read::Decoder::with_buffer(reader)?))
    } else {
        Box::new(reader)
    })
}

struct Hashing {
    inner: File,
    digest: Sha256,
    bytes: u64,
}

impl Hashing {
    fn new(inner: File) -> Self {
        Hashing { inner, digest: Sha256::new(), bytes: 0 }
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}
