//! Processes that outlive the command that started them: known by a file, stopped in good order.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// One that we started.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    child: Child,
    log: PathBuf,
    record: PathBuf,
}

impl Process {
    /// Starts it with its output in `log/NAME.log` and its id in `run/NAME.pid`, in a process group of its own: Ctrl-C
    /// is for us, and we stop what we started in order.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path, run: &Path) -> Result<Self> {
        let log = log.join(name).with_extension("log");
        let output = File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let record = run.join(name).with_extension("pid");
        let process = Self { name, child, log, record };
        fs::write(&process.record, Known::of(process.child.id()).written())?;
        Ok(process)
    }

    /// Fails when it has ended, with the end of its log.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status}); {}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// The end of its log, and where the rest is.
    pub(crate) fn log_tail(&self) -> String {
        let text =
            fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        format!("the end of `{}`:\n{}", self.log.display(), tail.join("\n"))
    }

    /// Asks it to end, and makes it.
    pub(crate) fn stop(mut self) {
        let id = pid(self.child.id());
        let _gone = kill(id, Signal::SIGTERM);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _gone = self.child.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _gone = fs::remove_file(&self.record);
    }
}

/// How long a process may take to end in good order.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process of an earlier command, from its file. Process ids come round again: the start time tells whether it is the
/// same process.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: u32,
    started: u64,
}

impl Known {
    fn of(id: u32) -> Self {
        Self { id, started: started(id).unwrap_or_default() }
    }

    fn written(&self) -> String {
        format!("{} {}\n", self.id, self.started)
    }

    fn read(text: &str) -> Option<Self> {
        let (id, started) = text.trim().split_once(' ')?;
        Some(Self { id: id.parse().ok()?, started: started.parse().ok()? })
    }

    fn lives(&self) -> bool {
        started(self.id) == Some(self.started)
    }
}

/// What is still running of what has a file in the folder, by name.
pub(crate) fn running(run: &Path) -> Vec<(String, Known)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(run).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
        let known = fs::read_to_string(&path).ok().as_deref().and_then(Known::read);
        if let (Some(name), Some(known)) = (name, known)
            && path.extension().is_some_and(|extension| extension == "pid")
            && known.lives()
        {
            found.push((name, known));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// The name of the command that started the others, while it runs.
const UP: &str = "up";

/// Makes this process known as the one that starts and stops the others, until it is dropped.
#[derive(Debug)]
pub(crate) struct Announced(PathBuf);

impl Announced {
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn here(run: &Path) -> Result<Self> {
        let record = run.join(UP).with_extension("pid");
        fs::write(&record, Known::of(std::process::id()).written())
            .with_context(|| format!("cannot write `{}`", record.display()))?;
        Ok(Self(record))
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

/// Stops what runs. First the command that started it, if it waits for Ctrl-C somewhere: it stops the rest in good order.
/// Then what is left, the traffic first: nothing is let through that nobody records.
///
/// # Errors
/// A process does not end.
pub(crate) fn stop_all(run: &Path) -> Result<Vec<(String, u32)>> {
    let mut found = running(run);
    found.sort_by_key(|(name, _)| name != UP);
    let mut stopped = Vec::new();
    for (name, known) in found {
        end(&name, &known, if name == UP { 4 * PATIENCE } else { PATIENCE })?;
        let _gone = fs::remove_file(run.join(&name).with_extension("pid"));
        stopped.push((name, known.id));
    }
    Ok(stopped)
}

/// Asks it to end, makes it after a while, and waits until it has.
fn end(name: &str, known: &Known, patience: Duration) -> Result<()> {
    if known.lives() {
        let _gone = kill(pid(known.id), Signal::SIGTERM);
    }
    let deadline = Instant::now() + patience;
    while known.lives() {
        if Instant::now() > deadline + PATIENCE {
            bail!("{name} ({}) does not end", known.id);
        }
        if Instant::now() > deadline {
            let _gone = kill(pid(known.id), Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap_or(i32::MAX))
}

/// When a process started, in the kernel's ticks since boot (proc_pid_stat(5), field 22); nothing when it has ended.
fn started(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18)?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let process =
            Process::start("sleeper", Command::new("sleep").arg("600"), folder.path(), folder.path())
                .unwrap();
        let found = running(folder.path());
        println!("{found:?}");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "sleeper");
        process.stop();
        assert!(running(folder.path()).is_empty());
    }

    #[test]
    fn one_that_ends_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo the port is taken; exit 3"]);
        let mut process = Process::start("failing", &mut failing, folder.path(), folder.path()).unwrap();
        let error = loop {
            match process.check() {
                Ok(()) => thread::yield_now(),
                Err(error) => break error.to_string(),
            }
        };
        println!("{error}");
        assert!(
            error.contains("failing ended (exit status: 3)") && error.contains("the port is taken"),
            "{error}"
        );
    }

    #[test]
    fn another_process_with_the_same_id_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mine = Known::of(std::process::id());
        assert!(mine.lives());
        fs::write(folder.path().join("envoy.pid"), Known { started: mine.started + 1, ..mine }.written())
            .unwrap();
        assert!(running(folder.path()).is_empty());
        assert!(stop_all(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_says_nothing_is_no_process() {
        for text in ["", "12", "x 1", "1 x"] {
            assert_eq!(Known::read(text), None, "{text}");
        }
        assert_eq!(Known::read("12 34\n"), Some(Known { id: 12, started: 34 }));
    }
}
