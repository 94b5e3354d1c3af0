//! `cargo xtask up`: the gate, running, with everything that an application needs to know in a file to source.

use crate::ready::Ready;
use crate::sandbox::environment::{Environment, Topology, quoted};
use crate::sandbox::folders::Folders;
use crate::sandbox::follow::follow;
use crate::sandbox::gateway::Gateway;
use crate::sandbox::keys::{Keys, SAMPLES};
use crate::sandbox::process::{self, Announced, Process};
use crate::sandbox::programs::{self, Choice};
use crate::sandbox::wait;
use crate::{paths, shell};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Start the gate: control plane + Envoy, with --sandbox a fake Bedrock too.
///
/// Installs and builds what is missing, waits until calls are decided, writes what applications need to know to
/// target/sandbox/env (target/live/env without --sandbox), and shows the decisions as they happen. Ctrl-C stops all of
/// it. The policy is target/sandbox/bundle: edit it while it runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A fake Bedrock instead of the real AWS, with two sample principals
    #[arg(long)]
    sandbox: bool,
    /// The policy, a bundle directory; used where it is [default in the sandbox: a copy of examples/bundles/sandbox]
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// How applications reach the gate
    #[arg(long, value_enum, default_value = "egress")]
    topology: Topology,
    /// Regions whose Bedrock hosts the gate stands for; the first is the application's
    #[arg(long, value_delimiter = ',', default_value = "us-east-1,us-west-2,eu-central-1")]
    regions: Vec<String>,
    /// Return once it is ready; `cargo xtask down` stops it
    #[arg(long)]
    detach: bool,
    /// Where it keeps its files: env, bundle, logs, records [default: target/sandbox; target/live without --sandbox]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The documented ports (3128, 10443, 10000, 9901, 8180, 8181), or any
    #[arg(long, value_enum, default_value = "default")]
    ports: Choice,
    /// Build optimised
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folders = Folders::of(arguments.dir.as_deref(), arguments.sandbox)?;
    let running = process::running(&folders.run());
    if !running.is_empty() {
        let list: Vec<_> = running.iter().map(|(name, known)| format!("{name} ({})", known.id)).collect();
        let down = command("down", arguments);
        bail!("it is running already: {}; `{down}` stops it, or use another --dir", list.join(", "));
    }
    folders.claim()?;
    let bundle = bundle(arguments, &folders)?;
    let ready = Ready::make(arguments.release)?;
    shell::output(Command::new(&ready.portcullis).args(["policy", "check"]).arg(&bundle))
        .with_context(|| format!("the bundle `{}` does not load", paths::shown(&bundle)))?;
    wait::watch_for_interrupts()?;
    if arguments.sandbox {
        folders.forget()?;
    }
    folders.make()?;
    let _announced = Announced::here(&folders.run())?;

    let mut processes = Processes(Vec::new());
    let environment = start(arguments, &folders, &bundle, &ready, &mut processes)?;
    write_private(&folders.env(), &environment.rendered())?;
    invite(&environment, &folders);
    if arguments.detach {
        processes.0.clear(); // they live on; their files in run/ are how `down` finds them
        println!("running; `{}` stops it", command("down", arguments));
        return Ok(());
    }
    let result = follow(&ready.portcullis, &environment, &mut processes.0);
    folders.retract()?;
    result
}

/// How to say it for the same folder.
fn command(name: &str, arguments: &Arguments) -> String {
    match &arguments.dir {
        Some(dir) => format!("cargo xtask {name} --dir {}", quoted(&dir.display().to_string())),
        None => format!("cargo xtask {name}"),
    }
}

/// Started processes; dropped, they end, in the order opposite to their start: the traffic first.
struct Processes(Vec<Process>);

impl Drop for Processes {
    fn drop(&mut self) {
        while let Some(process) = self.0.pop() {
            process.stop();
        }
    }
}

fn bundle(arguments: &Arguments, folders: &Folders) -> Result<PathBuf> {
    if let Some(named) = &arguments.bundle {
        let named =
            named.canonicalize().with_context(|| format!("there is no bundle `{}`", named.display()))?;
        return Ok(named);
    }
    let sample = paths::root().join("examples/bundles/sandbox");
    if !arguments.sandbox {
        bail!("without --sandbox, name the policy: --bundle DIR (start from `{}`)", paths::shown(&sample));
    }
    let shown = paths::shown(&folders.bundle());
    if folders.copy_bundle(&sample)? {
        println!("  {shown} is a copy of {}: edit it", paths::shown(&sample));
    } else {
        println!("  {shown} is kept as it is; delete it to start from {} again", paths::shown(&sample));
    }
    Ok(folders.bundle())
}

fn start(
    arguments: &Arguments,
    folders: &Folders,
    bundle: &Path,
    ready: &Ready,
    processes: &mut Processes,
) -> Result<Environment> {
    let keys = Keys { portcullis: &ready.portcullis, data: &folders.data() };
    let (data_token, admin_token) = (keys.token("data")?, keys.token("admin")?);
    let (mut fake, mut sandbox_url) = (None, None);
    if arguments.sandbox {
        SAMPLES.iter().try_for_each(|key| keys.import(key))?;
        let started = programs::fake(&ready.fake_bedrock, folders, &arguments.regions)?;
        processes.0.push(started.process);
        fake = Some((started.https, started.ca));
        sandbox_url = Some(format!("http://{}", started.control));
    }

    let control_plane =
        programs::control_plane(&ready.portcullis, folders, bundle, arguments.ports, &admin_token)?;
    let guard_url = format!("http://{}", control_plane.data);
    processes.0.push(control_plane.process);

    certificates(&ready.portcullis, folders, &arguments.regions)?;
    let mut gateway = Gateway {
        topology: arguments.topology,
        regions: arguments.regions.clone(),
        ports: programs::Choice::Auto.envoy(&[]),
        control_plane: control_plane.data,
        filter: ready.wasm.clone(),
        leaves: folders.certs().join("leaves"),
        fake,
    };
    let listeners = gateway.listeners();
    gateway.ports = arguments.ports.envoy(&listeners);
    let bootstrap = render(&ready.portcullis, folders, &gateway)?;
    let envoy = programs::envoy(&ready.envoy, &bootstrap, folders, &data_token, &listeners)?;
    let url = |name: &str| envoy.listener(name).map(|address| format!("http://{address}"));
    let environment = Environment {
        topology: arguments.topology,
        region: arguments.regions.first().cloned().context("no region")?,
        keys: if arguments.sandbox { SAMPLES.to_vec() } else { Vec::new() },
        proxy_url: url("egress"),
        transparent: envoy.listener("transparent"),
        gateway_url: url("gateway"),
        sandbox_url,
        portcullis_url: format!("http://{}", control_plane.admin),
        guard_url,
        admin_token,
        ca: folders.certs().join("ca.pem"),
        ca_bundle: folders.certs().join("bundle.pem"),
        bundle: bundle.to_path_buf(),
        envoy_admin_url: format!("http://{}", envoy.admin),
        programs: ready.portcullis.parent().unwrap_or(bundle).to_path_buf(),
        python: ready.python.clone(),
    };
    processes.0.push(envoy.process);
    Ok(environment)
}

fn certificates(portcullis: &Path, folders: &Folders, regions: &[String]) -> Result<()> {
    if folders.certs().join("ca.pem").exists() {
        let mut renew = Command::new(portcullis);
        renew.args(["certs", "renew", "--regions", &regions.join(","), "--dir"]).arg(folders.certs());
        return shell::output(&mut renew).map(drop);
    }
    let mut init = Command::new(portcullis);
    init.args(["certs", "init", "--regions", &regions.join(","), "--dir"]).arg(folders.certs());
    // AWS_CA_BUNDLE replaces an SDK's whole store; a script that also calls something else must go on working.
    if Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        init.arg("--with-system-cas");
    }
    shell::output(&mut init).map(drop)
}

fn render(portcullis: &Path, folders: &Folders, gateway: &Gateway) -> Result<PathBuf> {
    let (config, bootstrap) = (folders.run().join("gateway.yaml"), folders.run().join("bootstrap.yaml"));
    write_private(&config, &gateway.rendered())?;
    let mut command = Command::new(portcullis);
    command.args(["envoy", "render", "--config"]).arg(&config).arg("--output").arg(&bootstrap);
    shell::output(&mut command)?;
    Ok(bootstrap)
}

/// Three commands to try.
fn invite(environment: &Environment, folders: &Folders) {
    let converse = |model: &str| {
        format!(
            r#"$PORTCULLIS_PYTHON -c 'import boto3; print(boto3.client("bedrock-runtime").converse(modelId="{model}", messages=[{{"role": "user", "content": [{{"text": "hello"}}]}}])["output"])'"#
        )
    };
    println!(
        "\nThe gate is up: every call is decided by {}, then recorded, then let out.",
        paths::shown(&environment.bundle)
    );
    println!("\nIn another shell:\n\n  source {}\n", paths::shown(&folders.env()));
    println!("  # allowed\n  {}\n", converse("amazon.nova-lite-v1:0"));
    if !environment.keys.is_empty() {
        println!(
            "  # blocked by a rule: AccessDeniedException, and it never arrives\n  {}\n",
            converse("anthropic.claude-3-opus-20240229-v1:0")
        );
    }
    println!("  # what was decided\n  portcullis audit tail\n");
}

/// Writes a file that holds a token or a key.
fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .with_context(|| format!("cannot write `{}`", path.display()))
}
