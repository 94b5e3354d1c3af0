//! AES-256-GCM for captured text, with a key of its own.

use crate::tokens::MasterKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Which key encrypts. Written beside each text, so that there can be another one.
pub(super) const KEY_ID: u32 = 1;

/// An encrypted text, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedText {
    /// `prompt`, `tool_results` or `answer`.
    pub kind: String,
    /// Which key.
    pub key_id: u32,
    /// 96 random bits.
    pub nonce: [u8; NONCE_LEN],
    /// Ciphertext and tag.
    pub bytes: Vec<u8>,
}

/// A text that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was encrypted with a key that is not there.
    #[error("the text was encrypted with key {0}, which this program does not have")]
    Key(u32),
    /// Another master key, another call, or a changed byte.
    #[error(
        "the text does not open: it was changed, or the master key is not the one it was encrypted with; restore that key"
    )]
    DoesNotOpen,
    /// It opens, and is not what its record tells of.
    #[error("the text is not the one that its record tells of")]
    Changed,
}

#[derive(Debug)]
pub(super) struct Seal(Option<LessSafeKey>);

impl Seal {
    pub(super) fn new(master: &MasterKey) -> Self {
        let key = master.derive(&format!("portcullis/audit/captured-text/{KEY_ID}"));
        // 32 bytes are what AES-256 takes.
        Seal(UnboundKey::new(&AES_256_GCM, &key).ok().map(LessSafeKey::new))
    }

    /// Bound to the call and to its kind: it opens for no other. (The decision's id is given later, by the store, in the order
    /// of its queue; the call's id is on the same record, and no two records have the same.)
    pub(super) fn seal(&self, call_id: &str, kind: &str, text: &str) -> Option<SealedText> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).ok()?;
        let mut bytes = text.as_bytes().to_vec();
        let aad = Aad::from(bound_to(call_id, kind));
        let key = self.0.as_ref()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes).ok()?;
        Some(SealedText { kind: kind.to_owned(), key_id: KEY_ID, nonce, bytes })
    }

    pub(super) fn open(&self, call_id: &str, sealed: &SealedText) -> Result<String, OpenError> {
        let key = self.0.as_ref().filter(|_| sealed.key_id == KEY_ID).ok_or(OpenError::Key(sealed.key_id))?;
        let mut bytes = sealed.bytes.clone();
        let aad = Aad::from(bound_to(call_id, &sealed.kind));
        let text = key
            .open_in_place(Nonce::assume_unique_for_key(sealed.nonce), aad, &mut bytes)
            .map_err(|_| OpenError::DoesNotOpen)?;
        String::from_utf8(text.to_vec()).map_err(|_| OpenError::DoesNotOpen)
    }
}

fn bound_to(call_id: &str, kind: &str) -> Vec<u8> {
    [kind.as_bytes(), b"\n", call_id.as_bytes()].concat()
}
