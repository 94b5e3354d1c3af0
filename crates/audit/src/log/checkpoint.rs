//! Checkpoints: the size and root of a log, as the text of a signed note.
//!
//! Format: <https://c2sp.org/tlog-checkpoint>.

use super::note::{NoteError, SignedNote};
use super::tree::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The head of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

impl Checkpoint {
    /// The text of its note.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the text of a note; extension lines are allowed and ignored.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let form = |what| NoteError::Form(what);
        let text = text.strip_suffix('\n').ok_or(form("a checkpoint ends with a line end"))?;
        let mut lines = text.split('\n');
        let origin =
            lines.next().filter(|origin| !origin.is_empty()).ok_or(form("a checkpoint has an origin"))?;
        let size = lines.next().ok_or(form("a checkpoint has a size"))?;
        let plain = size == "0" || (!size.starts_with('0') && size.bytes().all(|byte| byte.is_ascii_digit()));
        let size = size
            .parse()
            .ok()
            .filter(|_| plain)
            .ok_or(form("the size of a checkpoint is a decimal number"))?;
        let root =
            lines.next().and_then(|root| STANDARD.decode(root).ok()).and_then(|root| root.try_into().ok());
        let root = root.ok_or(form("the root of a checkpoint is 32 bytes in base64"))?;
        if lines.any(str::is_empty) {
            return Err(form("a line of a checkpoint is empty"));
        }
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }

    /// Reads a note and the checkpoint in it. Says nothing of its signatures.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse_note(note: &str) -> Result<(Self, SignedNote), NoteError> {
        let note = SignedNote::parse(note)?;
        Ok((Checkpoint::parse(&note.text)?, note))
    }
}

#[cfg(test)]
mod tests;
