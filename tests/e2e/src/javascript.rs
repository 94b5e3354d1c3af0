//! The real AWS SDK for JavaScript: `tests/js/application.mjs` in a Node of its own, behind the transparent listener.

use crate::binaries;
use crate::stack::Stack;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs the application for these operations (`Operation` or `Operation=model`); one value for each, in order. `None`
/// where there is no Node: then `cargo xtask setup` has said that these tests are left out.
///
/// # Errors
/// The SDK is not installed, or the application failed; the message holds its standard error.
pub fn run(
    stack: &Stack,
    environment: &[(String, String)],
    mark: &str,
    operations: &[&str],
) -> Result<Option<Vec<Value>>> {
    let Some(node) = on_path("node") else { return Ok(None) };
    let scripts = binaries::javascript()?;
    let output = Command::new(node)
        .arg("--require")
        .arg(scripts.join("transparent.cjs"))
        .arg(scripts.join("application.mjs"))
        .args(operations)
        .env_clear()
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .env("TRANSPARENT_ADDRESS", stack.envoy.transparent.to_string())
        .env("NODE_EXTRA_CA_CERTS", &stack.envoy.from.ca)
        .env("MARK", mark)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .context("run node")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("node failed: {}\n{printed}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let lines = printed.lines().filter_map(|line| line.strip_prefix("OUT "));
    lines.map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<_>>().map(Some)
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
