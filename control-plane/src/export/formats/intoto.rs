//! in-toto: one Statement (v1) a record, in a DSSE envelope that the log's key has signed. A line is an envelope, so that a file is an
//! attestation bundle.
//!
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>,
//! <https://github.com/in-toto/attestation/blob/main/spec/v1/bundle.md>

use super::{FormatError, Parsed, parse};
use crate::storage::Logged;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::dsse::Envelope;
use portcullis_audit::log::{Hash, canonical};
use serde_json::{Map, Value, json};

/// The type of our statements.
pub const PREDICATE_TYPE: &str = "https://portcullis.dev/audit/record/v1";

/// Signs a statement with the log's key, as [`portcullis_audit::dsse::IN_TOTO`].
pub type Sign<'a> = &'a dyn Fn(&[u8]) -> Envelope;

/// That a record is in the log.
#[derive(Debug, Clone, Copy)]
pub struct Inclusion<'a> {
    /// The signed checkpoint.
    pub checkpoint: &'a str,
    /// How many records it covers.
    pub size: u64,
    /// The inclusion proof of the record in a tree of that size, the lowest first.
    pub hashes: &'a [Hash],
}

/// The statement about a record.
///
/// # Errors
/// [`FormatError`].
pub fn statement(
    origin: &str,
    logged: &Logged,
    inclusion: Option<Inclusion<'_>>,
) -> Result<Value, FormatError> {
    let wrong = |error: serde_json::Error| FormatError::new(logged.index, error);
    let mut predicate = Map::new();
    predicate.insert("entry".to_owned(), serde_json::to_value(&logged.entry).map_err(wrong)?);
    predicate.insert("log".to_owned(), json!({"origin": origin, "index": logged.index}));
    if let Some(record) = &logged.record {
        predicate.insert("record".to_owned(), serde_json::from_str(record).map_err(wrong)?);
    }
    if let Some(Inclusion { checkpoint, size, hashes }) = inclusion {
        let hashes: Vec<_> = hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        let inclusion = json!({"checkpoint": checkpoint, "size": size, "hashes": hashes});
        predicate.insert("inclusion".to_owned(), inclusion);
    }
    Ok(json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects(logged)?,
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }))
}

/// The statement, signed: a line.
///
/// # Errors
/// [`FormatError`].
pub fn line(
    origin: &str,
    logged: &Logged,
    inclusion: Option<Inclusion<'_>>,
    sign: Sign<'_>,
    out: &mut String,
) -> Result<(), FormatError> {
    let wrong = |error: &dyn std::fmt::Display| FormatError::new(logged.index, error);
    let statement = canonical(&statement(origin, logged, inclusion)?).map_err(|error| wrong(&error))?;
    let envelope = sign(statement.as_bytes());
    out.push_str(&canonical(&envelope).map_err(|error| wrong(&error))?);
    out.push('\n');
    Ok(())
}

/// What the record is about, by its digest: the request, the arguments, the text, the answer. The record itself is always there
/// too, so that a statement has a subject whatever it says.
fn subjects(logged: &Logged) -> Result<Value, FormatError> {
    let id = &logged.entry.id;
    let subject = |name: String, sha256: &str| json!({"name": name, "digest": {"sha256": sha256}});
    let about = match parse(logged)? {
        Parsed::Decision(record) => match (&record.tool, &record.text) {
            (Some(tool), _) => Some((id.clone(), tool.arguments_sha256.clone())),
            (None, Some(text)) => Some((id.clone(), text.sha256.clone())),
            (None, None) => record.request.sha256.clone().map(|sha256| (id.clone(), sha256)),
        },
        Parsed::Outcome(record) => {
            let name = record.decision_id.clone().unwrap_or_else(|| id.clone());
            let sha256 = record.answer.as_ref().and_then(|answer| answer.sha256.clone());
            sha256.map(|sha256| (format!("{name}/answer"), sha256))
        }
        Parsed::Event(_) | Parsed::Pruned => None,
    };
    let about = about.filter(|(_, sha256)| !sha256.is_empty()).map(|(name, sha256)| subject(name, &sha256));
    let itself = subject(format!("{id}/record"), &hex::encode(logged.entry.sha256));
    Ok(about.into_iter().chain([itself]).collect())
}
