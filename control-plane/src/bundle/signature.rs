//! Who signed a bundle. What is signed is the bundle's digest, so that a signature holds however the files travel.
//!
//! | file | format | signed bytes |
//! |---|---|---|
//! | `bundle.minisig` | minisign's, legacy or prehashed | the digest in hex, with or without a line end |
//! | `bundle.sig` | base64 of an Ed25519 signature (RFC 8032) | `portcullis-bundle-v1:` and the digest in hex |

use super::load::refused;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_policy::{LoadError, SourceFile};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use std::str::FromStr;

const PREFIX: &str = "portcullis-bundle-v1:";
const MINISIG: &str = "bundle.minisig";
const SIG: &str = "bundle.sig";
/// Bytes of a signature file.
const MAX_SIGNATURE: usize = 4_096;
const PEM: [&str; 2] = ["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"];

/// A public key that bundles may be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleKey {
    /// 32 bytes of Ed25519, for `bundle.sig`.
    Ed25519([u8; 32]),
    /// A minisign key in base64, for `bundle.minisig`, and its id as minisign shows it.
    Minisign {
        /// The second line of minisign's `.pub` file.
        base64: String,
        /// 16 hex digits.
        id: String,
    },
}

impl FromStr for BundleKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "`{text}` is no public key: write 32 bytes of Ed25519 in base64, or the second line of minisign's .pub file"
            )
        };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| bad())?;
        if let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) {
            return Ok(BundleKey::Ed25519(key));
        }
        minisign_verify::PublicKey::from_base64(text.trim()).map_err(|_| bad())?;
        // After two bytes for the algorithm; shown as the number that it is, little-endian.
        let id =
            bytes.get(2..10).and_then(|id| id.try_into().ok()).map(u64::from_le_bytes).ok_or_else(bad)?;
        Ok(BundleKey::Minisign { base64: text.trim().to_owned(), id: format!("{id:016X}") })
    }
}

impl BundleKey {
    /// What the key is called in versions and events: `minisign:` and its id, or `ed25519:` and the first 16 hex digits
    /// of its SHA-256.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            BundleKey::Ed25519(key) => {
                let hash = hex::encode(crate::tokens::sha256(key));
                format!("ed25519:{}", hash.get(..16).unwrap_or(&hash))
            }
            BundleKey::Minisign { id, .. } => format!("minisign:{id}"),
        }
    }
}

/// Whose signatures count, and whether there must be one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Known keys.
    pub keys: Vec<BundleKey>,
    /// A bundle without a good signature is refused.
    pub required: bool,
}

impl Trust {
    /// Checks a bundle's signatures: the name of the key that signed it, or `None` when there is no signature, or no
    /// key to check one with. Every signature that is there must be good.
    ///
    /// # Errors
    /// A signature is missing though required, wrong, not readable, or by a key that is not known.
    pub fn check(&self, files: &[SourceFile], digest: &str) -> Result<Option<String>, LoadError> {
        if self.keys.is_empty() && !self.required {
            return Ok(None);
        }
        let mut signer = None;
        for file in files {
            let found = match file.path.as_str() {
                MINISIG | SIG if file.bytes.len() > MAX_SIGNATURE => {
                    Err(format!("a signature has at most {MAX_SIGNATURE} bytes"))
                }
                MINISIG => self.minisig(&file.bytes, digest),
                SIG => self.sig(&file.bytes, digest),
                _ => continue,
            };
            let name = found.map_err(|why| refused(&file.path, why))?;
            signer = signer.or(Some(name));
        }
        if signer.is_none() && self.required {
            let message = format!(
                "the bundle is not signed, and this server takes signed bundles only (`require_signed_bundles`); sign \
                 digest {digest} with `portcullis policy sign` or minisign"
            );
            return Err(refused(SIG, message));
        }
        Ok(signer)
    }

    fn minisig(&self, bytes: &[u8], digest: &str) -> Result<String, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not a minisign signature".to_owned())?;
        let signature = minisign_verify::Signature::decode(text)
            .map_err(|error| format!("not a minisign signature: {error}"))?;
        let mut known = false;
        for key in &self.keys {
            let BundleKey::Minisign { base64, .. } = key else { continue };
            let Ok(public) = minisign_verify::PublicKey::from_base64(base64) else { continue };
            for message in [digest.to_owned(), format!("{digest}\n")] {
                match public.verify(message.as_bytes(), &signature, true) {
                    Ok(()) => return Ok(key.name()),
                    Err(minisign_verify::Error::UnexpectedKeyId) => break,
                    Err(_) => known = true,
                }
            }
        }
        Err(if known {
            format!("the signature is by a known key but not of these files, whose digest is {digest}")
        } else {
            "the signature is by a key that is not among `bundle_keys`".to_owned()
        })
    }

    fn sig(&self, bytes: &[u8], digest: &str) -> Result<String, String> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let signature = STANDARD.decode(text.trim()).ok().filter(|signature| signature.len() == 64);
        let signature = signature.ok_or("not an Ed25519 signature in base64 (64 bytes, 88 characters)")?;
        let message = format!("{PREFIX}{digest}");
        let by = self.keys.iter().find(|key| match key {
            BundleKey::Ed25519(public) => {
                UnparsedPublicKey::new(&ED25519, public).verify(message.as_bytes(), &signature).is_ok()
            }
            BundleKey::Minisign { .. } => false,
        });
        by.map(BundleKey::name).ok_or_else(|| {
            format!(
                "no key among `bundle_keys` has made this signature of the digest {digest}: the files were changed \
                 after signing, or the key is not known"
            )
        })
    }
}

/// A private key for `bundle.sig`.
#[derive(Debug)]
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes a key: it, and its PEM file (PKCS #8).
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate() -> Result<(Self, String), String> {
        let no_key = |_| "no key can be made: the system gives no randomness".to_owned();
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(no_key)?;
        let base64 = STANDARD.encode(pkcs8.as_ref());
        let [begin, end] = PEM;
        let pem = format!("{begin}\n{base64}\n{end}\n");
        Self::from_pem(&pem).map(|key| (key, pem))
    }

    /// Reads a PEM file (PKCS #8), such as `portcullis policy keygen` and `openssl genpkey -algorithm ed25519` make.
    ///
    /// # Errors
    /// It is no such file.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let bad = "not an Ed25519 private key in PEM (PKCS #8); make one with `portcullis policy keygen`";
        let [begin, end] = PEM;
        let inner = pem.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).ok_or(bad)?.0;
        let base64: String = inner.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD.decode(base64).map_err(|_| bad)?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(SigningKey).map_err(|_| bad.to_owned())
    }

    /// The public key, for `bundle_keys`.
    #[must_use]
    pub fn public(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// The content of `bundle.sig` for a bundle of that digest.
    #[must_use]
    pub fn sign(&self, digest: &str) -> String {
        format!("{}\n", STANDARD.encode(self.0.sign(format!("{PREFIX}{digest}").as_bytes()).as_ref()))
    }
}

#[cfg(test)]
mod tests;
