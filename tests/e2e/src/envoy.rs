//! A real Envoy on a bootstrap that `portcullis envoy render` wrote.

use crate::api::Api;
use crate::process::Process;
use crate::{binaries, wait};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The regions that the tests' gate stands for.
pub const REGIONS: &str = "us-east-1,eu-central-1";

/// The hosts of other providers that it stands for.
pub const PROVIDER_HOSTS: &str = "api.anthropic.com,api.openai.com,api.mistral.ai";

/// What a gate needs to know of the rest.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Control plane, `host:port`.
    pub control_plane: String,
    /// Its token.
    pub data_token: String,
    /// Upstream, `host:port`.
    pub upstream: String,
    /// CA of the upstream.
    pub upstream_ca: PathBuf,
    /// Callout deadline, milliseconds.
    pub timeout_ms: u32,
    /// More lines below `filter:` of gateway.yaml, indented by two.
    pub filter: String,
    /// Worker threads.
    pub concurrency: u32,
    /// With the re-signing gateway.
    pub gateway: bool,
    /// Text to replace in the rendered bootstrap.
    pub patches: Vec<(String, String)>,
}

/// Certificates and a bootstrap, ready to start.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Bootstrap in use.
    pub bootstrap: PathBuf,
    /// CA of the intercepting certificates.
    pub ca: PathBuf,
    /// Certificates' directory.
    pub certificates: PathBuf,
    /// Where Envoy logs.
    pub directory: PathBuf,
    /// What it was made from.
    pub setting: Setting,
}

/// The running Envoy.
#[derive(Debug)]
pub struct Envoy {
    /// Explicit forward proxy.
    pub egress: SocketAddr,
    /// Transparent TLS.
    pub transparent: SocketAddr,
    /// Re-signing gateway.
    pub gateway: SocketAddr,
    /// What it was started from.
    pub from: Prepared,
    /// Envoy's own admin API.
    pub admin: Api,
    gated: bool,
    process: Mutex<Option<Process>>,
}

impl Prepared {
    /// Makes certificates and renders a bootstrap, both with `portcullis`.
    ///
    /// # Errors
    /// `portcullis` refuses.
    pub fn make(directory: &Path, setting: &Setting) -> Result<Self> {
        let certificates = directory.join("certs");
        let init = ["certs", "init", "--regions", REGIONS, "--extra-host", PROVIDER_HOSTS, "--dir"];
        portcullis(&init, &certificates)?;
        let gateway_yaml = directory.join("gateway.yaml");
        std::fs::write(&gateway_yaml, gateway_file(setting, &certificates)?)?;
        let bootstrap = directory.join("bootstrap.yaml");
        let rendered = Command::new(binaries::portcullis()?)
            .args(["envoy", "render", "--config"])
            .arg(&gateway_yaml)
            .arg("--output")
            .arg(&bootstrap)
            .output()?;
        ensure!(rendered.status.success(), "envoy render: {}", String::from_utf8_lossy(&rendered.stderr));
        let mut text = std::fs::read_to_string(&bootstrap)?;
        for (from, to) in &setting.patches {
            ensure!(text.contains(from), "the bootstrap does not contain `{from}`");
            text = text.replace(from, to);
        }
        std::fs::write(&bootstrap, text)?;
        Ok(Self {
            bootstrap,
            ca: certificates.join("ca.pem"),
            certificates,
            directory: directory.to_owned(),
            setting: setting.clone(),
        })
    }

    /// Starts an Envoy; `gated` waits for the filter's self-test to hold.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(self, gated: bool) -> Result<Envoy> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut made = Envoy {
            egress: nowhere,
            transparent: nowhere,
            gateway: nowhere,
            from: self,
            admin: Api::new(String::new(), None),
            gated,
            process: Mutex::new(None),
        };
        made.launch()?;
        Ok(made)
    }
}

impl Envoy {
    /// Kills Envoy and starts it again; its ports change.
    ///
    /// # Errors
    /// It does not come up.
    pub fn restart(&mut self) -> Result<()> {
        *self.lock() = None;
        self.launch()
    }

    /// Kills it.
    pub fn kill(&self) {
        *self.lock() = None;
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.lock().as_ref().map(Process::id)
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.lock().as_ref().map(Process::log).unwrap_or_default()
    }

    /// One statistic; 0 when Envoy does not have it yet.
    ///
    /// # Errors
    /// Envoy does not answer.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let (status, found) = self.admin.get(&format!("/stats?format=json&filter={name}"))?;
        ensure!(status == 200, "stats: {status}");
        let wanted = found["stats"].as_array().into_iter().flatten().filter(|stat| {
            stat["name"].as_str().is_some_and(|found| found == name || found.ends_with(&format!(".{name}")))
        });
        Ok(wanted.filter_map(|stat| stat["value"].as_u64()).sum())
    }

    fn launch(&mut self) -> Result<()> {
        let admin_file = self.from.directory.join("envoy-admin");
        let _ = std::fs::remove_file(&admin_file);
        let mut command = Command::new(binaries::envoy()?);
        command
            .arg("-c")
            .arg(&self.from.bootstrap)
            .args(["--concurrency", &self.from.setting.concurrency.to_string(), "--use-dynamic-base-id"])
            .args(["--log-level", "warning", "--component-log-level", "wasm:info"])
            .args(["--drain-time-s", "1", "--admin-address-path"])
            .arg(&admin_file)
            .env("PORTCULLIS_DATA_TOKEN", &self.from.setting.data_token);
        let process = Process::start("envoy", &command, &self.from.directory)?;
        let alive = || -> Result<()> {
            ensure!(process.ended().is_none(), "Envoy ended: {}", process.log_tail());
            Ok(())
        };
        let address = wait::until("Envoy's admin address", || {
            alive()?;
            let text = std::fs::read_to_string(&admin_file)?;
            ensure!(text.contains(':'), "not whole yet");
            Ok(text.trim().to_owned())
        })?;
        self.admin.url = format!("http://{address}");
        let listeners = wait::until("Envoy to be live", || {
            alive()?;
            let (status, text) = self.admin.get("/ready")?;
            ensure!(status == 200, "/ready: {status} {text}");
            let (_, listeners) = self.admin.get("/listeners?format=json")?;
            ensure!(port(&listeners, "transparent").is_ok(), "no listener yet");
            Ok(listeners)
        })?;
        self.egress = port(&listeners, "egress")?;
        self.transparent = port(&listeners, "transparent")?;
        if self.from.setting.gateway {
            self.gateway = port(&listeners, "gateway")?;
        }
        *self.lock() = Some(process);
        if !self.gated {
            return Ok(());
        }
        wait::until("the self-test to hold", || {
            ensure!(self.stat("portcullis.selftest.held")? > 0, "not yet: {}", self.log());
            Ok(())
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn port(listeners: &Value, name: &str) -> Result<SocketAddr> {
    for status in listeners["listener_statuses"].as_array().into_iter().flatten() {
        if status["name"] == name {
            let socket = &status["local_address"]["socket_address"];
            let address = socket["address"].as_str().context("no address")?;
            let port = socket["port_value"].as_u64().context("no port")?;
            return Ok(format!("{address}:{port}").parse()?);
        }
    }
    bail!("no listener `{name}` in {listeners}")
}

fn portcullis(arguments: &[&str], last: &Path) -> Result<()> {
    let output = Command::new(binaries::portcullis()?).args(arguments).arg(last).output()?;
    ensure!(output.status.success(), "portcullis {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn gateway_file(setting: &Setting, certificates: &Path) -> Result<String> {
    let (id, secret) = crate::fake::GATEWAY;
    let gateway = format!(
        "
  gateway:
    address: 127.0.0.1
    port: 0
    region: us-east-1
    services: [bedrock-runtime, bedrock-agent-runtime]
    credential: {{access_key_id: {id}, secret_access_key: \"{secret}\"}}"
    );
    Ok(format!(
        "node: e2e
regions: [{REGIONS}]
providers:
- {{host: api.anthropic.com, provider: anthropic}}
- {{host: api.openai.com, provider: openai}}
- {{host: api.mistral.ai, provider: mistral, api: openai}}
listeners:
  egress: {{address: 127.0.0.1, port: 0}}
  transparent: {{address: 127.0.0.1, port: 0}}{}
control_plane: {{address: \"{}\", timeout_ms: {}}}
filter:
  path: {}
{}
tls: {{dir: {}}}
upstream: {{address: \"{}\", ca_file: {}}}
admin: {{address: 127.0.0.1, port: 0}}
",
        if setting.gateway { gateway.as_str() } else { "" },
        setting.control_plane,
        setting.timeout_ms,
        binaries::wasm()?.display(),
        setting.filter,
        certificates.join("leaves").display(),
        setting.upstream,
        setting.upstream_ca.display(),
    ))
}
