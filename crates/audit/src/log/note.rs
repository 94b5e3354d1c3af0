//! Notes: a text, and lines that sign it.
//!
//! Format: <https://c2sp.org/signed-note>.

use super::keys::{SigningKey, VerifyingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;

/// What stands before a signature.
const DASH: &str = "\u{2014} ";
/// More signatures are not read: whoever sends a note could make us check them for hours. The format asks for 16.
const MAX_SIGNATURES: usize = 64;

/// A note or key that is not well-formed, or not signed by whom it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a note, checkpoint or key of that form.
    #[error("{0}")]
    Form(&'static str),
    /// None of the known keys has signed it.
    #[error("no known key has signed it")]
    Unsigned,
    /// A known key's signature does not verify.
    #[error("the signature of `{0}` does not verify")]
    BadSignature(String),
}

/// A signature of a note: a line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// Name of the key.
    pub name: String,
    /// Id of the key.
    pub id: [u8; 4],
    /// What the key made of the text; what that is depends on the algorithm.
    pub bytes: Vec<u8>,
}

impl fmt::Display for NoteSignature {
    /// The line, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.bytes].concat();
        write!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

impl FromStr for NoteSignature {
    type Err = NoteError;

    /// Reads a line, with or without its end.
    fn from_str(line: &str) -> Result<Self, NoteError> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let read = || {
            let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
            let bytes = STANDARD.decode(bytes).ok()?;
            let (id, bytes) = bytes.split_first_chunk::<4>()?;
            let (id, bytes) = (*id, bytes.to_vec());
            (is_key_name(name) && !bytes.is_empty()).then(|| NoteSignature {
                name: name.to_owned(),
                id,
                bytes,
            })
        };
        read().ok_or(NoteError::Form("a signature line is not well-formed"))
    }
}

/// A note: a text, and lines that sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// What is signed; ends with a line end.
    pub text: String,
    /// The signatures.
    pub signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// Signs a text that ends with a line end.
    #[must_use]
    pub fn sign(text: String, key: &SigningKey) -> Self {
        let bytes = key.sign(text.as_bytes()).to_vec();
        let signature = NoteSignature { name: key.name().to_owned(), id: key.verifying_key().id(), bytes };
        SignedNote { text, signatures: vec![signature] }
    }

    /// As it is published.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines: String = self.signatures.iter().map(|signature| format!("{signature}\n")).collect();
        format!("{}\n{lines}", self.text)
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let form = |what| NoteError::Form(what);
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(form("a note has no control characters but line ends"));
        }
        // The last blank line: the text may have some, too.
        let (text, lines) =
            note.rsplit_once("\n\n").ok_or(form("a note has a blank line before its signatures"))?;
        let lines = lines.strip_suffix('\n').ok_or(form("a note ends with a line end"))?;
        let signatures =
            lines.split('\n').take(MAX_SIGNATURES + 1).map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(form("a note has at most 64 signatures"));
        }
        Ok(SignedNote { text: format!("{text}\n"), signatures })
    }

    /// Checks the signature of any of these keys; those of others are ignored. Gives the first key that has signed.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`], [`NoteError::BadSignature`].
    pub fn verify<'k>(&self, keys: &'k [VerifyingKey]) -> Result<&'k VerifyingKey, NoteError> {
        let mut found = None;
        for NoteSignature { name, id, bytes } in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.name() == name && key.id() == *id) else { continue };
            if !key.verifies(self.text.as_bytes(), bytes) {
                return Err(NoteError::BadSignature(name.clone()));
            }
            found = found.or(Some(key));
        }
        found.ok_or(NoteError::Unsigned)
    }
}

/// Names have no white space and no `+`.
pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c.is_control())
}

#[cfg(test)]
mod tests;
