//! All of it together: fake, control plane, Envoy.

use crate::bundle;
use crate::control_plane::ControlPlane;
use crate::envoy::{Envoy, Prepared, Setting};
use crate::fake::{self, Fake, Key};
use crate::stub::{Behaviour, Stub};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use tempfile::TempDir;

/// A gate with a real control plane.
#[derive(Debug)]
pub struct Stack {
    /// Envoy.
    pub envoy: Envoy,
    /// Control plane.
    pub control_plane: ControlPlane,
    /// The fake.
    pub fake: Fake,
    // Last, so that the processes end before their directory goes.
    _directory: TempDir,
}

/// A gate with a scripted control plane.
#[derive(Debug)]
pub struct StubStack {
    /// Envoy.
    pub envoy: Envoy,
    /// The scripted control plane.
    pub stub: Stub,
    /// The fake.
    pub fake: Fake,
    _directory: TempDir,
}

/// How a stack differs from the usual one.
#[derive(Debug, Clone)]
pub struct Builder {
    bundle: Vec<(String, String)>,
    timeout_ms: u32,
    filter: String,
    serve: Vec<String>,
    concurrency: u32,
    gateway: bool,
    patches: Vec<(String, String)>,
    data: Option<PathBuf>,
    proven: bool,
}

impl Default for Builder {
    fn default() -> Self {
        let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        Self {
            bundle: bundle::DEFAULT.iter().map(own).collect(),
            timeout_ms: 5000,
            filter: String::new(),
            serve: Vec::new(),
            concurrency: 1,
            gateway: true,
            patches: Vec::new(),
            data: None,
            proven: true,
        }
    }
}

impl Builder {
    /// Does not wait for the filter's self-test to hold.
    #[must_use]
    pub fn unproven(mut self) -> Self {
        self.proven = false;
        self
    }

    /// No re-signing gateway (which `failure_mode: open` forbids).
    #[must_use]
    pub fn without_gateway(mut self) -> Self {
        self.gateway = false;
        self
    }

    /// Replaces text in the rendered bootstrap: for what `gateway.yaml` rightly has no key for.
    #[must_use]
    pub fn patch(mut self, from: &str, to: &str) -> Self {
        self.patches.push((from.to_owned(), to.to_owned()));
        self
    }

    /// More bundle files (or others of the same name).
    #[must_use]
    pub fn bundle(mut self, files: &[(&str, &str)]) -> Self {
        for (name, text) in files {
            self.bundle.retain(|(known, _)| known != name);
            self.bundle.push(((*name).to_owned(), (*text).to_owned()));
        }
        self
    }

    /// The callout's deadline.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u32) -> Self {
        self.timeout_ms = timeout_ms;
        self
    }

    /// A line below `filter:` of gateway.yaml.
    #[must_use]
    pub fn filter(mut self, line: &str) -> Self {
        self.filter.push_str(&format!("  {line}\n"));
        self
    }

    /// More arguments of `portcullis serve`.
    #[must_use]
    pub fn serve(mut self, arguments: &[&str]) -> Self {
        self.serve.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Envoy's worker threads.
    #[must_use]
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.concurrency = workers;
        self
    }

    /// Keeps the control plane's data in this directory instead of the stack's own.
    #[must_use]
    pub fn data(mut self, directory: &Path) -> Self {
        self.data = Some(directory.to_owned());
        self
    }

    /// Starts the stack with a real control plane.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start(self) -> Result<Stack> {
        let directory = TempDir::with_prefix("portcullis-e2e-")?;
        let files: Vec<(&str, &str)> =
            self.bundle.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        bundle::write(&directory.path().join("bundle"), &files)?;
        if let Some(data) = &self.data {
            std::os::unix::fs::symlink(data, directory.path().join("data"))?;
        }
        let fake = Fake::start(directory.path()).context("start the fake")?;
        let control_plane =
            ControlPlane::start(directory.path(), &self.serve).context("start the control plane")?;
        let setting = self.setting(&control_plane.data, &control_plane.data_token, &fake);
        let envoy = Prepared::make(directory.path(), &setting)?.start(self.proven).context("start Envoy")?;
        Ok(Stack { envoy, control_plane, fake, _directory: directory })
    }

    /// Starts the stack with a scripted control plane.
    ///
    /// # Errors
    /// Something does not start.
    pub fn start_with_stub(self, behaviour: Behaviour) -> Result<StubStack> {
        let directory = TempDir::with_prefix("portcullis-e2e-")?;
        let fake = Fake::start(directory.path()).context("start the fake")?;
        let stub = Stub::start(behaviour)?;
        let setting = self.setting(&stub.address.to_string(), "pcl_data_stub", &fake);
        let envoy = Prepared::make(directory.path(), &setting)?.start(true).context("start Envoy")?;
        Ok(StubStack { envoy, stub, fake, _directory: directory })
    }

    fn setting(&self, control_plane: &str, data_token: &str, fake: &Fake) -> Setting {
        Setting {
            control_plane: control_plane.to_owned(),
            data_token: data_token.to_owned(),
            upstream: fake.https.clone(),
            upstream_ca: fake.ca.clone(),
            timeout_ms: self.timeout_ms,
            filter: self.filter.clone(),
            concurrency: self.concurrency,
            gateway: self.gateway,
            patches: self.patches.clone(),
        }
    }
}

/// A stack that several tests share: started by the first, gone with the last that uses it at the time.
#[derive(Debug)]
pub struct Shared(Mutex<Weak<Stack>>);

impl Shared {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    /// The running stack, or a new one.
    ///
    /// # Errors
    /// It does not start.
    pub fn stack(&self, builder: impl FnOnce() -> Builder) -> Result<Arc<Stack>> {
        let mut shared = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(builder().start()?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new()
    }
}

impl Stack {
    /// The stack that tests share which only send calls: one per test process, gone with the last of its users.
    ///
    /// # Errors
    /// It does not start.
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Shared = Shared::new();
        SHARED.stack(Builder::default)
    }

    /// The environment of an application behind the explicit egress proxy.
    #[must_use]
    pub fn egress(&self, key: Key) -> Vec<(String, String)> {
        egress_environment(&self.envoy, key)
    }

    /// The environment of an application that speaks to the gateway.
    #[must_use]
    pub fn gateway(&self, key: Key) -> Vec<(String, String)> {
        let url = format!("http://{}", self.envoy.gateway);
        let mut environment = credentials(key);
        environment.push(("AWS_ENDPOINT_URL_BEDROCK_RUNTIME".to_owned(), url.clone()));
        environment.push(("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME".to_owned(), url));
        environment
    }
}

impl StubStack {
    /// The environment of an application behind the explicit egress proxy.
    #[must_use]
    pub fn egress(&self) -> Vec<(String, String)> {
        egress_environment(&self.envoy, fake::APP_ONE)
    }
}

fn egress_environment(envoy: &Envoy, key: Key) -> Vec<(String, String)> {
    let mut environment = credentials(key);
    environment.push(("HTTPS_PROXY".to_owned(), format!("http://{}", envoy.egress)));
    environment.push(("AWS_CA_BUNDLE".to_owned(), envoy.from.ca.display().to_string()));
    environment
}

fn credentials((id, secret): Key) -> Vec<(String, String)> {
    [
        ("AWS_ACCESS_KEY_ID", id),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}
