//! AWS's files: on disk and in S3, packed or not, one after the other.

use crate::object;
use anyhow::{Context, bail};
use flate2::bufread::MultiGzDecoder;
use object_store::ObjectStore;
use object_store::path::Path as Key;
use portcullis_reconcile::{Document, Names, Seen};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a place holds, as far as it matters for what is left out of it. What a file is, its content says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CloudTrail.
    CloudTrail,
    /// Model invocation logs.
    InvocationLogs,
}

/// What was read.
#[derive(Debug, Default, Serialize)]
pub struct Inputs {
    /// Files.
    pub files: u64,
    /// Bytes, as they are stored.
    pub bytes: u64,
    /// Events about Bedrock.
    pub events: u64,
    /// Events about something else.
    pub other_events: u64,
    /// Files that are none: digests, bodies of large prompts, files of another kind.
    pub skipped: u64,
    /// What could not be read, and where.
    pub unread: Vec<Unread>,
    /// SHA-256 over the SHA-256 of each file, in the order of their names.
    pub digest: String,
    #[serde(skip)]
    digests: BTreeMap<String, [u8; 32]>,
}

/// A place in a file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The file.
    pub file: String,
    /// Where in it.
    pub place: String,
    /// Why.
    pub what: String,
}

/// Objects that are fetched ahead.
const AHEAD: usize = 8;
/// Places that are named; a prefix of the wrong files has thousands.
const MAX_UNREAD: usize = 200;

/// Reads a file, all files below a directory, an object, or all objects below a prefix (`s3://bucket/prefix`).
pub(super) fn read(
    place: &str,
    format: Format,
    names: &mut Names,
    inputs: &mut Inputs,
    each: &mut dyn FnMut(Seen),
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let before = inputs.files;
    let mut reading = Reading { names, inputs, each, progress };
    if place.contains("://") {
        objects(place, format, &mut reading)?;
    } else {
        for path in local(Path::new(place), format, &mut reading.inputs.skipped)? {
            let file = File::open(&path).with_context(|| format!("cannot open `{}`", path.display()))?;
            reading.file(&path.display().to_string(), file);
        }
    }
    if inputs.files == before {
        bail!(
            "there are no logs in `{place}`; files of logs end in .json, .jsonl, .ndjson or .log, with .gz or .zst or without"
        );
    }
    let mut all = Sha256::new();
    inputs.digests.values().for_each(|digest| all.update(digest));
    inputs.digest = hex::encode(all.finalize());
    Ok(())
}

/// Files at a path, in the order of their names. A file that was named is read whatever its name is.
fn local(path: &Path, format: Format, skipped: &mut u64) -> anyhow::Result<Vec<PathBuf>> {
    let about = std::fs::metadata(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if !about.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut found, mut open) = (Vec::new(), vec![path.to_owned()]);
    while let Some(directory) = open.pop() {
        let entries = std::fs::read_dir(&directory)
            .with_context(|| format!("cannot list `{}`", directory.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list `{}`", directory.display()))?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                open.push(path);
            } else if is_log(&path.to_string_lossy(), format) {
                found.push(path);
            } else {
                *skipped += 1;
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The name is that of a file of logs.
fn is_log(name: &str, format: Format) -> bool {
    let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let packed = plain.len() < name.len();
    let known = [".json", ".jsonl", ".ndjson", ".log"].iter().any(|ending| plain.ends_with(ending));
    // Exports of CloudWatch Logs are called 000000.gz.
    let numbered = packed && plain.rsplit(['/', '\\']).next().is_some_and(|stem| !stem.contains('.'));
    // CloudTrail puts digests beside its logs; Bedrock puts bodies above 100 KB beside its own.
    let beside = match format {
        Format::CloudTrail => name.contains("CloudTrail-Digest") || name.contains("CloudTrail-Insight"),
        Format::InvocationLogs => {
            name.contains("/data/") && (plain.ends_with("_input.json") || plain.ends_with("_output.json"))
        }
    };
    (known || numbered) && !beside
}

fn objects(url: &str, format: Format, reading: &mut Reading<'_>) -> anyhow::Result<()> {
    let place = object::open(url, &BTreeMap::new(), std::env::vars()).map_err(anyhow::Error::msg)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let keys = runtime
        .block_on(list(&place.store, &place.prefix, format, &mut reading.inputs.skipped))
        .with_context(|| format!("cannot list `{url}`"))?;
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let bucket = url.split('/').nth(2).unwrap_or_default();
    let mut waiting = keys.into_iter();
    let mut ahead: VecDeque<(Key, tokio::task::JoinHandle<object_store::Result<Vec<u8>>>)> = VecDeque::new();
    loop {
        while ahead.len() < AHEAD {
            let Some(key) = waiting.next() else { break };
            let (store, wanted) = (Arc::clone(&place.store), key.clone());
            let fetch = async move { Ok(store.get(&wanted).await?.bytes().await?.to_vec()) };
            ahead.push_back((key, runtime.spawn(fetch)));
        }
        let Some((key, fetched)) = ahead.pop_front() else { return Ok(()) };
        let bytes = runtime.block_on(fetched)?.with_context(|| format!("cannot read `{key}` of `{url}`"))?;
        reading.file(&format!("{scheme}://{bucket}/{key}"), Cursor::new(bytes));
    }
}

/// Keys below a prefix, or the one that is it, in order.
async fn list(
    store: &Arc<dyn ObjectStore>,
    prefix: &Key,
    format: Format,
    skipped: &mut u64,
) -> object_store::Result<Vec<Key>> {
    if !prefix.as_ref().is_empty() && store.head(prefix).await.is_ok() {
        return Ok(vec![prefix.clone()]);
    }
    let (mut keys, mut open) = (Vec::new(), vec![prefix.clone()]);
    while let Some(prefix) = open.pop() {
        let below = store.list_with_delimiter(Some(&prefix)).await?;
        open.extend(below.common_prefixes);
        for object in below.objects {
            if is_log(object.location.as_ref(), format) {
                keys.push(object.location);
            } else {
                *skipped += 1;
            }
        }
    }
    keys.sort();
    Ok(keys)
}

struct Reading<'a> {
    names: &'a mut Names,
    inputs: &'a mut Inputs,
    each: &'a mut dyn FnMut(Seen),
    progress: &'a mut dyn FnMut(&str),
}

impl Reading<'_> {
    /// Reads one file. What is wrong with it is noted, and the next one is read.
    fn file(&mut self, name: &str, file: impl Read) {
        self.inputs.files += 1;
        let mut raw = Hashing { inner: file, digest: Sha256::new(), bytes: 0 };
        let read = unpack(&mut raw).and_then(|reader| Document::read(reader, self.names, self.each));
        match read {
            Ok(document) => {
                self.inputs.events += document.events;
                self.inputs.other_events += document.other;
                for broken in document.broken {
                    self.unread(name, broken.place, broken.what);
                }
            }
            Err(error) => self.unread(name, "the end that could be read".to_owned(), error.to_string()),
        }
        // What a broken file has behind the break belongs to its digest.
        let _ = io::copy(&mut raw, &mut io::sink());
        self.inputs.bytes += raw.bytes;
        self.inputs.digests.insert(name.to_owned(), raw.digest.finalize().into());
        (self.progress)(&format!("{} files, {} events", self.inputs.files, self.inputs.events));
    }

    fn unread(&mut self, file: &str, place: String, what: String) {
        if self.inputs.unread.len() < MAX_UNREAD {
            self.inputs.unread.push(Unread { file: file.to_owned(), place, what });
        }
    }
}

/// Unpacks what is packed. The first bytes tell, not the name.
pub(super) fn unpack<'a>(reader: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut reader = BufReader::with_capacity(256 * 1024, reader);
    let start = reader.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(256 * 1024, MultiGzDecoder::new(reader)))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(BufReader::with_capacity(256 * 1024, zstd::stream::read::Decoder::with_buffer(reader)?))
    } else {
        Box::new(reader)
    })
}

struct Hashing<R> {
    inner: R,
    digest: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.digest.update(buffer.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_file_of_logs() {
        use Format::{CloudTrail, InvocationLogs};
        let day = "AWSLogs/123456789012/CloudTrail/eu-central-1/2026/11/21";
        for (name, format, expected) in [
            (
                format!("{day}/123456789012_CloudTrail_eu-central-1_20261121T1000Z_abc.json.gz"),
                CloudTrail,
                true,
            ),
            ("AWSLogs/1/CloudTrail-Digest/eu-central-1/2026/11/21/x.json.gz".to_owned(), CloudTrail, false),
            (
                "AWSLogs/1/BedrockModelInvocationLogs/r/2026/11/21/10/20261121T100000000Z_abc.json.gz"
                    .to_owned(),
                InvocationLogs,
                true,
            ),
            (
                "AWSLogs/1/BedrockModelInvocationLogs/r/2026/11/21/10/data/uuid_input.json.gz".to_owned(),
                InvocationLogs,
                false,
            ),
            (
                "AWSLogs/1/BedrockModelInvocationLogs/amazon-bedrock-logs-permission-check".to_owned(),
                InvocationLogs,
                false,
            ),
            ("exports/logstream/000000.gz".to_owned(), InvocationLogs, true),
            ("events.jsonl".to_owned(), CloudTrail, true),
            ("events.ndjson.zst".to_owned(), CloudTrail, true),
            ("README.md".to_owned(), CloudTrail, false),
            ("backup.tar.gz".to_owned(), CloudTrail, false),
        ] {
            println!("{name} {expected}");
            assert_eq!(is_log(&name, format), expected, "{name}");
        }
    }
}
