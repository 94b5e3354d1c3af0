//! The JavaScript SDK, which speaks HTTP/2 and reads another set of environment variables than boto3.

use super::stamp::{self, Stamp};
use super::{How, install, say};
use crate::{paths, shell};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Gives back `tests/js`, whose `node_modules` is a link into the cache: checkouts share it, and a fresh one needs no network.
pub(super) fn ensure(cache: &Path) -> Result<Option<PathBuf>> {
    let scripts = paths::root().join("tests/js");
    if shell::which("node").is_none() || shell::which("npm").is_none() {
        say(
            "javascript sdk",
            How::Skipped,
            "node and npm are not on PATH: the tests with the JavaScript SDK are left out",
        );
        return Ok(None);
    }
    let installation = cache.join("js");
    let inputs = [scripts.join("package.json"), scripts.join("package-lock.json")];
    let stamp = Stamp::of(installation.join("portcullis-stamp"), &inputs)?;
    let how = if stamp.is_current() {
        How::Found
    } else {
        stamp::clear(&installation)?;
        fs::create_dir_all(&installation)?;
        for input in &inputs {
            if let Some(name) = input.file_name() {
                fs::copy(input, installation.join(name))?;
            }
        }
        install(
            Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
                .current_dir(&installation),
        )
        .context("cannot install tests/js/package.json: is an npm registry within reach?")?;
        stamp.write()?;
        How::Installed
    };
    link(&scripts.join("node_modules"), &installation.join("node_modules"))?;
    say("javascript sdk", how, installation.display());
    Ok(Some(scripts))
}

fn link(name: &Path, modules: &Path) -> Result<()> {
    if fs::read_link(name).is_ok_and(|current| current == modules) {
        return Ok(());
    }
    if name.is_dir() && !name.is_symlink() {
        return Ok(()); // somebody ran `npm install` there; it is theirs
    }
    let _absent = fs::remove_file(name);
    symlink(modules, name).with_context(|| format!("cannot link `{}`", name.display()))
}
