//! Sealing secrets that must be had again: AES-256-GCM with a master key that lies beside the store, or comes from the
//! environment so that a stolen disk is worth nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The key of keys: 32 bytes, written as base64.
pub struct MasterKey {
    seals: LessSafeKey,
    /// What HKDF-Extract makes of it.
    derives: [u8; 32],
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

/// HMAC-SHA-256 (RFC 2104) under a key of at most 32 bytes.
fn mac_of<const N: usize>(key: &[u8; N], parts: &[&[u8]]) -> [u8; 32] {
    // What is shorter than a block counts as if it were followed by zeros.
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mac = parts.iter().fold(Hmac::<Sha256>::new(&block.into()), |mac, part| mac.chain_update(part));
    mac.finalize().into_bytes().into()
}

/// A master key that cannot be had, or a seal that does not open.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// Not 32 bytes in base64.
    #[error("the master key in `{0}` is not 32 bytes in base64; make one with `openssl rand -base64 32`")]
    Malformed(String),
    /// The file is not accessible.
    #[error("cannot use the master key file `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// Another master key, another name, or a changed byte.
    #[error("the secret of `{0}` does not open with this master key; restore the key that it was made with")]
    DoesNotOpen(String),
}

impl MasterKey {
    /// Reads base64 text; `origin` is for the error.
    ///
    /// # Errors
    /// [`MasterKeyError::Malformed`].
    pub fn parse(text: &str, origin: &str) -> Result<Self, MasterKeyError> {
        let malformed = || MasterKeyError::Malformed(origin.to_owned());
        let bytes = STANDARD.decode(text.trim()).map_err(|_| malformed())?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| malformed())?;
        let derives = mac_of(b"portcullis", &[&bytes]);
        Ok(MasterKey { seals: LessSafeKey::new(key), derives })
    }

    /// A key for one purpose (HKDF-SHA-256, RFC 5869): whoever has it learns nothing of this one, nor of any other.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        // HKDF-Expand, whose first block is all that is needed.
        mac_of(&self.derives, &[purpose.as_bytes(), &[1]])
    }

    /// Reads `master.key` in the data directory, or makes it, readable by its owner only.
    ///
    /// # Errors
    /// [`MasterKeyError`].
    pub fn load_or_create(directory: &Path) -> Result<Self, MasterKeyError> {
        let path = directory.join("master.key");
        let io = |source| MasterKeyError::Io { path: path.clone(), source };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = [0; 32];
                getrandom::fill(&mut bytes).map_err(|_| MasterKeyError::Randomness)?;
                let text = STANDARD.encode(bytes);
                let mut file = std::fs::File::options()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .map_err(io)?;
                file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
                Self::parse(&text, &path.display().to_string())
            }
            Err(error) => Err(io(error)),
        }
    }

    /// Seals a secret, bound to its owner's name: it opens under no other. Shape: nonce, then ciphertext and tag.
    ///
    /// # Errors
    /// [`MasterKeyError::Randomness`].
    pub fn seal(&self, owner: &str, secret: &str) -> Result<Vec<u8>, MasterKeyError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| MasterKeyError::Randomness)?;
        let mut sealed = secret.as_bytes().to_vec();
        self.seals
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(owner.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| MasterKeyError::Randomness)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`MasterKey::seal`] made.
    ///
    /// # Errors
    /// [`MasterKeyError::DoesNotOpen`].
    pub fn open(&self, owner: &str, sealed: &[u8]) -> Result<String, MasterKeyError> {
        let wrong = || MasterKeyError::DoesNotOpen(owner.to_owned());
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut text = text.to_vec();
        let secret =
            self.seals.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text).map_err(|_| wrong())?;
        String::from_utf8(secret.to_vec()).map_err(|_| wrong())
    }
}
