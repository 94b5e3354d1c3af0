//! A record as its type reads it.

use crate::storage::Logged;
use portcullis_audit::log::RecordKind;
use portcullis_audit::{DecisionRecord, EventRecord, OutcomeRecord};
use serde::de::DeserializeOwned;

/// A record that cannot be put into a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {index} of the log: {problem}")]
pub struct FormatError {
    /// Its place in the log.
    pub index: u64,
    /// What is wrong with it.
    pub problem: String,
}

impl FormatError {
    pub(super) fn new(index: u64, problem: impl std::fmt::Display) -> Self {
        FormatError { index, problem: problem.to_string() }
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub enum Parsed {
    /// Of a decision on a call, a tool call or an answer's text.
    Decision(Box<DecisionRecord>),
    /// Of an outcome.
    Outcome(Box<OutcomeRecord>),
    /// Of an event.
    Event(Box<EventRecord>),
    /// Of which only the entry is left.
    Pruned,
}

/// Reads a record of the log.
///
/// # Errors
/// [`FormatError`]: another version of the program has written it, or it is damaged.
pub fn parse(logged: &Logged) -> Result<Parsed, FormatError> {
    let Some(record) = &logged.record else { return Ok(Parsed::Pruned) };
    Ok(match logged.entry.kind {
        RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText => {
            Parsed::Decision(read(logged, record)?)
        }
        RecordKind::Outcome => Parsed::Outcome(read(logged, record)?),
        RecordKind::Approval | RecordKind::Bundle | RecordKind::Admin | RecordKind::Gap => {
            Parsed::Event(read(logged, record)?)
        }
    })
}

fn read<T: DeserializeOwned>(logged: &Logged, record: &str) -> Result<Box<T>, FormatError> {
    serde_json::from_str(record).map(Box::new).map_err(|error| {
        FormatError::new(
            logged.index,
            format!("it is no record of the kind {}: {error}", logged.entry.kind.as_str()),
        )
    })
}
