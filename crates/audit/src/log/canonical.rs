//! Canonical JSON: one text for one value (RFC 8785).

use serde::Serialize;

/// A value that has no canonical form: a number that is none, a map whose keys are no strings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no canonical JSON: {0}")]
pub struct CanonicalError(String);

/// The value as RFC 8785 writes it.
///
/// # Errors
/// [`CanonicalError`].
pub fn canonical<T: Serialize>(value: &T) -> Result<String, CanonicalError> {
    serde_json_canonicalizer::to_string(value).map_err(|error| CanonicalError(error.to_string()))
}

#[cfg(test)]
mod tests;
