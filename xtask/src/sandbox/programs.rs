//! The three programs: how each is started, and when it is ready.

use super::folders::Folders;
use super::gateway::EnvoyPorts;
use super::process::Process;
use super::wait;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The running fake.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) process: Process,
    pub(crate) https: String,
    pub(crate) control: String,
    pub(crate) ca: PathBuf,
}

/// Starts the fake Bedrock.
///
/// # Errors
/// It does not come up; its log is in the message.
pub(crate) fn fake(program: &Path, folders: &Folders, regions: &[String]) -> Result<Fake> {
    let (ca, ports) = (folders.run().join("fake-ca"), folders.run().join("fake-ports.json"));
    let principals = folders.run().join("principals.json");
    fs::write(&principals, super::keys::known_to_the_fake())?;
    let mut command = Command::new(program);
    command.arg("--ca-dir").arg(&ca).arg("--ports-file").arg(&ports).arg("--principals").arg(&principals);
    command.args(["--regions", &regions.join(","), "--pace-ms", "20"]);
    let process = start("fake-bedrock", &mut command, folders, &ports)?;
    let (process, bound) = ready_or_stopped(process, |process| bound(process, &ports))?;
    Ok(Fake {
        process,
        https: text(&bound, "https")?,
        control: text(&bound, "control")?,
        ca: ca.join("ca.pem"),
    })
}

/// The running control plane.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    pub(crate) process: Process,
    pub(crate) data: String,
    pub(crate) admin: String,
}

/// Starts the control plane on a bundle.
///
/// # Errors
/// It does not become ready; the reason is in the message.
pub(crate) fn control_plane(
    program: &Path,
    folders: &Folders,
    bundle: &Path,
    ports: Choice,
    token: &str,
) -> Result<ControlPlane> {
    let file = folders.run().join("portcullis-ports.json");
    let address = |port: u16| format!("127.0.0.1:{}", ports.or_any(port));
    let mut command = Command::new(program);
    command.args(["serve", "--admin-addr", &address(8180), "--data-addr", &address(8181)]);
    command.arg("--bundle").arg(bundle).arg("--data-dir").arg(folders.data()).arg("--ports-file").arg(&file);
    let process = start("portcullis", &mut command, folders, &file)?;
    let (process, (data, admin)) = ready_or_stopped(process, |process| {
        let bound = bound(process, &file)?;
        let (data, admin) = (text(&bound, "data")?, text(&bound, "admin")?);
        let url = format!("http://{admin}/readyz");
        wait::until("the control plane is ready", process, || get(&url, Some(token)).map(drop))?;
        Ok((data, admin))
    })?;
    Ok(ControlPlane { process, data, admin })
}

/// The running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    pub(crate) process: Process,
    pub(crate) admin: String,
    listeners: Value,
}

impl Envoy {
    /// `host:port` of a listener.
    pub(crate) fn listener(&self, name: &str) -> Option<String> {
        listener(&self.listeners, name)
    }
}

/// Starts Envoy and waits until its listeners are there and the filter has proved on itself that it holds calls.
///
/// # Errors
/// It does not become ready; the end of its log is in the message.
pub(crate) fn envoy(
    program: &Path,
    bootstrap: &Path,
    folders: &Folders,
    token: &str,
    listeners: &[&str],
) -> Result<Envoy> {
    let file = folders.run().join("envoy-admin");
    let mut command = Command::new(program);
    // With hot restart an Envoy ends as soon as its parent does (PR_SET_PDEATHSIG), which is us.
    command.arg("--config-path").arg(bootstrap).args(["--disable-hot-restart", "--drain-time-s", "1"]);
    command.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
    command.arg("--admin-address-path").arg(&file).env("PORTCULLIS_DATA_TOKEN", token);
    let process = start("envoy", &mut command, folders, &file)?;
    let (process, (admin, listeners)) =
        ready_or_stopped(process, |process| until_it_holds(process, &file, listeners))?;
    Ok(Envoy { process, admin, listeners })
}

/// Its admin address and its listeners, once calls are held.
fn until_it_holds(process: &mut Process, file: &Path, listeners: &[&str]) -> Result<(String, Value)> {
    let admin = wait::until("Envoy's admin address", process, || {
        let text = fs::read_to_string(file)?;
        if text.contains(':') { Ok(text.trim().to_owned()) } else { bail!("it is not written yet") }
    })?;
    let found = wait::until("Envoy is ready", process, || {
        get(&format!("http://{admin}/ready"), None)?;
        let found: Value =
            serde_json::from_str(&get(&format!("http://{admin}/listeners?format=json"), None)?)?;
        match listeners.iter().find(|name| listener(&found, name).is_none()) {
            Some(missing) => bail!("the listener `{missing}` is not there"),
            None => Ok(found),
        }
    })?;
    wait::until("the gate's self-test: calls are held", process, || {
        let stats = get(&format!("http://{admin}/stats?filter=portcullis.selftest.held"), None)?;
        let held = stats
            .lines()
            .filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok())
            .any(|count| count > 0);
        if held { Ok(()) } else { bail!("not proved yet") }
    })?;
    Ok((admin, found))
}

/// Which ports are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Choice {
    /// The documented ones where they are free
    Default,
    /// Whatever the kernel picks
    Auto,
}

impl Choice {
    /// The documented port if it is wanted and free, or 0 for any.
    pub(crate) fn or_any(self, port: u16) -> u16 {
        if self == Self::Auto {
            return 0;
        }
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
        println!("  port {port} is taken: another is used");
        0
    }

    /// Those of Envoy.
    pub(crate) fn envoy(self, listeners: &[&str]) -> EnvoyPorts {
        let of = |name: &str, port: u16| if listeners.contains(&name) { self.or_any(port) } else { 0 };
        EnvoyPorts {
            egress: of("egress", 3128),
            transparent: of("transparent", 10443),
            gateway: of("gateway", 10000),
            admin: self.or_any(9901),
        }
    }
}

/// Starts a program that writes down where it listens, and forgets what an earlier one wrote.
fn start(name: &'static str, command: &mut Command, folders: &Folders, written: &Path) -> Result<Process> {
    let _absent = fs::remove_file(written);
    command.env_remove("LD_LIBRARY_PATH");
    Process::start(name, command, &folders.log(), &folders.run())
}

/// Waits for it as told; one that does not become ready is stopped.
fn ready_or_stopped<T>(
    mut process: Process,
    wait: impl FnOnce(&mut Process) -> Result<T>,
) -> Result<(Process, T)> {
    match wait(&mut process) {
        Ok(found) => Ok((process, found)),
        Err(error) => {
            process.stop();
            Err(error)
        }
    }
}

fn bound(process: &mut Process, file: &Path) -> Result<Value> {
    let what = format!("{} listens", process.name);
    wait::until(&what, process, || Ok(serde_json::from_slice(&fs::read(file)?)?))
}

fn text(found: &Value, key: &str) -> Result<String> {
    found
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("no `{key}` in {found}"))
}

fn listener(found: &Value, name: &str) -> Option<String> {
    let mut all = found.get("listener_statuses")?.as_array()?.iter();
    let socket = all.find(|listener| listener.get("name").is_some_and(|found| found == name))?;
    let socket = socket.pointer("/local_address/socket_address")?;
    Some(format!("{}:{}", socket.get("address")?.as_str()?, socket.get("port_value")?.as_u64()?))
}

/// # Errors
/// No answer, or one that is no success.
pub(crate) fn get(url: &str, token: Option<&str>) -> Result<String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut request = agent.get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut response = request.call().with_context(|| format!("GET {url}"))?;
    let body = response.body_mut().read_to_string()?;
    if !response.status().is_success() {
        bail!("GET {url}: {}: {}", response.status(), body.trim());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_listener_listens() {
        let found = serde_json::json!({"listener_statuses": [
            {"name": "intercept", "local_address": {"envoy_internal_address": {}}},
            {"name": "egress", "local_address": {"socket_address": {"address": "127.0.0.1", "port_value": 3128}}}]});
        assert_eq!(listener(&found, "egress").as_deref(), Some("127.0.0.1:3128"));
        assert_eq!(listener(&found, "intercept"), None);
        assert_eq!(listener(&found, "gateway"), None);
    }

    #[test]
    fn a_port_that_is_taken_is_not_insisted_on() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert_eq!(Choice::Default.or_any(taken.local_addr().unwrap().port()), 0);
        assert_eq!(Choice::Auto.or_any(1), 0);
    }
}
