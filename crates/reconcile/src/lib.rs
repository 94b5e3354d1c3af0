//! What AWS says was called, against what the gate let out: which calls went round the gate, which ones AWS does not know, and
//! which ones it describes otherwise.
//!
//! ```text
//!  CloudTrail ──────▶ Document ─▶ Seen ┐                         each of ours, one at a time
//!  invocation logs ─▶ Document ─▶ Seen ┴─▶ Intake ─▶ Matcher ◀── offer(Ours) ─▶ finish() ─▶ Report
//! ```
//!
//! AWS's side is held in memory (less than a kilobyte an event), ours passes by: only what claims one of AWS's calls, or
//! might, is kept. The result does not depend on the order in which either side comes.
//!
//! Pure: no I/O, no clock, no environment. Bytes come from a reader that the caller opens.
//!
//! Deliberately absent: types of records. Records are read by whoever has them, into [`Ours`].

mod calls;
mod class;
mod cloudtrail;
mod coverage;
mod differences;
mod document;
mod exceptions;
mod id;
mod intake;
mod invocation;
mod matcher;
mod model;
mod names;
mod ours;
mod pairing;
mod report;
mod seen;
mod told;

pub use class::Class;
pub use document::{Broken, Document};
pub use exceptions::{Exception, Exceptions};
pub use intake::{Ignore, Intake, Settings};
pub use matcher::Matcher;
pub use names::Names;
pub use ours::{Ours, State};
pub use report::{
    Bypassed, Covered, Difference, Field, Group, Mismatch, NotCovered, Report, Severity, Told, Unknown,
};
pub use seen::{Seen, Source};
