//! Lines of an export: `{"entry":{…},"index":7,"record":{…}}`, canonical; a pruned record is left out.

use super::super::entry::Entry;

/// A line that is not one of an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is not in that form.
    #[error("a line is `{{\"entry\":{{…}},\"index\":…,\"record\":{{…}}}}`")]
    Form,
    /// Its index is no decimal number.
    #[error("the index of a line is a decimal number")]
    Index,
}

/// A line, not checked any further: what it holds is hashed as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Place of the record in the log.
    pub index: u64,
    /// The entry's bytes.
    pub entry: &'a [u8],
    /// The record's bytes; `None`: it was pruned.
    pub record: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// Takes a line apart, without its end.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        const INDEX: &[u8] = b",\"index\":";
        let rest = line.strip_prefix(b"{\"entry\":").ok_or(LineError::Form)?;
        // No string holds a quotation mark that is not escaped, so the first of them ends the entry.
        let at = rest.windows(INDEX.len()).position(|window| window == INDEX).ok_or(LineError::Form)?;
        let (entry, rest) = rest.split_at_checked(at).ok_or(LineError::Form)?;
        let rest = rest.get(INDEX.len()..).and_then(|rest| rest.strip_suffix(b"}")).ok_or(LineError::Form)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at_checked(digits).ok_or(LineError::Form)?;
        let index = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        let index = index.filter(|_| digits.len() == 1 || digits.first() != Some(&b'0'));
        let index = index.ok_or(LineError::Index)?;
        if rest.is_empty() {
            return Ok(Line { index, entry, record: None });
        }
        let record = rest.strip_prefix(b",\"record\":").ok_or(LineError::Form)?;
        Ok(Line { index, entry, record: Some(record) })
    }

    /// A line, without its end.
    #[must_use]
    pub fn write(index: u64, entry: &Entry, record: Option<&str>) -> String {
        let entry = entry.to_json();
        match record {
            Some(record) => format!("{{\"entry\":{entry},\"index\":{index},\"record\":{record}}}"),
            None => format!("{{\"entry\":{entry},\"index\":{index}}}"),
        }
    }
}
