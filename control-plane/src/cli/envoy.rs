//! `portcullis envoy render`: gateway.yaml to an Envoy bootstrap.

use anyhow::Context;
use portcullis_envoy::Config;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write an Envoy bootstrap from a gateway.yaml (reference: docs/gateway.md).
    Render(Render),
}

#[derive(Debug, clap::Args)]
struct Render {
    /// The gateway.yaml; `-` reads standard input.
    #[arg(long, short)]
    config: PathBuf,
    /// Where to write; standard output when left out.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Write nothing: fail if --output is not what would be written.
    #[arg(long, requires = "output")]
    check: bool,
}

/// Runs the command.
///
/// # Errors
/// The gateway.yaml is refused, a file cannot be read or written, or --check found a difference.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Command::Render(render) = args.command;
    let text = read(&render.config)?;
    let config = Config::parse(&text).with_context(|| format!("`{}` is refused", render.config.display()))?;
    if config.filter.fail_open {
        eprintln!(
            "warning: failure_mode is open: calls pass undecided and unrecorded while no decision can be had"
        );
    }
    let bootstrap = portcullis_envoy::render(&config);
    match render.output {
        None => print!("{bootstrap}"),
        Some(output) if render.check => check(&output, &bootstrap)?,
        Some(output) => write(&output, &bootstrap)?,
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn check(output: &Path, bootstrap: &str) -> anyhow::Result<()> {
    let there = read(output)?;
    anyhow::ensure!(
        there == bootstrap,
        "`{}` is not what gateway.yaml says: render it again",
        output.display()
    );
    Ok(())
}

/// Through a new file, so that an Envoy that starts meanwhile reads the old or the new one, whole. The bootstrap may hold a
/// key (gateway credential), so it is not for others to read.
fn write(output: &Path, bootstrap: &str) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut name =
        output.file_name().with_context(|| format!("`{}` is not a file", output.display()))?.to_os_string();
    name.push(".new");
    let fresh = output.with_file_name(name);
    let _ = std::fs::remove_file(&fresh);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(&fresh)
        .with_context(|| format!("cannot write `{}`", fresh.display()))?;
    file.write_all(bootstrap.as_bytes())?;
    std::fs::rename(&fresh, output).with_context(|| format!("cannot write `{}`", output.display()))
}
