//! `portcullis audit export`.

mod api;
mod progress;
#[cfg(test)]
mod tests;

use super::super::client::Server;
use super::super::output::{Format, grouped, printable_json};
use crate::clock;
use crate::export::formats::ExportFormat;
use crate::export::range::{Done, Packing, Place, Plan, Source, Split, StoreSource, run as export, stream};
use crate::export::schema;
use crate::export::target::Target;
use crate::http::{parse_time, show_time};
use crate::object::{Lock, LockMode};
use crate::storage::{LogKey, LogReader};
use anyhow::{Context, anyhow, bail};
use portcullis_audit::log::RecordKind;
use progress::Meter;
use sha2::{Digest, Sha256};
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
An export is a directory or prefix with the files of records, what proves them (`checkpoint`, `frontier`, `consistency`) and, last,
`manifest.json`. As jsonl it holds all of the range, and `portcullis audit verify` checks it with the log's public key only. Every file
appears under its name when it is whole; an export that was interrupted goes on with --resume, to the same files.

Records are read from the server (PORTCULLIS_URL, PORTCULLIS_ADMIN_TOKEN), or with --store from a data directory, also while a server
runs on it. Formats, and what their fields mean: docs/audit.md.

Examples:
  portcullis audit export --to audit-2026-11 --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z
  portcullis audit export --format parquet --to s3://evidence/portcullis --option region=eu-central-1 --split 256MB
  portcullis audit export --format ocsf --since 1h --kind decision,outcome --to - | siem-forwarder
  portcullis audit export --store /var/lib/portcullis --to /mnt/archive --lock-mode compliance --lock-until 2036-01-01T00:00:00Z
  portcullis audit export --schema > audit-record.schema.json";

/// Arguments of `audit export`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Export {
    #[command(flatten)]
    server: Server,
    /// Read this data directory instead of the server
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The key that signs the log, for statements (in-toto) [default: log.key in the data directory]
    #[arg(long, value_name = "FILE", requires = "store")]
    log_key_file: Option<PathBuf>,
    /// Into what
    #[arg(long, value_enum, default_value_t)]
    format: ExportFormat,
    /// A directory, s3://BUCKET/PREFIX, or `-` for the standard output
    #[arg(long, value_name = "PLACE", required_unless_present = "schema")]
    to: Option<String>,
    /// From this record on, counted from 0
    #[arg(long, value_name = "N", conflicts_with = "since")]
    from_index: Option<u64>,
    /// To the one before this
    #[arg(long, value_name = "N", conflicts_with = "until")]
    to_index: Option<u64>,
    /// Logged at or after: 2026-11-21T10:00:00Z, Unix milliseconds, or how long ago (15m, 2h, 7d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Logged before: likewise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only these kinds: decision, tool_call, answer_text, outcome, approval, bundle, admin, gap. As jsonl the entries of the others stay
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = kind)]
    kind: Vec<RecordKind>,
    /// How lines are packed [default: zstd; none for `-`]
    #[arg(long, value_enum)]
    compress: Option<Packing>,
    /// A file has so many records (100000), or about so many bytes before it is packed (64MB, 1GB)
    #[arg(long, value_name = "N|BYTES", default_value = "1000000", value_parser = split)]
    split: Split,
    /// Go on with an export that was interrupted
    #[arg(long)]
    resume: bool,
    /// An option of object storage, such as region=eu-central-1 or endpoint=https://minio:9000; AWS_… variables count too
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    options: Vec<(String, String)>,
    /// Lock every object (S3 Object Lock)
    #[arg(long, value_enum, requires = "lock_until")]
    lock_mode: Option<LockMode>,
    /// Until when: 2036-01-01T00:00:00Z or Unix milliseconds
    #[arg(long, value_name = "TIME", requires = "lock_mode")]
    lock_until: Option<String>,
    /// Where files are staged on their way into a bucket [default: a directory of its own under the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    staging: Option<PathBuf>,
    /// Print the JSON Schema of a line of jsonl, and export nothing
    #[arg(long)]
    schema: bool,
    /// How to print what was exported
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

fn kind(text: &str) -> Result<RecordKind, String> {
    let known = || RecordKind::ALL.map(RecordKind::as_str).join(", ");
    RecordKind::parse(text).ok_or_else(|| format!("there are {}", known()))
}

/// `100000`, `64MB`, `1GiB`
fn split(text: &str) -> Result<Split, String> {
    let units = [
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
    ];
    let unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| *number > 0);
    let found = match unit {
        Some((digits, factor)) => {
            number(digits).and_then(|number| number.checked_mul(factor)).map(Split::Bytes)
        }
        None => number(text).map(Split::Records),
    };
    found.ok_or_else(|| "write how many records (100000) or bytes (64MB, 1GB)".to_owned())
}

fn option(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs it.
///
/// # Errors
/// When the records cannot be read, or the place does not take the files.
pub(super) fn run(args: &Export) -> anyhow::Result<ExitCode> {
    if args.schema {
        stdout().lock().write_all(schema::text().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let to = args.to.as_deref().context("say where to: --to")?;
    let plan = plan(args, to)?;
    let mut source = source(args)?;
    let began = Instant::now();
    let mut meter = Meter::new();
    let mut progress = |done, total| meter.tell(done, total);
    if to == "-" {
        if args.format == ExportFormat::Parquet && stdout().is_terminal() {
            bail!("Parquet is nothing for a terminal; send it to a file, or say --to DIRECTORY");
        }
        stream(source.as_mut(), std::io::BufWriter::with_capacity(1 << 16, stdout()), &plan, &mut progress)?;
        meter.end();
        return Ok(ExitCode::SUCCESS);
    }
    let place = place(args, to)?;
    let done = export(source.as_mut(), &place, &plan, &mut progress)?;
    meter.end();
    tell(args, to, &done, began)?;
    Ok(ExitCode::SUCCESS)
}

fn plan(args: &Export, to: &str) -> anyhow::Result<Plan> {
    let now = clock::unix_ms();
    let time = |text: &Option<String>| text.as_deref().map(|text| parse_time(text, now)).transpose();
    let packing = match (args.compress, args.format) {
        (Some(Packing::Gzip | Packing::Zstd), ExportFormat::Parquet) => {
            bail!("Parquet packs its columns itself (zstd); leave --compress out")
        }
        (_, ExportFormat::Parquet) => Packing::None,
        (Some(packing), _) => packing,
        (None, _) if to == "-" => Packing::None,
        (None, _) => Packing::default(),
    };
    if to == "-" && (args.resume || args.lock_mode.is_some() || args.output == Format::Json) {
        bail!("`--to -` writes records and nothing else: no --resume, --lock-mode or --output");
    }
    Ok(Plan {
        format: args.format,
        packing,
        split: args.split,
        kinds: args.kind.clone(),
        first: args.from_index.unwrap_or(0),
        end: args.to_index,
        since_ms: time(&args.since).map_err(|error| anyhow!("--since: {error}"))?,
        until_ms: time(&args.until).map_err(|error| anyhow!("--until: {error}"))?,
        resume: args.resume,
    })
}

fn source(args: &Export) -> anyhow::Result<Box<dyn Source>> {
    if let Some(directory) = &args.store {
        let cannot = || format!("cannot read the log of `{}`", directory.display());
        let reader = LogReader::open(directory).with_context(cannot)?;
        let key = args.log_key_file.clone().map_or(LogKey::Directory, LogKey::File);
        return Ok(Box::new(StoreSource { reader, key }));
    }
    Ok(Box::new(api::Api::new(args.server.client()?)))
}

fn place(args: &Export, to: &str) -> anyhow::Result<Place> {
    let lock = match (args.lock_mode, &args.lock_until) {
        (Some(mode), Some(until)) => {
            let now = clock::unix_ms();
            let until_ms = parse_time(until, now).map_err(|error| anyhow!("--lock-until: {error}"))?;
            if until_ms <= now {
                bail!("--lock-until: {} is over", show_time(until_ms));
            }
            Some(Lock { mode, until_ms })
        }
        _ => None,
    };
    let options = args.options.iter().cloned().collect();
    let target =
        Target::open(to, &options, std::env::vars(), lock).map_err(|error| anyhow!("--to: {error}"))?;
    // The same place is staged in the same directory, so that an interrupted export finds its state.
    let own = || {
        std::env::temp_dir().join(format!(
            "portcullis-export-{}",
            &hex::encode(Sha256::digest(to)).get(..16).unwrap_or_default()
        ))
    };
    Place::new(target, args.staging.clone().unwrap_or_else(own))
}

fn tell(args: &Export, to: &str, done: &Done, began: Instant) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    if args.output == Format::Json {
        let mut told = serde_json::to_value(done)?;
        if let Some(told) = told.as_object_mut() {
            told.insert("to".to_owned(), to.into());
            told.insert("format".to_owned(), args.format.as_str().into());
        }
        writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&told)?))?;
        return Ok(());
    }
    let number = |number: u64| grouped(usize::try_from(number).unwrap_or(usize::MAX));
    let bytes: u64 = done.files.iter().map(|file| file.bytes).sum();
    writeln!(
        out,
        "records     {} (from {} to {})",
        number(done.end - done.first),
        number(done.first),
        number(done.end - 1)
    )?;
    writeln!(out, "log         {}, checkpoint of {} records", done.origin, number(done.checkpoint_size))?;
    writeln!(out, "files       {} ({} bytes), manifest.json", done.files.len(), number(bytes))?;
    if done.resumed_files > 0 {
        writeln!(out, "of before   {} files were there already", done.resumed_files)?;
    }
    writeln!(out, "to          {to}")?;
    writeln!(out, "took        {:.1} s", began.elapsed().as_secs_f64())?;
    out.flush()?;
    let _ = stderr().flush();
    Ok(())
}
