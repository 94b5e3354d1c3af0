//! Child processes that cannot outlive the tests.

use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};

type Job = Box<dyn FnOnce() + Send>;

/// A running child, its standard output and error in one log file; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Mutex<Child>,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, logging to `directory/name.log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, command: &Command, directory: &Path) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        // The kernel kills the child when the thread that started it ends (PR_SET_PDEATHSIG), so that an aborted
        // test leaves nothing behind; hence one thread starts all children and lives as long as the process.
        let mut wrapped = Command::new("setpriv");
        wrapped.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(key, value),
                None => wrapped.env_remove(key),
            };
        }
        let out = File::options().create(true).append(true).open(&log).context("open the log")?;
        wrapped.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
        let (answer, answered) = channel();
        starter()
            .send(Box::new(move || {
                let _ = answer.send(wrapped.spawn());
            }))
            .ok()
            .context("the thread that starts children is gone")?;
        let child = answered.recv()?.with_context(|| format!("start {name}"))?;
        Ok(Self { child: Mutex::new(child), name: name.to_owned(), log })
    }

    /// What it logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The last lines that it logged, for messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!("--- last lines of {} ---\n{}", self.name, lines[lines.len().saturating_sub(25)..].join("\n"))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.lock().id()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&self) {
        let mut child = self.lock();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Sends a signal by name (`TERM`, `STOP`, `CONT`).
    ///
    /// # Errors
    /// There is no such process any more.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status()?;
        anyhow::ensure!(status.success(), "signal {name} to {} failed", self.name);
        Ok(())
    }

    /// Its exit status, once it has ended.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        self.lock().try_wait().ok().flatten()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn starter() -> Sender<Job> {
    static STARTER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    STARTER
        .get_or_init(|| {
            let (sender, jobs) = channel::<Job>();
            std::thread::spawn(move || {
                for job in jobs {
                    job();
                }
            });
            Mutex::new(sender)
        })
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone()
}
