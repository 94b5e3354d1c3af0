//! Checkpoints: the size and root of a log, signed. A checkpoint is the text of a signed note.
//!
//! Formats: <https://c2sp.org/tlog-checkpoint>, <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-cosignature>.

use super::tree::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, Verifier as _};
use sha2::{Digest, Sha256};

/// Ed25519, as signed-note numbers algorithms.
const ED25519: u8 = 1;
/// What stands before a signature.
const DASH: &str = "\u{2014} ";

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
}

/// A note: a text, and lines that sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// What is signed; ends with a line end.
    pub text: String,
    /// Of each signature the key's name, the key's id and the signature.
    pub signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

impl SignedNote {
    /// Signs a text that ends with a line end.
    #[must_use]
    pub fn sign(text: String, key: &SigningKey) -> Self {
        let signature = (key.name.clone(), key.verifying_key().id(), key.sign(text.as_bytes()).to_vec());
        SignedNote { text, signatures: vec![signature] }
    }

    /// As it is published.
    #[must_use]
    pub fn to_text(&self) -> String {
        let lines = self.signatures.iter().map(|(name, id, signature)| {
            format!("{DASH}{name} {}\n", STANDARD.encode([id.as_slice(), signature].concat()))
        });
        format!("{}\n{}", self.text, lines.collect::<String>())
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let form = |what| NoteError::Form(what);
        let (text, lines) =
            note.rsplit_once("\n\n").ok_or(form("a note has a blank line before its signatures"))?;
        let lines = lines.strip_suffix('\n').ok_or(form("a note ends with a line end"))?;
        let signatures = lines.split('\n').map(|line| {
            let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
            let bytes = STANDARD.decode(signature).ok()?;
            let (id, signature) = bytes.split_first_chunk::<4>()?;
            (valid_name(name) && !signature.is_empty()).then(|| (name.to_owned(), *id, signature.to_vec()))
        });
        let signatures =
            signatures.collect::<Option<Vec<_>>>().ok_or(form("a signature line is not well-formed"))?;
        Ok(SignedNote { text: format!("{text}\n"), signatures })
    }

    /// Checks the signature of any of these keys; those of others are ignored. Gives the first key that has signed.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`], [`NoteError::BadSignature`].
    pub fn verify<'k>(&self, keys: &'k [VerifyingKey]) -> Result<&'k VerifyingKey, NoteError> {
        let mut found = None;
        for (name, id, signature) in &self.signatures {
            let Some(key) = keys.iter().find(|key| key.name == *name && key.id() == *id) else { continue };
            if !key.verifies(self.text.as_bytes(), signature) {
                return Err(NoteError::BadSignature(name.clone()));
            }
            found = found.or(Some(key));
        }
        found.ok_or(NoteError::Unsigned)
    }
}

/// Names have no white space and no `+` (signed-note).
fn valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c.is_control())
}

/// Who signs a log.
#[derive(Clone)]
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
        if !valid_name(&name) {
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

    fn sign(&self, bytes: &[u8]) -> [u8; 64] {
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

    /// Its id: the first four bytes of `SHA-256(name || "\n" || algorithm || key)` (signed-note).
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name).chain_update(b"\n").chain_update([ED25519]);
        let hash: [u8; 32] = hash.chain_update(self.key.as_bytes()).finalize().into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify(text, &signature).is_ok())
    }
}

impl std::fmt::Display for VerifyingKey {
    /// The verifier key of signed-note: `name+hex id+base64 of algorithm and key`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{}+{key}", self.name, hex::encode(self.id()))
    }
}

impl std::str::FromStr for VerifyingKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let form = NoteError::Form("a public key is written `name+hash+base64` (signed-note's vkey)");
        let parts = text.trim().split_once('+').and_then(|(name, rest)| Some((name, rest.split_once('+')?)));
        let (name, (id, key)) = parts.ok_or(form.clone())?;
        let bytes = STANDARD.decode(key).map_err(|_| form.clone())?;
        let Some((&ED25519, key)) = bytes.split_first() else { return Err(form) };
        let key = key.try_into().ok().and_then(|key| ed25519_dalek::VerifyingKey::from_bytes(key).ok());
        let key = VerifyingKey { name: name.to_owned(), key: key.ok_or(form.clone())? };
        if valid_name(name) && hex::encode(key.id()) == id { Ok(key) } else { Err(form) }
    }
}
