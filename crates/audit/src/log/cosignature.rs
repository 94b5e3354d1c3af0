//! Cosignatures: a witness says that it saw a checkpoint, when, and that it is consistent with those it saw before.
//!
//! Format: <https://c2sp.org/tlog-cosignature> (`cosignature/v1`, Ed25519).

use super::keys::{ED25519, SigningKey, VerifyingKey};
use super::note::{NoteError, NoteSignature, SignedNote};
use std::fmt;
use std::str::FromStr;

/// Timestamped Ed25519 cosignatures, as signed-note numbers algorithms.
const COSIGNATURE_V1: u8 = 4;

/// Whose cosignature counts: a witness's public key, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey(VerifyingKey);

impl WitnessKey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Its id, which is another than that of the same key as a log's.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.0.id_as(COSIGNATURE_V1)
    }

    /// The witness of that key pair.
    #[must_use]
    pub fn of(key: &SigningKey) -> Self {
        WitnessKey(key.verifying_key())
    }

    /// When this witness cosigned the note, Unix seconds; `None` where it did not.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`].
    pub fn cosigned(&self, note: &SignedNote) -> Result<Option<u64>, NoteError> {
        let mut lines = note.signatures.iter();
        let own = lines.find(|line| line.name == self.name() && line.id == self.id());
        own.map(|line| self.verify(&note.text, line)).transpose()
    }

    /// Checks one cosignature of a checkpoint's text, and gives its time, Unix seconds.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] where it is another key's, [`NoteError::BadSignature`].
    pub fn verify(&self, text: &str, line: &NoteSignature) -> Result<u64, NoteError> {
        if line.name != self.name() || line.id != self.id() {
            return Err(NoteError::Unsigned);
        }
        let bad = || NoteError::BadSignature(line.name.clone());
        let (time, signature) = line.bytes.split_first_chunk::<8>().ok_or_else(bad)?;
        let time_s = u64::from_be_bytes(*time);
        // The format has no later ones.
        let possible = i64::try_from(time_s).is_ok();
        if possible && self.0.verifies(message(text, time_s).as_bytes(), signature) {
            Ok(time_s)
        } else {
            Err(bad())
        }
    }
}

/// What a witness signs.
fn message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

/// Cosigns a checkpoint's text at that time, Unix seconds: what a witness does.
#[must_use]
pub fn cosign(text: &str, key: &SigningKey, time_s: u64) -> NoteSignature {
    let signature = key.sign(message(text, time_s).as_bytes());
    let bytes = [time_s.to_be_bytes().as_slice(), &signature].concat();
    NoteSignature { name: key.name().to_owned(), id: WitnessKey::of(key).id(), bytes }
}

impl fmt::Display for WitnessKey {
    /// The verifier key of signed-note, with algorithm 4.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_vkey(COSIGNATURE_V1))
    }
}

impl FromStr for WitnessKey {
    type Err = NoteError;

    /// Reads a verifier key of algorithm 4, or of algorithm 1: some witnesses publish the key that way.
    fn from_str(text: &str) -> Result<Self, NoteError> {
        match VerifyingKey::parse_vkey(text.trim())? {
            (COSIGNATURE_V1 | ED25519, key) => Ok(WitnessKey(key)),
            _ => Err(NoteError::Form("the public key of a witness is one of Ed25519 (algorithm 4 or 1)")),
        }
    }
}

#[cfg(test)]
mod tests;
