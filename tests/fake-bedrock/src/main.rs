//! `fake-bedrock`: the fake as a process of its own.

use anyhow::{Context, Result};
use clap::Parser;
use fake_bedrock::{Config, FakeBedrock, Principals};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An Amazon Bedrock on loopback that verifies signatures and records what reached it.
#[derive(Parser)]
struct Options {
    /// TLS listener (HTTP/1.1 and h2).
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Control API, plain HTTP: GET and DELETE /calls.
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Also serve over plain HTTP here.
    #[arg(long)]
    plain: Option<SocketAddr>,
    /// Where ca.pem and ca.key are kept; made when absent.
    #[arg(long)]
    ca_dir: Option<PathBuf>,
    /// Written when the listeners are bound: {"https", "control", "plain", "ca_pem"}.
    #[arg(long)]
    ports_file: Option<PathBuf>,
    /// JSON: {"principals": [{"access_key_id", "secret_access_key", "session_token"?}], "api_keys": []}.
    #[arg(long)]
    principals: Option<PathBuf>,
    /// Regions whose host names the certificate carries.
    #[arg(long, value_delimiter = ',', default_value = "us-east-1,eu-central-1")]
    regions: Vec<String>,
    /// Milliseconds between the events of a stream.
    #[arg(long, default_value_t = 0)]
    pace_ms: u64,
    /// Believe every caller (benchmarks only).
    #[arg(long)]
    no_verify: bool,
    /// Write no call down (benchmarks only).
    #[arg(long)]
    no_record: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options = Options::parse();
    let principals = options.principals.as_deref().map(Principals::read).transpose()?.unwrap_or_default();
    let handle = FakeBedrock::start(Config {
        listen: options.listen,
        control: options.control,
        plain: options.plain,
        regions: options.regions,
        ca_dir: options.ca_dir.clone(),
        principals,
        pace_ms: options.pace_ms,
        verify: !options.no_verify,
        record: !options.no_record,
        ..Config::default()
    })
    .await?;
    let ports = serde_json::json!({
        "https": handle.https.to_string(),
        "control": handle.control.to_string(),
        "plain": handle.plain.map(|address| address.to_string()),
        "ca_pem": options.ca_dir.map(|dir| dir.join("ca.pem")),
    });
    println!("{ports}");
    if let Some(path) = options.ports_file {
        write_whole(&path, &ports.to_string())?;
    }
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// A reader that waits for the file never sees half of it.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, text).with_context(|| format!("cannot write `{}`", part.display()))?;
    std::fs::rename(&part, path).with_context(|| format!("cannot write `{}`", path.display()))
}
