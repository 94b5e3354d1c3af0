//! How far it is, on the standard error: a line that changes on a terminal, a line now and then elsewhere.

use super::super::super::output::grouped;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(10);

pub(super) struct Meter {
    terminal: bool,
    began: Instant,
    told: Instant,
}

impl Meter {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Meter { terminal: stderr().is_terminal(), began: now, told: now }
    }

    /// So many of so many records are done. Who cannot be told misses nothing that matters.
    pub(super) fn tell(&mut self, done: u64, total: u64) {
        let every = if self.terminal { ON_TERMINAL } else { ELSEWHERE };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        let number = |number: u64| grouped(usize::try_from(number).unwrap_or(usize::MAX));
        let rate = done as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let (start, end) = if self.terminal { ("\r\u{1b}[K", "") } else { ("", "\n") };
        let _ = write!(
            stderr(),
            "{start}{} of {} records, {} a second{end}",
            number(done),
            number(total),
            number(rate as u64)
        );
        let _ = stderr().flush();
    }

    pub(super) fn end(&mut self) {
        if self.terminal {
            let _ = write!(stderr(), "\r\u{1b}[K");
        }
    }
}
