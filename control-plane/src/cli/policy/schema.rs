//! `portcullis policy schema`.

use super::Ending;
use anyhow::Context;
use portcullis_policy::CEDAR_SCHEMA;
use portcullis_policy::schema::{SchemaKind, json_schema};
use std::io::{Write, stdout};
use std::path::PathBuf;

/// What the long help ends with.
pub(super) const HELP: &str = "\
Examples:
  portcullis policy schema --rules > rules.schema.json
  portcullis policy schema --write .vscode/portcullis
  portcullis policy schema --cedar > bundles/finance/cedar/schema.cedarschema

In VS Code, with the YAML extension, put this in the first line of a rule file:
  # yaml-language-server: $schema=../rules.schema.json

Exit codes:
  0  printed
  2  it cannot be written, or the command line is wrong";

/// Arguments of `policy schema`.
#[derive(Debug, clap::Args)]
#[group(id = "what", required = true, multiple = false, args = ["rules", "bundle", "tests", "cedar", "write"])]
pub struct Args {
    /// Of rule files, `rules/**`
    #[arg(long)]
    rules: bool,
    /// Of `bundle.yaml`
    #[arg(long)]
    bundle: bool,
    /// Of test cases, `tests/**`
    #[arg(long)]
    tests: bool,
    /// The schema that Cedar policies are validated against
    #[arg(long)]
    cedar: bool,
    /// Write all of them into this directory
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Ending> {
    if let Some(directory) = &args.write {
        let cannot = || format!("cannot write into `{}`", directory.display());
        std::fs::create_dir_all(directory).with_context(cannot)?;
        for kind in SchemaKind::ALL {
            std::fs::write(directory.join(kind.file_name()), text_of(kind)?).with_context(cannot)?;
        }
        std::fs::write(directory.join("schema.cedarschema"), CEDAR_SCHEMA).with_context(cannot)?;
        return Ok(Ending::Well);
    }
    let text = match args {
        Args { bundle: true, .. } => text_of(SchemaKind::Bundle)?,
        Args { tests: true, .. } => text_of(SchemaKind::Tests)?,
        Args { cedar: true, .. } => CEDAR_SCHEMA.to_owned(),
        Args { .. } => text_of(SchemaKind::Rules)?,
    };
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Ending::Well)
}

fn text_of(kind: SchemaKind) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(&json_schema(kind))?))
}
