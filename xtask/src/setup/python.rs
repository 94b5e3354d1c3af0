//! A Python with boto3: the unmodified application of the end-to-end tests, and the validators of `cargo xtask k8s`.

use super::stamp::{self, Stamp};
use super::{How, apt, install, say};
use crate::{paths, shell};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn ensure(cache: &Path) -> Result<PathBuf> {
    let venv = cache.join("venv");
    let python = venv.join("bin/python");
    let requirements = paths::root().join("tests/requirements.txt");
    let stamp = Stamp::of(venv.join("portcullis-stamp"), std::slice::from_ref(&requirements))?;
    if python.exists() && stamp.is_current() {
        say("python", How::Found, python.display());
        return Ok(python);
    }
    stamp::clear(&venv)?;
    create(&venv)?;
    install(pip(&python).arg("--requirement").arg(&requirements))
        .context("cannot install tests/requirements.txt: is a Python package index within reach?")?;
    stamp.write()?;
    say("python", How::Installed, format_args!("{} with tests/requirements.txt", python.display()));
    Ok(python)
}

/// pip that stays quiet and never compiles: everything that we ask for has a wheel.
pub(super) fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
    ]);
    command
}

fn create(venv: &Path) -> Result<()> {
    let Some(python) = shell::which("python3") else {
        apt::ensure(&["python3", "python3-venv"]).context("there is no python3 on PATH")?;
        return make(Path::new("python3"), venv);
    };
    let Err(error) = make(&python, venv) else { return Ok(()) };
    // Debian's python3 comes without ensurepip, and says so only when asked.
    stamp::clear(venv)?;
    apt::ensure(&["python3-venv"]).with_context(|| format!("{error:#}"))?;
    if make(&python, venv).is_ok() {
        return Ok(());
    }
    stamp::clear(venv)?;
    if let Err(again) = make(Path::new("/usr/bin/python3"), venv) {
        bail!("cannot make a Python environment in `{}` even with python3-venv: {again:#}", venv.display());
    }
    Ok(())
}

fn make(python: &Path, venv: &Path) -> Result<()> {
    shell::output(Command::new(python).args(["-m", "venv"]).arg(venv)).map(drop)
}
