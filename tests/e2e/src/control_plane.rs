//! The real control plane as a process.

use crate::api::Api;
use crate::fake::{APP_ONE, APP_TWO};
use crate::process::Process;
use crate::{binaries, wait};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A control plane that can be killed and started again on the same store, at the same addresses.
#[derive(Debug)]
pub struct ControlPlane {
    /// Admin API with its token.
    pub admin: Api,
    /// Data-plane address, `host:port`.
    pub data: String,
    /// The data plane's token, for Envoy's environment.
    pub data_token: String,
    /// Its bundle directory.
    pub bundle: PathBuf,
    /// Its data directory.
    pub store: PathBuf,
    directory: PathBuf,
    extra: Vec<String>,
    process: Mutex<Option<Process>>,
}

impl ControlPlane {
    /// Starts it on the bundle in `directory/bundle` with a store in `directory/data`.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(directory: &Path, extra: &[String]) -> Result<Self> {
        Self::start_at(directory, "127.0.0.1:0", extra)
    }

    /// The same, with its data plane at `data`: `host:port` or `unix:/path`.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub fn start_at(directory: &Path, data: &str, extra: &[String]) -> Result<Self> {
        let store = directory.join("data");
        std::fs::create_dir_all(&store)?;
        let data_token = token(&store, "data")?;
        let admin_token = token(&store, "admin")?;
        for ((id, secret), principal) in [(APP_ONE, "app-one"), (APP_TWO, "app-two")] {
            keys(
                &store,
                &[
                    "--kind",
                    "aws",
                    "--name",
                    principal,
                    "--principal",
                    principal,
                    "--access-key-id",
                    id,
                    "--secret-access-key",
                    secret,
                ],
            )?;
        }
        let mut made = Self {
            admin: Api::new(String::new(), Some(admin_token)),
            data: data.to_owned(),
            data_token,
            bundle: directory.join("bundle"),
            store,
            directory: directory.to_owned(),
            extra: extra.to_vec(),
            process: Mutex::new(None),
        };
        let ports = made.launch(data, "127.0.0.1:0")?;
        let text = |key: &str| {
            ports[key].as_str().map(str::to_owned).with_context(|| format!("no `{key}` in {ports}"))
        };
        made.data = text("data")?;
        made.admin.url = format!("http://{}", text("admin")?);
        made.until_ready()?;
        Ok(made)
    }

    /// `kill -9`.
    pub fn kill(&self) {
        *self.lock() = None;
    }

    /// Starts it again where it was.
    ///
    /// # Errors
    /// It does not come up.
    pub fn restart(&self) -> Result<()> {
        self.kill();
        let admin = self.admin.url.trim_start_matches("http://").to_owned();
        self.launch(&self.data, &admin)?;
        self.until_ready()
    }

    /// Sends the process a signal.
    ///
    /// # Errors
    /// It is not running.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.lock().as_ref().context("not running")?.signal(name)
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.lock().as_ref().map(Process::log).unwrap_or_default()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::id)
    }

    /// One recorded decision.
    ///
    /// # Errors
    /// It is not there.
    pub fn decision(&self, id: &str) -> Result<Value> {
        let (status, body) = self.admin.get(&format!("/v1/decisions/{id}"))?;
        ensure!(status == 200, "GET /v1/decisions/{id}: {status} {body}");
        Ok(body)
    }

    /// Every decision recorded, oldest first, over all pages.
    ///
    /// # Errors
    /// The API does not answer.
    pub fn decisions(&self, query: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let after = if cursor.is_empty() { String::new() } else { format!("&cursor={cursor}") };
            let (status, page) =
                self.admin.get(&format!("/v1/decisions?order=asc&limit=500&{query}{after}"))?;
            ensure!(status == 200, "GET /v1/decisions: {status} {page}");
            all.extend(page["decisions"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return Ok(all),
            }
        }
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub fn until_ready(&self) -> Result<()> {
        wait::until("the control plane to be ready", || {
            if let Some(process) = &*self.lock() {
                ensure!(process.ended().is_none(), "it ended: {}", process.log_tail());
            }
            let (status, body) = self.admin.get("/readyz")?;
            ensure!(status == 200, "/readyz: {status} {body}");
            Ok(())
        })
    }

    fn launch(&self, data: &str, admin: &str) -> Result<Value> {
        let ports = self.directory.join("portcullis-ports.json");
        let _ = std::fs::remove_file(&ports);
        let mut command = Command::new(binaries::portcullis()?);
        command
            .args(["serve", "--data-addr", data, "--admin-addr", admin])
            .arg("--bundle")
            .arg(&self.bundle)
            .arg("--data-dir")
            .arg(&self.store)
            .arg("--ports-file")
            .arg(&ports)
            .args(&self.extra);
        let process = Process::start("portcullis", &command, &self.directory)?;
        let found = wait::until("the control plane's ports file", || {
            ensure!(process.ended().is_none(), "it ended: {}", process.log_tail());
            Ok(serde_json::from_slice(&std::fs::read(&ports)?)?)
        });
        *self.lock() = Some(process);
        found
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn token(store: &Path, kind: &str) -> Result<String> {
    let made = keys(store, &["--kind", kind, "--name", "e2e"])?;
    made["token"].as_str().map(str::to_owned).with_context(|| format!("no token in {made}"))
}

fn keys(store: &Path, arguments: &[&str]) -> Result<Value> {
    let output = Command::new(binaries::portcullis()?)
        .args(["keys", "create", "--output", "json", "--data-dir"])
        .arg(store)
        .args(arguments)
        .output()?;
    ensure!(output.status.success(), "keys create: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
