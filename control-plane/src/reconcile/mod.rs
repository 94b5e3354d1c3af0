//! What AWS says was called, against what the log says was let out: files in, a report out. The matching itself is
//! `portcullis-reconcile`.

mod files;
mod records;
mod text;

pub use files::{Format, Inputs, Unread};
pub use records::{Gap, Joiner, Lines, RecordLine, Records, Stored, Tally};
pub use text::write as write_text;

use portcullis_reconcile::{Intake, Names, Report, Settings};
use serde::Serialize;

/// What came out, and of what.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// What was read of AWS's.
    pub inputs: Inputs,
    /// What was read of ours.
    pub records: Tally,
}

/// What an outcome means to a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to look at.
    Clean,
    /// Something could not be read, so nothing can be said.
    Incomplete,
    /// A call bypassed the gate, or AWS did something else than was decided.
    Bypassed,
    /// Something is unknown to AWS, or numbers differ.
    Different,
}

impl Outcome {
    /// The worst that was found.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.report.bypassed.is_empty() || self.report.severe() > 0 {
            Verdict::Bypassed
        } else if !self.inputs.unread.is_empty() || !self.records.broken.is_empty() {
            Verdict::Incomplete
        } else if self.report.unknown_to_aws > 0 || !self.report.mismatched.is_empty() {
            Verdict::Different
        } else {
            Verdict::Clean
        }
    }
}

/// Reads AWS's side, then ours.
///
/// # Errors
/// When a place cannot be opened or listed, or our records cannot be read. A file that is broken is in the outcome instead.
pub fn reconcile(
    settings: Settings,
    cloudtrail: &[String],
    invocation_logs: &[String],
    records: &mut dyn Records,
    progress: &mut dyn FnMut(&str),
) -> anyhow::Result<Outcome> {
    let (mut names, mut inputs, mut intake) = (Names::default(), Inputs::default(), Intake::new(settings));
    for (places, format) in [(cloudtrail, Format::CloudTrail), (invocation_logs, Format::InvocationLogs)] {
        for place in places {
            files::read(place, format, &mut names, &mut inputs, &mut |seen| intake.push(seen), progress)?;
        }
    }
    let mut matcher = intake.finish();
    let tally = records.each(&mut names, &mut |ours| matcher.offer(ours), progress)?;
    Ok(Outcome { report: matcher.finish(), inputs, records: tally })
}

#[cfg(test)]
mod tests;
