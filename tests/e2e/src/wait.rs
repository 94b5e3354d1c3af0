//! Waiting for conditions, never for time.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How long anything here may take to come true on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until `condition` gives a value.
///
/// # Errors
/// [`PATIENCE`] ran out; the message says what was waited for and what was seen last.
pub fn until<T>(what: &str, condition: impl FnMut() -> Result<T>) -> Result<T> {
    within(PATIENCE, what, condition)
}

/// The same, with a deadline of one's own.
///
/// # Errors
/// The deadline passed.
pub fn within<T>(patience: Duration, what: &str, mut condition: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                bail!("waited {patience:?} for {what}; last seen: {error:#}")
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(10)),
        }
    }
}
