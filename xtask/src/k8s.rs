//! `cargo xtask k8s`: the manifests are rendered as a user would (`kubectl kustomize`), validated against the API's own
//! schemas, and held to what a platform-security team asks of every pod; the Dockerfiles are linted.

mod checks;

use crate::setup::Tools;
use crate::{build, paths, setup, shell};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_yaml_ng::{Deserializer, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest Kubernetes that the manifests are for: the first with `preStop: sleep` (and sidecar containers) on by default.
const KUBERNETES: &str = "1.30.0";

/// Render and validate the Kubernetes manifests, lint the Dockerfiles.
///
/// Every overlay with a gateway.yaml has the bootstrap.yaml that `portcullis envoy render` makes of it.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Write the bootstraps anew instead of checking them
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    check(arguments, &setup::run()?)
}

pub(crate) fn check(arguments: &Arguments, tools: &Tools) -> Result<()> {
    if shell::which("kubectl").is_none() {
        bail!(
            "there is no kubectl on PATH: install kubectl 1.27 or newer (its built-in kustomize renders the manifests)"
        );
    }
    let programs = tools.python.parent().unwrap_or(&tools.python).to_path_buf();

    let portcullis = build::portcullis()?;
    for folder in folders()?.iter().filter(|folder| folder.join("gateway.yaml").exists()) {
        bootstrap(&portcullis, folder, arguments.write)?;
    }
    let rendered = tempfile::tempdir()?;
    for folder in folders()? {
        let name = paths::shown(&folder);
        let text = shell::output(Command::new("kubectl").arg("kustomize").arg(&folder))?;
        let file = rendered.path().join(name.replace('/', "-")).with_extension("yaml");
        fs::write(&file, &text)?;
        validate(&programs, &file).with_context(|| format!("`{name}` is not valid"))?;
        let objects = objects(&text).with_context(|| format!("cannot read what `{name}` renders to"))?;
        let problems = checks::problems(&objects);
        for problem in &problems {
            eprintln!("{name}: {problem}");
        }
        if !problems.is_empty() {
            bail!("{} problems in `{name}`", problems.len());
        }
        println!("{name}: {} objects, valid for Kubernetes {KUBERNETES}", objects.len());
    }
    dockerfiles(&programs)
}

/// Holds the bootstrap to its source.
fn bootstrap(portcullis: &Path, folder: &Path, write: bool) -> Result<()> {
    let mut render = Command::new(portcullis);
    render.args(["envoy", "render", "--config"]).arg(folder.join("gateway.yaml"));
    render.arg("--output").arg(folder.join("bootstrap.yaml"));
    if !write {
        render.arg("--check");
    }
    shell::output(&mut render).map(drop).context("`cargo xtask k8s --write` writes it anew")
}

/// The base and every overlay.
fn folders() -> Result<Vec<PathBuf>> {
    let k8s = paths::root().join("k8s");
    let mut folders = vec![k8s.join("base")];
    for entry in fs::read_dir(k8s.join("overlays")).context("k8s/overlays")? {
        folders.push(entry?.path());
    }
    folders.retain(|folder| folder.join("kustomization.yaml").is_file());
    folders.sort();
    Ok(folders)
}

fn validate(programs: &Path, file: &Path) -> Result<()> {
    let arguments = ["--strict", "--quiet", "--kubernetes-version", KUBERNETES];
    shell::output(Command::new(programs.join("kubernetes-validate")).args(arguments).arg(file)).map(drop)
}

fn objects(text: &str) -> Result<Vec<Value>> {
    let documents = Deserializer::from_str(text).map(Value::deserialize);
    Ok(documents.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|object| !object.is_null()).collect())
}

fn dockerfiles(programs: &Path) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(paths::root())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("Dockerfile") {
            files.push(entry.path());
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("there is no Dockerfile");
    }
    let config = paths::root().join(".hadolint.yaml");
    shell::output(Command::new(programs.join("hadolint")).arg("--config").arg(config).args(&files))?;
    println!("{} Dockerfiles are clean", files.len());
    Ok(())
}
