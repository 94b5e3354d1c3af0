//! `portcullis policy versions|push|activate|rollback|unpin`: bundles of a running server.

use super::super::client::{Client, Refused, Server};
use super::super::output::{Format, counted, printable, printable_json, table};
use super::snippet::{self, Paint};
use super::{Ending, source};
use crate::bundle::pack;
use crate::http::{BundleList, DiagnosticView, UploadView, VersionView, show_time};
use anyhow::bail;
use portcullis_policy::{Diagnostic, LoadError, Severity, SourceFile};
use serde_json::json;
use std::io::{Write, stderr, stdout};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the bundle is refused, and nothing has changed
  2  it could not be done: nothing has changed, unless the connection broke";

/// Arguments of `policy versions`.
///
/// Every bundle that was uploaded or found in the directory is a version, known by the digest of its files. `*` marks the
/// active one.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Versions {
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    server: Server,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Arguments of `policy push`.
///
/// Packs the bundle and uploads it. The server compiles it, checks its signature, and stores it as a version; the same files
/// are the same version, however often they come. With --activate it is in force when the command ends, and pinned: the
/// server's directory waits until `portcullis policy unpin`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES, after_long_help = "\
Examples:
  portcullis policy push bundles/finance --why 'limits for Q4'
  portcullis policy push bundles/finance --activate --why 'block nova, INC-4711'
  portcullis policy push finance.tar.gz --dry-run

Exit codes:
  0  done
  1  the bundle is refused, and nothing has changed
  2  it could not be done: nothing has changed, unless the connection broke")]
pub struct Push {
    /// The bundle: a directory, or a .tar.gz of one
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Make it active, and pin it
    #[arg(long, conflicts_with = "dry_run")]
    activate: bool,
    /// Let the server say whether it would take it, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    why: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `policy activate`.
///
/// Makes an uploaded version active, and pins it: it stays, also after a restart, until another one is activated, or
/// `portcullis policy unpin`. Calls that are being decided finish with the version that they began with.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Activate {
    /// The version's digest, or its first characters
    #[arg(value_name = "DIGEST")]
    digest: String,
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `policy rollback`.
///
/// Makes the version active that was active before the present one, and pins it. It does not matter whether either came
/// from the directory or over the API. Doing it twice leads back.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Rollback {
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    common: Common,
}

/// Arguments of `policy unpin`.
///
/// Makes active what the server's directory holds now, and follows the directory again. Refused while what it holds does
/// not load: the pin stays then.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Unpin {
    /// The reason, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    server: Server,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn list(args: &Versions) -> anyhow::Result<Ending> {
    let query = [("limit", args.limit.to_string())];
    let bundles: BundleList = args.server.client()?.get("/v1/bundles", &query)?;
    let mut out = stdout().lock();
    if args.output == Format::Json {
        writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&bundles)?))?;
        return Ok(Ending::Well);
    }
    let heading = ["", "DIGEST", "NAME", "VERSION", "RULES", "FROM", "SIGNED BY", "STORED", "WHO", "WHY"];
    table(&mut out, &heading, &bundles.versions.iter().map(row).collect::<Vec<_>>())?;
    out.flush()?;
    for line in state(&bundles) {
        eprintln!("{}", printable(&line));
    }
    Ok(Ending::Well)
}

fn row(version: &VersionView) -> Vec<String> {
    vec![
        if version.active { "*" } else { "" }.to_owned(),
        short(&version.digest).to_owned(),
        version.name.clone(),
        version.version.clone(),
        version.rules.to_string(),
        version.source.clone(),
        version.signed_by.clone().unwrap_or_else(|| "-".to_owned()),
        show_time(version.stored_at_ms),
        version.who.clone(),
        version.why.clone(),
    ]
}

/// What the table does not say.
fn state(bundles: &BundleList) -> Vec<String> {
    let mut lines = Vec::new();
    let active = &bundles.active;
    if let Some(pin) = &bundles.pin {
        let (digest, since) = (short(&pin.digest), show_time(pin.at_ms));
        lines.push(format!("{digest} is pinned by {} since {since}: {}", pin.who, pin.why));
    }
    if let Some(directory) = active.directory.as_ref().filter(|directory| active.pinned && directory.differs)
    {
        let source = &directory.source;
        lines.push(match directory.errors.first() {
            Some(error) => format!("{source} waits, and does not load: {error}"),
            None => format!("{source} waits with {} ({})", short(&directory.digest), directory.name),
        });
    }
    lines.extend(active.errors.iter().map(|error| format!("refused: {error}")));
    if !active.loaded {
        lines.push("no bundle is active: every call is refused".to_owned());
    }
    lines
}

pub(super) fn push(args: &Push) -> anyhow::Result<Ending> {
    let client = args.common.server.client()?;
    let name = args.bundle.display();
    let files = match source::read(&args.bundle)? {
        Ok(files) => files,
        Err(LoadError { diagnostics }) => {
            snippet::print(&mut stderr().lock(), Paint::stderr(), &diagnostics, &[])?;
            eprintln!("`{name}` cannot be packed; nothing was sent");
            return Ok(Ending::Findings);
        }
    };
    let archive = pack(&files)?;
    let size = format!("{} KiB", archive.len().div_ceil(1024));
    eprintln!("`{name}`: {}, {size} packed; the server compiles it …", counted(files.len(), "file"));
    let mut query = Vec::new();
    let path = if args.dry_run { "/v1/bundles/validate" } else { "/v1/bundles" };
    if !args.dry_run {
        query.push(("why", args.why.clone().unwrap_or_default()));
        query.push(("activate", args.activate.to_string()));
    }
    let result = client.upload::<UploadView>(path, &query, "application/gzip", &archive);
    finish(result, &args.common, &files, |done| match (done.active, args.dry_run, done.new) {
        (_, true, _) => "would be taken".to_owned(),
        (true, _, _) => "is active".to_owned(),
        (false, _, true) => {
            format!("is stored; `portcullis policy activate {}` makes it active", short(&done.digest))
        }
        (false, _, false) => {
            format!("was stored before; `portcullis policy activate {}` makes it active", short(&done.digest))
        }
    })
}

pub(super) fn activate(args: &Activate) -> anyhow::Result<Ending> {
    let client = args.common.server.client()?;
    let digest = resolve(&client, &args.digest)?;
    let path = format!("/v1/bundles/{digest}/activate");
    let result = client.post(&path, &json!({"why": args.why}));
    finish(result, &args.common, &[], |_| "is active, and pinned".to_owned())
}

pub(super) fn rollback(args: &Rollback) -> anyhow::Result<Ending> {
    let client = args.common.server.client()?;
    let result = client.post("/v1/bundles/rollback", &json!({"why": args.why}));
    finish(result, &args.common, &[], |_| "is active again, and pinned".to_owned())
}

pub(super) fn unpin(args: &Unpin) -> anyhow::Result<Ending> {
    let client = args.common.server.client()?;
    let result = client.delete_for("/v1/bundles/pin", &[("why", args.why.clone())]);
    finish(result, &args.common, &[], |_| "is active, and the directory is followed again".to_owned())
}

/// The one version whose digest begins like that.
fn resolve(client: &Client, prefix: &str) -> anyhow::Result<String> {
    if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!("`{prefix}` is no digest, nor the beginning of one; `portcullis policy versions` lists them");
    }
    let query = [("prefix", prefix.to_owned()), ("limit", "10".to_owned())];
    let found: BundleList = client.get("/v1/bundles", &query)?;
    match found.versions.as_slice() {
        [] => bail!("no version's digest begins with `{prefix}`; `portcullis policy versions` lists them"),
        [one] => Ok(one.digest.clone()),
        several => {
            let lines = several.iter().map(|version| {
                let VersionView { digest, name, version, .. } = version;
                format!("\n  {}  {name} {version}", digest.get(..prefix.len() + 12).unwrap_or(digest))
            });
            bail!("`{prefix}` begins several digests; write more of it:{}", lines.collect::<String>())
        }
    }
}

/// Prints what the server says: what became of the bundle, or what is wrong with it.
fn finish(
    result: anyhow::Result<UploadView>,
    common: &Common,
    files: &[SourceFile],
    became: impl Fn(&UploadView) -> String,
) -> anyhow::Result<Ending> {
    let mut out = stdout().lock();
    let done = match result.map_err(anyhow::Error::downcast::<Refused>) {
        Ok(done) => done,
        Err(Ok(Refused(problem))) if problem.status == 422 => {
            if common.output == Format::Json {
                writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&problem)?))?;
            } else {
                let findings: Vec<_> = problem.diagnostics.iter().map(diagnostic).collect();
                snippet::print(&mut out, Paint::stdout(), &findings, files)?;
            }
            out.flush()?;
            eprintln!("the bundle is refused; what was active stays active");
            return Ok(Ending::Findings);
        }
        Err(Ok(refused)) => return Err(refused.into()),
        Err(Err(error)) => return Err(error),
    };
    let warnings: Vec<_> = done.warnings.iter().map(diagnostic).collect();
    snippet::print(&mut stderr().lock(), Paint::stderr(), &warnings, files)?;
    match common.output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&done)?))?,
        Format::Table => {
            let rules = counted(done.rules, "rule");
            let signed = done.signed_by.as_ref().map(|key| format!(", signed by {key}")).unwrap_or_default();
            let line = format!(
                "{} {} {} ({rules}{signed}) {}",
                short(&done.digest),
                done.name,
                done.version,
                became(&done)
            );
            writeln!(out, "{}", printable(&line))?;
        }
    }
    out.flush()?;
    Ok(Ending::Well)
}

fn diagnostic(view: &DiagnosticView) -> Diagnostic {
    Diagnostic {
        severity: if view.severity == "warning" { Severity::Warning } else { Severity::Error },
        path: view.path.clone(),
        line: view.line,
        column: view.column,
        message: view.message.clone(),
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
