//! Taking in AWS's side.

use crate::calls::{self, Call};
use crate::coverage::Coverage;
use crate::exceptions::Exceptions;
use crate::matcher::Matcher;
use crate::seen::Seen;
use std::collections::BTreeMap;

/// Calls that are no finding when the gate does not know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ignore {
    /// Those that only read the control plane: lists and descriptions, which every look at the console makes.
    pub reads: bool,
    /// Those from the console, the playground too.
    pub console: bool,
    /// Those that AWS refused.
    pub refused: bool,
}

impl Default for Ignore {
    fn default() -> Self {
        Ignore { reads: true, console: false, refused: false }
    }
}

/// How to reconcile.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How far the clocks of AWS and of the gate, and the moments that they note, may be apart: milliseconds.
    pub tolerance_ms: u64,
    /// From when on calls are compared, Unix milliseconds. Absent: from our first record on.
    pub since_ms: Option<u64>,
    /// Before when. Absent: until our last record.
    pub until_ms: Option<u64>,
    /// Accounts that matter; empty: all.
    pub accounts: Vec<String>,
    /// Regions that matter; empty: all.
    pub regions: Vec<String>,
    /// What is no finding.
    pub ignore: Ignore,
    /// What is known.
    pub exceptions: Exceptions,
}

/// AWS's side, as it comes.
#[derive(Debug)]
pub struct Intake {
    settings: Settings,
    coverage: Coverage,
    seen: Vec<Seen>,
    ignored: BTreeMap<String, u64>,
    events: u64,
}

impl Intake {
    /// Nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Intake {
            settings,
            coverage: Coverage::default(),
            seen: Vec::new(),
            ignored: BTreeMap::new(),
            events: 0,
        }
    }

    /// Takes an event in. What cannot have come from a client is counted and forgotten.
    pub fn push(&mut self, seen: Seen) {
        self.events += 1;
        self.coverage.add(&seen);
        let out = |list: &[String], name: Option<&str>| {
            !list.is_empty() && name.is_some_and(|name| !list.iter().any(|wanted| wanted == name))
        };
        let reason = if let Some(service) = &seen.invoked_by {
            // An agent that calls its model, a flow that calls an agent: AWS's own machines, behind the gate.
            Some(format!("made by a service of AWS: {service}"))
        } else if out(&self.settings.regions, Some(&seen.region)) {
            Some(format!("other region: {}", seen.region))
        } else if out(&self.settings.accounts, seen.account.as_deref()) {
            Some("other account".to_owned())
        } else {
            None
        };
        match reason {
            Some(reason) => *self.ignored.entry(reason).or_default() += 1,
            None => self.seen.push(seen),
        }
    }

    /// All of AWS's side is in.
    #[must_use]
    pub fn finish(self) -> Matcher {
        let Intake { settings, coverage, seen, ignored, events } = self;
        let (calls, repeated): (Vec<Call>, u64) = calls::group(seen, settings.tolerance_ms);
        Matcher::new(settings, coverage, calls, ignored, events, repeated)
    }
}
