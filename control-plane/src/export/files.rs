//! Chunks as files: `records-FIRST-LAST.jsonl.zst`, and `manifest-FIRST-LAST.json` once they are there.

use super::chunk::{Chunk, ManifestFile, line, wanted};
use super::config::{Compression, Export, Files};
use super::follow::{Deliver, Delivered, Refusal};
use super::formats::ExportFormat;
use super::formats::ocsf;
use super::formats::parquet::{ParquetWriteError, ParquetWriter};
use super::target::Target;
use crate::clock;
use crate::object::Lock;
use portcullis_audit::log::{RecordKind, canonical};
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;

const DAY_MS: u64 = 86_400_000;
/// A file of that name says whose log is in a place.
const ORIGIN: &str = "origin";

/// Puts chunks into a directory or bucket.
pub(super) struct FileSink {
    export: Arc<Export>,
    files: Files,
    environment: Vec<(String, String)>,
    open: Mutex<Option<Open>>,
}

/// Neither options nor the environment: both have secrets.
impl std::fmt::Debug for FileSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FileSink").field(&self.export).finish()
    }
}

#[derive(Debug, Clone)]
struct Open {
    target: Target,
    day: u64,
    /// The log whose place it is known to be.
    origin: Option<String>,
}

impl Files {
    /// Opens the place. Objects that are written on that day (days since 1970) are locked for the time that is configured, at least.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn open(
        &self,
        day: u64,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Target, String> {
        let lock =
            self.lock.map(|(mode, days)| Lock { mode, until_ms: (day + days + 1).saturating_mul(DAY_MS) });
        Target::open(&self.to, &self.options, environment, lock)
    }
}

impl FileSink {
    pub(super) fn new(export: Arc<Export>, files: Files, environment: Vec<(String, String)>) -> Self {
        FileSink { export, files, environment, open: Mutex::default() }
    }

    /// The place, opened anew each day: the time of a lock is that of its opening.
    async fn target(&self, origin: &str) -> Result<Target, Refusal> {
        let day = clock::unix_ms() / DAY_MS;
        let mut open = self.open.lock().await;
        let mut current = match open.take().filter(|open| open.day == day) {
            Some(current) => current,
            None => {
                let target = self.files.open(day, self.environment.iter().cloned()).map_err(Refusal::from)?;
                Open { target, day, origin: None }
            }
        };
        if current.origin.as_deref() != Some(origin) {
            claim(&current.target, origin).await?;
            current.origin = Some(origin.to_owned());
        }
        Ok(open.insert(current).target.clone())
    }

    async fn put(&self, chunk: &Arc<Chunk>) -> Result<Delivered, Refusal> {
        let target = self.target(&chunk.origin).await?;
        let (own, export, files) = (Arc::clone(chunk), Arc::clone(&self.export), self.files.clone());
        let encoded = tokio::task::spawn_blocking(move || encode(&own, &export.kinds, &files)).await;
        let Encoded { bytes, records } = encoded.map_err(|error| Refusal::from(error.to_string()))??;
        let name = file_name(chunk, &self.files);
        let told = |error: super::target::TargetError| Refusal::from(error.to_string());
        let stored = target.put_bytes(&name, bytes).await.map_err(told)?;
        let sha256 = hex::encode(stored.sha256);
        let file = ManifestFile { name, bytes: stored.bytes, sha256, records };
        let manifest = chunk.manifest(&self.export, self.files.format.as_str(), vec![file]);
        let text = canonical(&manifest).map_err(|error| Refusal::from(error.to_string()))?;
        let name = format!("manifest-{}.json", chunk.name());
        // Last: whoever finds it finds what it names.
        let beside = target.put_bytes(&name, text.into_bytes()).await.map_err(told)?;
        Ok(Delivered { bytes: stored.bytes + beside.bytes, rejected: 0 })
    }
}

impl Deliver for FileSink {
    fn deliver<'a>(
        &'a self,
        chunk: &'a Arc<Chunk>,
    ) -> Pin<Box<dyn Future<Output = Result<Delivered, Refusal>> + Send + 'a>> {
        Box::pin(self.put(chunk))
    }
}

/// Two logs in one place would write over each other's files: the first to come has it.
async fn claim(target: &Target, origin: &str) -> Result<(), Refusal> {
    let told = |error: super::target::TargetError| Refusal::from(error.to_string());
    match target.get(ORIGIN).await.map_err(told)? {
        Some(found) if found.trim_ascii() == origin.as_bytes() => Ok(()),
        Some(found) => Err(Refusal::from(format!(
            "{target} holds the log `{}`, and this one is `{origin}`: give it a place of its own",
            String::from_utf8_lossy(found.trim_ascii())
        ))),
        None => {
            target.put_bytes(ORIGIN, format!("{origin}\n").into_bytes()).await.map_err(told)?;
            Ok(())
        }
    }
}

fn file_name(chunk: &Chunk, files: &Files) -> String {
    let format = files.format.extension();
    let packed = match files.compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    };
    format!("records-{}.{format}{packed}", chunk.name())
}

struct Encoded {
    bytes: Vec<u8>,
    records: u64,
}

fn encode(chunk: &Chunk, kinds: &[RecordKind], files: &Files) -> Result<Encoded, Refusal> {
    let broken = |error: std::io::Error| Refusal::from(format!("cannot pack a chunk: {error}"));
    let (plain, records) = match files.format {
        ExportFormat::Jsonl => {
            let mut lines = String::new();
            for record in &chunk.records {
                // Of other kinds the entries stay, so that the chunk can be verified.
                lines.push_str(&line(record, wanted(kinds, record)));
                lines.push('\n');
            }
            (lines.into_bytes(), chunk.records.len() as u64)
        }
        ExportFormat::Ocsf => {
            let mut lines = String::new();
            let written =
                ocsf::lines(&chunk.origin, &chunk.records, |record| wanted(kinds, record), &mut lines);
            (lines.into_bytes(), written.map_err(|error| Refusal::from(error.to_string()))?)
        }
        ExportFormat::Parquet => {
            let wrong = |error: ParquetWriteError| Refusal::from(error.to_string());
            let mut file = ParquetWriter::new(Vec::new(), &chunk.origin).map_err(wrong)?;
            let mut rows = 0;
            for record in chunk.of_kinds(kinds) {
                file.push(record).map_err(wrong)?;
                rows += 1;
            }
            (file.finish().map_err(wrong)?, rows)
        }
        ExportFormat::InToto => {
            return Err(Refusal::from("statements are not for continuous export".to_owned()));
        }
    };
    let bytes = match files.compression {
        Compression::None => plain,
        Compression::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            packer.write_all(&plain).and_then(|()| packer.finish()).map_err(broken)?
        }
        Compression::Zstd => zstd::encode_all(&plain[..], 3).map_err(broken)?,
    };
    Ok(Encoded { bytes, records })
}
