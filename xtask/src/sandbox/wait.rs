//! Waiting for a condition, never for a time.

use super::process::Process;
use anyhow::{Context, Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take to come up: the first start of an Envoy on a busy machine compiles the filter.
const LIMIT: Duration = Duration::from_secs(60);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C (or a polite kill) does not end us at once: [`interrupted`] says that it happened, so that what was
/// started can be stopped.
///
/// # Errors
/// There is a handler already.
pub(crate) fn watch_for_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")
}

/// Whether somebody wants us to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Asks until there is an answer, the process has ended, or the limit is reached.
///
/// # Errors
/// What was wrong last, with the end of the process's log.
pub(crate) fn until<T>(what: &str, process: &mut Process, ask: impl Fn() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => {
                bail!("{what}: not within {} s: {error:#}; {}", LIMIT.as_secs(), process.log_tail())
            }
            Err(_) if interrupted() => bail!("interrupted"),
            Err(_) => process.check()?,
        }
        thread::sleep(Duration::from_millis(50));
    }
}
