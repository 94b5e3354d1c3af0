//! `portcullis audit proof`: that a decision is in the log, checked here with the public key, and kept as a file.

use super::super::client::Server;
use super::super::output::{Format, grouped, printable_json};
use crate::http::{InclusionView, LogKeys, show_time};
use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::{Checkpoint, Hash, SignedNote, VerifyingKey, verify_inclusion};
use std::io::{Write, stdout};
use std::process::ExitCode;

const HELP: &str = "\
The proof is checked here, not believed: the entry gives the leaf, the leaf and the hashes give the root, and the root is the one
that the checkpoint says, signed by the log's key. Give --key from a copy that is kept elsewhere; without it the server's own
answer is taken for the key, which proves nothing against whoever runs the server.

Exit codes: 0 proved; 1 the server cannot be reached, or has no such record; 2 the proof does not hold.

Examples:
  portcullis audit proof 019a9f3e-5c1d-7a3b-9c0e-2f6d8b1a4e57 --key log.vkey
  portcullis audit proof 019a9f3e-5c1d-7a3b-9c0e-2f6d8b1a4e57 --output json > proof.json";

/// Arguments of `audit proof`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Proof {
    #[command(flatten)]
    server: Server,
    /// The decision's id, as in `x-portcullis-decision-id`; or a call's or an event's
    #[arg(value_name = "ID")]
    id: String,
    /// The log's public key (`portcullis audit key show`), or a file with one key per line
    #[arg(long, value_name = "KEY|FILE")]
    key: Option<String>,
    /// How to print; JSON is the proof itself
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or knows no such record.
pub(super) fn run(args: &Proof) -> anyhow::Result<ExitCode> {
    let client = args.server.client()?;
    let keys = match &args.key {
        Some(key) => read_keys(key)?,
        None => parse_keys(&client.get::<LogKeys>("/v1/audit/keys", &[])?.keys.join("\n"))?,
    };
    let proof: InclusionView = client.get("/v1/audit/proof/inclusion", &[("id", args.id.clone())])?;
    let checked = check(&proof, &args.id, &keys);
    if args.output == Format::Json {
        writeln!(stdout(), "{}", printable_json(&serde_json::to_string_pretty(&proof)?))?;
    }
    let (checkpoint, key) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            eprintln!("error: the proof does not hold: {error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    if args.output == Format::Table {
        let records = |n: u64| grouped(usize::try_from(n).unwrap_or(usize::MAX));
        let mut out = stdout().lock();
        writeln!(out, "record      {} ({})", proof.entry.id, proof.entry.kind.as_str())?;
        writeln!(out, "logged      {}", show_time(proof.entry.time_ms))?;
        writeln!(out, "sha256      {}", hex::encode(proof.entry.sha256))?;
        writeln!(out, "place       {} of {}", records(proof.index), records(proof.size))?;
        writeln!(out, "log         {}", checkpoint.origin)?;
        writeln!(out, "root        {}", STANDARD.encode(checkpoint.root))?;
        writeln!(out, "signed by   {key}")?;
        if args.key.is_none() {
            writeln!(out, "proved, as far as the server's own word for its key goes; see --key")?;
        } else {
            writeln!(out, "proved")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The keys in a file, or the key itself.
pub(in crate::cli) fn read_keys(key: &str) -> anyhow::Result<Vec<VerifyingKey>> {
    if key.contains('+') && !std::path::Path::new(key).exists() {
        return parse_keys(key);
    }
    let text = std::fs::read_to_string(key).with_context(|| format!("cannot read the key file `{key}`"))?;
    parse_keys(&text).with_context(|| format!("in `{key}`"))
}

fn parse_keys(text: &str) -> anyhow::Result<Vec<VerifyingKey>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys =
        lines.map(|line| line.parse().with_context(|| format!("`{line}`"))).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        bail!("there is no key; `portcullis audit key show` prints it");
    }
    Ok(keys)
}

/// Everything that the server says of the record must follow from what the key has signed.
fn check<'k>(
    proof: &InclusionView,
    id: &str,
    keys: &'k [VerifyingKey],
) -> anyhow::Result<(Checkpoint, &'k VerifyingKey)> {
    if !proof.entry.id.eq_ignore_ascii_case(id) {
        bail!("it is about `{}`", proof.entry.id);
    }
    let note = proof.checkpoint.as_ref().context("there is no checkpoint of that size")?;
    let note = SignedNote::parse(note)?;
    let key = note.verify(keys)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    if checkpoint.origin != key.name() || checkpoint.size != proof.size {
        bail!(
            "the checkpoint is of another log or size: `{}`, {} records",
            checkpoint.origin,
            checkpoint.size
        );
    }
    let hash = |text: &String| STANDARD.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    let hashes: Option<Vec<Hash>> = proof.hashes.iter().map(hash).collect();
    let hashes = hashes.context("a hash is not 32 bytes in base64")?;
    verify_inclusion(&proof.entry.leaf(), proof.index, proof.size, &hashes, &checkpoint.root)?;
    Ok((checkpoint, key))
}
