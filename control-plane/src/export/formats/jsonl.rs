//! JSON Lines: `{"entry":{…},"index":n,"record":{…}}`, canonical (RFC 8785).

use super::FormatError;
use crate::storage::Logged;
use portcullis_audit::log::Entry;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Appends the line of a record, with its line end. The members are in the order of RFC 8785, and the record is canonical
/// already; a pruned one has none.
pub fn line(logged: &Logged, out: &mut String) {
    out.push_str("{\"entry\":");
    out.push_str(&logged.entry.to_json());
    out.push_str(",\"index\":");
    out.push_str(&logged.index.to_string());
    if let Some(record) = &logged.record {
        out.push_str(",\"record\":");
        out.push_str(record);
    }
    out.push_str("}\n");
}

/// Reads a line back. The record is taken as it is written, so that its hash can be checked.
///
/// # Errors
/// [`FormatError`] with the index 0 where the line has none.
pub fn parse(line: &str) -> Result<Logged, FormatError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line<'a> {
        entry: Entry,
        index: u64,
        #[serde(borrow)]
        record: Option<&'a RawValue>,
    }
    let Line { entry, index, record } = serde_json::from_str(line)
        .map_err(|error| FormatError::new(0, format!("not a line of an export: {error}")))?;
    Ok(Logged { index, entry, record: record.map(|record| record.get().into()) })
}
