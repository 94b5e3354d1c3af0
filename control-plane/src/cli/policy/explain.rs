//! `portcullis policy explain`.

use super::super::client::{Server, segment};
use super::super::output::{Format, printable_json};
use super::snippet::{self, Paint};
use super::tree::{self, Show};
use super::{Ending, source};
use crate::app::ExplanationView;
use crate::http::DecisionView;
use anyhow::{Context, bail};
use portcullis_policy::testcase::read_call;
use portcullis_policy::{LoadError, SourceFile};
use std::io::{Read, Write, stdin, stdout};
use std::path::PathBuf;

/// What the long help ends with.
pub(super) const HELP: &str = "\
Examples:
  portcullis policy explain bundles/finance --call call.yaml
  echo '{principal: billing, model: anthropic.claude-3-haiku-20240307-v1:0}' | portcullis policy explain bundles/finance --call -
  portcullis policy explain --decision 019ab3c4-…               with the active bundle
  portcullis policy explain bundles/next --decision 019ab3c4-…  with another one

Exit codes:
  0  explained
  1  the bundle does not load, or the call makes no sense
  2  something cannot be read, or the server cannot be reached";

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: a directory, or a .tar.gz of one
    #[arg(value_name = "BUNDLE", required_unless_present = "decision")]
    bundle: Option<PathBuf>,
    /// The call: a file of YAML or JSON, or - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "decision", conflicts_with = "decision")]
    call: Option<PathBuf>,
    /// A recorded decision, as in `x-portcullis-decision-id`
    #[arg(long, value_name = "ID")]
    decision: Option<String>,
    /// Every rule, also those that are far from holding
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    server: Server,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Ending> {
    let view = match (&args.decision, &args.bundle) {
        (Some(id), bundle) => recorded(args, id, bundle.as_ref())?,
        (None, Some(bundle)) => written(args, bundle)?,
        (None, None) => bail!("say which bundle"),
    };
    let Some(view) = view else { return Ok(Ending::Findings) };
    let mut out = stdout().lock();
    match args.output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&view)?))?,
        Format::Table => {
            let show = if args.all { Show::All } else { Show::Near };
            tree::print(&mut out, Paint::stdout(), &view, show)?;
        }
    }
    out.flush()?;
    Ok(Ending::Well)
}

/// `None` when the bundle or the call is no good; the findings are printed then.
fn written(args: &Args, bundle: &std::path::Path) -> anyhow::Result<Option<ExplanationView>> {
    let Some(bundle) = source::compiled(bundle)? else { return Ok(None) };
    let path = args.call.as_deref().context("say which call")?;
    let (name, bytes) = read_file(path)?;
    match read_call(&name, &bytes) {
        Ok(spec) => Ok(Some(ExplanationView::of(&bundle, &spec.complete(&bundle)))),
        Err(LoadError { diagnostics }) => {
            let file = SourceFile { path: name, bytes };
            snippet::print(&mut stdout().lock(), Paint::stdout(), &diagnostics, &[file])?;
            Ok(None)
        }
    }
}

fn read_file(path: &std::path::Path) -> anyhow::Result<(String, Vec<u8>)> {
    if path.as_os_str() != "-" {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        return Ok((path.display().to_string(), bytes));
    }
    let mut bytes = Vec::new();
    stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    // JSON has tabs where YAML has none.
    let json = bytes.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
    Ok((if json { "stdin.json" } else { "stdin" }.to_owned(), bytes))
}

fn recorded(args: &Args, id: &str, bundle: Option<&PathBuf>) -> anyhow::Result<Option<ExplanationView>> {
    let (id, client) = (segment(id)?, args.server.client()?);
    let Some(bundle) = bundle else {
        return client.get(&format!("/v1/decisions/{id}/explain"), &[]).map(Some);
    };
    let Some(bundle) = source::compiled(bundle)? else { return Ok(None) };
    let decision: DecisionView = client.get(&format!("/v1/decisions/{id}"), &[])?;
    let view = ExplanationView::of_record(&bundle, decision.record);
    view.map(Some).context("the call was refused before policy was asked; see `portcullis audit search --id`")
}
