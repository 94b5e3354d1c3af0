//! `cargo xtask up --sandbox`, in a folder of its own.

use crate::binaries;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A sandbox that may be running; stopped when dropped.
#[derive(Debug)]
pub struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    /// A folder for one.
    ///
    /// # Errors
    /// There can be no folder.
    pub fn new() -> Result<Self> {
        Ok(Self { directory: TempDir::with_prefix("portcullis-sandbox-")? })
    }

    /// `cargo xtask COMMAND … --dir …`, with the programs that the other tests run, from the root of the repository.
    ///
    /// # Errors
    /// A program is not built.
    pub fn xtask(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binaries::xtask()?);
        command
            .args(arguments)
            .arg("--dir")
            .arg(self.path())
            .current_dir(binaries::root())
            .env("ENVOY", binaries::envoy()?)
            .env("PORTCULLIS_WASM", binaries::wasm()?)
            .env("PORTCULLIS_BIN", binaries::portcullis()?)
            .env("FAKE_BEDROCK_BIN", binaries::fake_bedrock()?)
            .env("PORTCULLIS_PYTHON", binaries::python()?)
            .stdin(Stdio::null());
        Ok(command)
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("sandbox")
    }

    /// Ids of the processes that it runs, by name.
    ///
    /// # Errors
    /// A file says something else.
    pub fn processes(&self) -> Result<Vec<(String, u32)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.path().join("run"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "pid") {
                let text = std::fs::read_to_string(&path)?;
                let id = text.split_whitespace().next().context("an empty pid file")?.parse()?;
                found.push((path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), id));
            }
        }
        found.sort();
        Ok(found)
    }

    /// What a shell has after sourcing the file that `up` wrote.
    ///
    /// # Errors
    /// There is none, or it is no shell script.
    pub fn environment(&self) -> Result<Vec<(String, String)>> {
        let output = self.shell("env -0").output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// A command in a fresh shell that has sourced that file, in the root of the repository.
    #[must_use]
    pub fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &format!("source \"$0\" || exit 99\n{command}")])
            .arg(self.path().join("env"))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .current_dir(binaries::root())
            .stdin(Stdio::null());
        shell
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _: Option<Output> = self.xtask(&["down"]).ok().and_then(|mut down| down.output().ok());
    }
}

/// Whether there is such a process; one that has ended and that nobody has asked about is none.
#[must_use]
pub fn lives(id: u32) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z')))
}
