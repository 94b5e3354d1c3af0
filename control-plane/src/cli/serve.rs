//! `portcullis serve`.

use crate::config::{Config, RawConfig, Secrets};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use tracing_subscriber::EnvFilter;

const PRECEDENCE: &str = "\
Every option can be given as a flag, an environment variable, or a key of the configuration file (the flag's name with
underscores). Precedence: flag, environment, file, default. An unknown key in the file is an error.

Secrets come from files or from the environment only: PORTCULLIS_BOOTSTRAP_DATA_TOKEN, PORTCULLIS_BOOTSTRAP_ADMIN_TOKEN,
PORTCULLIS_MASTER_KEY.

Prints one line of JSON with the addresses in use. SIGTERM and SIGINT finish what is in flight; a second one does not.";

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub struct Args {
    /// The configuration file [default: portcullis.yaml in the working directory, if there is one]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_CONFIG")]
    config: Option<PathBuf>,

    /// What to log: a level, or directives such as `info,portcullis::storage=debug`
    #[arg(long, value_name = "FILTER", env = "PORTCULLIS_LOG", default_value = "info")]
    log: String,

    /// How to log to standard error
    #[arg(long, value_enum, env = "PORTCULLIS_LOG_FORMAT", default_value_t = LogFormat::Auto)]
    log_format: LogFormat,

    #[command(flatten)]
    options: RawConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

/// Runs the control plane until it is told to stop.
///
/// # Errors
/// A configuration that makes no sense, or anything that cannot be opened.
pub fn run(args: Args) -> anyhow::Result<()> {
    log_to_stderr(&args.log, args.log_format)?;
    let default = Path::new("portcullis.yaml");
    let file = match &args.config {
        Some(path) => RawConfig::from_file(path)?,
        None if default.exists() => RawConfig::from_file(default)?,
        None => RawConfig::default(),
    };
    let raw = args.options.or(file);
    let variable = |name: &str| std::env::var(name).ok();
    let secrets = Secrets::from_env(variable).with_named(&raw, variable);
    crate::serve::run(Config::check(raw, secrets)?)
}

fn log_to_stderr(filter: &str, format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        anyhow::anyhow!("`--log {filter}`: {error}; try `info` or `info,portcullis=debug`")
    })?;
    let terminal = std::io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    if format == LogFormat::Json || (format == LogFormat::Auto && !terminal) {
        builder.json().flatten_event(true).init();
    } else {
        builder.init();
    }
    Ok(())
}
