//! One file of an export while it is written: a format, packed, hashed by whoever takes it.

use crate::export::formats::parquet::ParquetWriter;
use crate::export::formats::{ExportFormat, intoto, jsonl, ocsf};
use crate::storage::Logged;
use anyhow::Context;
use flate2::write::GzEncoder;
use portcullis_audit::log::Hash;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// How text is packed.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// Not
    None,
    /// As gzip, `.gz`
    Gzip,
    /// As Zstandard, `.zst`
    #[default]
    Zstd,
}

impl Packing {
    /// What names end with.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Packing::None => "",
            Packing::Gzip => ".gz",
            Packing::Zstd => ".zst",
        }
    }
}

/// What of the records goes into a file, and how.
pub(super) struct Shape<'a> {
    pub(super) origin: &'a str,
    pub(super) format: ExportFormat,
    pub(super) packing: Packing,
    /// Which records are wanted.
    pub(super) wanted: &'a dyn Fn(&Logged) -> bool,
    /// Signs statements.
    pub(super) sign: Option<intoto::Sign<'a>>,
    /// The checkpoint that they lead to, and its size.
    pub(super) checkpoint: (&'a str, u64),
}

/// A file that is being written.
pub(super) enum Part<W: Write + Send> {
    Text { out: Packer<W>, lines: u64, bytes: u64, buffer: String },
    Parquet { out: ParquetWriter<W>, rows: u64, bytes: u64 },
}

/// Text on its way through a packer.
pub(super) enum Packer<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    fn new(out: W, packing: Packing) -> std::io::Result<Self> {
        Ok(match packing {
            Packing::None => Packer::None(out),
            Packing::Gzip => Packer::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Packing::Zstd => {
                let mut encoder = zstd::Encoder::new(out, 3)?;
                encoder.include_checksum(true)?;
                Packer::Zstd(encoder)
            }
        })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Packer::None(out) => out.write_all(bytes),
            Packer::Gzip(out) => out.write_all(bytes),
            Packer::Zstd(out) => out.write_all(bytes),
        }
    }

    fn finish(self) -> std::io::Result<W> {
        match self {
            Packer::None(out) => Ok(out),
            Packer::Gzip(out) => out.finish(),
            Packer::Zstd(out) => out.finish(),
        }
    }
}

pub(super) type FilePart = Part<BufWriter<File>>;

impl FilePart {
    pub(super) fn create(path: &Path, shape: &Shape<'_>) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
        Part::new(BufWriter::with_capacity(256 * 1024, file), shape)
    }
}

impl<W: Write + Send> Part<W> {
    pub(super) fn new(out: W, shape: &Shape<'_>) -> anyhow::Result<Self> {
        Ok(match shape.format {
            ExportFormat::Parquet => {
                Part::Parquet { out: ParquetWriter::new(out, shape.origin)?, rows: 0, bytes: 0 }
            }
            _ => {
                let out = Packer::new(out, shape.packing).context("cannot pack")?;
                Part::Text { out, lines: 0, bytes: 0, buffer: String::new() }
            }
        })
    }

    /// Adds consecutive records; of statements with the inclusion proof of each.
    pub(super) fn push(
        &mut self,
        records: &[Logged],
        proofs: &[Vec<Hash>],
        shape: &Shape<'_>,
    ) -> anyhow::Result<()> {
        match self {
            Part::Parquet { out, rows, bytes } => {
                for logged in records.iter().filter(|logged| (shape.wanted)(logged)) {
                    out.push(logged)?;
                    *rows += 1;
                    *bytes += logged.record.as_deref().map_or(0, str::len) as u64;
                }
            }
            Part::Text { out, lines, bytes, buffer } => {
                buffer.clear();
                *lines += text(records, proofs, shape, buffer)?;
                *bytes += buffer.len() as u64;
                out.write(buffer.as_bytes()).context("cannot write")?;
            }
        }
        Ok(())
    }

    /// Bytes of it before they are packed.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Part::Text { bytes, .. } | Part::Parquet { bytes, .. } => *bytes,
        }
    }

    /// Ends it; gives how many lines or rows it has.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        let (mut out, records) = match self {
            Part::Text { out, lines, .. } => (out.finish().context("cannot write")?, lines),
            Part::Parquet { out, rows, .. } => (out.finish()?, rows),
        };
        out.flush().context("cannot write")?;
        Ok(records)
    }
}

fn text(
    records: &[Logged],
    proofs: &[Vec<Hash>],
    shape: &Shape<'_>,
    out: &mut String,
) -> anyhow::Result<u64> {
    match shape.format {
        ExportFormat::Ocsf => Ok(ocsf::lines(shape.origin, records, shape.wanted, out)?),
        ExportFormat::InToto => {
            let sign = shape.sign.context("only the log's key can sign statements")?;
            let (checkpoint, size) = shape.checkpoint;
            let mut lines = 0;
            for (logged, hashes) in records.iter().zip(proofs).filter(|(logged, _)| (shape.wanted)(logged)) {
                let inclusion = intoto::Inclusion { checkpoint, size, hashes };
                intoto::line(shape.origin, logged, Some(inclusion), &sign, out)?;
                lines += 1;
            }
            Ok(lines)
        }
        _ => {
            for logged in records {
                if (shape.wanted)(logged) {
                    jsonl::line(logged, out);
                } else {
                    // Its entry stays, so that the whole can be verified.
                    jsonl::line(&Logged { record: None, ..logged.clone() }, out);
                }
            }
            Ok(records.len() as u64)
        }
    }
}
