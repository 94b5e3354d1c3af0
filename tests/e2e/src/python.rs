//! Real boto3, in a process of its own, configured by environment variables alone: an application nobody changed.

use crate::binaries;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::{Command, Stdio};

/// The prelude of every script: `out(value)` prints a JSON line, `client(name)` is a plain boto3 client.
const PRELUDE: &str = r#"
import json, os, sys, hashlib, base64
import boto3, botocore
from botocore.exceptions import ClientError, EventStreamError
requests = []
def client(name, **kw):
    c = boto3.client(name, **kw)
    # Only counts what leaves the SDK; nothing is changed.
    c.meta.events.register('before-send.*', lambda request, **_: requests.append({'url': request.url, 'sha256': hashlib.sha256(request.body if isinstance(request.body, bytes) else (request.body or '').encode()).hexdigest()}) and None)
    return c
def out(value):
    print('OUT ' + json.dumps(value, default=lambda b: base64.b64encode(b).decode() if isinstance(b, bytes) else str(b)), flush=True)
def caught(f):
    try:
        return {'ok': f()}
    except ClientError as e:
        return {'error': e.response['Error'], 'status': e.response.get('ResponseMetadata', {}).get('HTTPStatusCode'), 'class': type(e).__name__, 'headers': e.response.get('ResponseMetadata', {}).get('HTTPHeaders', {}), 'requests': len(requests)}
    except Exception as e:
        return {'exception': type(e).__name__, 'message': str(e), 'requests': len(requests)}
"#;

/// Runs a script and gives back what it `out`s, in order.
///
/// # Errors
/// The script failed; the message holds its standard error.
pub fn run(environment: &[(String, String)], script: &str) -> Result<Vec<Value>> {
    let output = command(environment, script)?.output().context("run python")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("python failed: {}\n{}\n{}", output.status, printed, String::from_utf8_lossy(&output.stderr));
    }
    printed
        .lines()
        .filter_map(|line| line.strip_prefix("OUT "))
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// The same, but for a script that has one thing to say.
///
/// # Errors
/// As [`run`], or it said nothing.
pub fn ask(environment: &[(String, String)], script: &str) -> Result<Value> {
    run(environment, script)?.into_iter().next().context("the script printed nothing")
}

/// The command itself, for scripts that run on while the test does other things.
///
/// # Errors
/// There is no Python.
pub fn command(environment: &[(String, String)], script: &str) -> Result<Command> {
    let mut command = Command::new(binaries::python()?);
    command
        .arg("-c")
        .arg(format!("{PRELUDE}\n{script}"))
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(environment.iter().map(|(key, value)| (key, value)))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}
