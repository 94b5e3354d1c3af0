//! Keys that sign notes, and how their public halves are written.
//!
//! Format: <https://c2sp.org/signed-note> ("Verifier keys").

use super::note::{NoteError, is_key_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Ed25519 over the text, as signed-note numbers algorithms.
pub(super) const ED25519: u8 = 1;

/// Who signs a log.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.name).finish()
    }
}

impl SigningKey {
    /// The key of that name (for a log: its origin) with that seed.
    ///
    /// # Errors
    /// [`NoteError::Form`] where the name has white space or `+`.
    pub fn new(name: impl Into<String>, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let name = name.into();
        if !is_key_name(&name) {
            return Err(NoteError::Form("the name of a key has no white space and no `+`"));
        }
        Ok(SigningKey { name, key: ed25519_dalek::SigningKey::from_bytes(seed) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes).to_bytes()
    }
}

/// Whose signature counts: the public key, with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifyingKey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id: the first four bytes of `SHA-256(name || "\n" || algorithm || key)`.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id_as(ED25519)
    }

    pub(super) fn id_as(&self, algorithm: u8) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update(b"\n").chain_update([algorithm]);
        let hash: [u8; 32] = hash.chain_update(self.key.as_bytes()).finalize().into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// As signed-note writes it: `name+hex id+base64 of algorithm and key`.
    pub(super) fn to_vkey(&self, algorithm: u8) -> String {
        let key = STANDARD.encode([&[algorithm], self.key.as_bytes().as_slice()].concat());
        format!("{}+{}+{key}", self.name, hex::encode(self.id_as(algorithm)))
    }

    /// Reads what [`Self::to_vkey`] writes: the algorithm and the key.
    pub(super) fn parse_vkey(text: &str) -> Result<(u8, Self), NoteError> {
        let read = || {
            // Base64 may have a `+`, names and ids may not.
            let (name, rest) = text.split_once('+')?;
            let (id, key) = rest.split_once('+')?;
            let bytes = STANDARD.decode(key).ok()?;
            let (algorithm, key) = bytes.split_first()?;
            let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
            let key = VerifyingKey { name: name.to_owned(), key };
            (is_key_name(name) && hex::encode(key.id_as(*algorithm)) == id).then_some((*algorithm, key))
        };
        read().ok_or(NoteError::Form("a public key is written `name+hash+base64` (signed-note's vkey)"))
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        // Strict: no keys of small order, which would take any text as signed.
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(text, &signature).is_ok())
    }
}

impl fmt::Display for VerifyingKey {
    /// The verifier key of signed-note: `name+hex id+base64 of algorithm and key`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_vkey(ED25519))
    }
}

impl FromStr for VerifyingKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        match VerifyingKey::parse_vkey(text.trim())? {
            (ED25519, key) => Ok(key),
            _ => Err(NoteError::Form("the public key of a log is one of Ed25519 (algorithm 1)")),
        }
    }
}
