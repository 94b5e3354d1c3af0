//! Signed statements: DSSE envelopes (<https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>).
//!
//! The key of a log may sign both checkpoints and envelopes: what is signed here begins with `DSSEv1 ` and, as canonical JSON has no
//! line ends, is one line, while a checkpoint has three; so neither can be taken for the other.

use crate::log::{NoteError, SigningKey, VerifyingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A payload, and who has signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The payload in base64.
    pub payload: String,
    /// Its media type.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Its signatures.
    pub signatures: Vec<Signature>,
}

/// A signature of an [`Envelope`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Which key: its name, `+` and its id in hexadecimal digits, as the log's public key begins.
    pub keyid: String,
    /// The signature in base64.
    pub sig: String,
}

impl Envelope {
    /// Signs a payload.
    #[must_use]
    pub fn sign(payload_type: &str, payload: &[u8], key: &SigningKey) -> Self {
        let sig = STANDARD.encode(key.sign(&pae(payload_type, payload)));
        let signature = Signature { keyid: keyid(&key.verifying_key()), sig };
        let payload = STANDARD.encode(payload);
        Envelope { payload, payload_type: payload_type.to_owned(), signatures: vec![signature] }
    }

    /// Checks the signature of any of these keys, and gives the payload. Signatures of other keys are ignored.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn verify(&self, keys: &[VerifyingKey]) -> Result<Vec<u8>, NoteError> {
        let form = |_| NoteError::Form("the payload of an envelope is base64");
        let payload = STANDARD.decode(&self.payload).map_err(form)?;
        let signed = pae(&self.payload_type, &payload);
        for signature in &self.signatures {
            let Some(key) = keys.iter().find(|key| keyid(key) == signature.keyid) else { continue };
            let good = STANDARD.decode(&signature.sig).is_ok_and(|bytes| key.verifies(&signed, &bytes));
            return if good { Ok(payload) } else { Err(NoteError::BadSignature(signature.keyid.clone())) };
        }
        Err(NoteError::Unsigned)
    }
}

/// What is signed: the pre-authentication encoding of a payload and its type.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn keyid(key: &VerifyingKey) -> String {
    format!("{}+{}", key.name(), hex::encode(key.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, "Test Vectors"
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else_does() {
        let key = SigningKey::new("portcullis.local/test", &[7; 32]).unwrap();
        let other = SigningKey::new("portcullis.local/test", &[8; 32]).unwrap();
        let envelope = Envelope::sign(IN_TOTO, b"{}", &key);
        println!("{envelope:?}");
        assert_eq!(envelope.verify(&[other.verifying_key(), key.verifying_key()]), Ok(b"{}".to_vec()));
        assert_eq!(envelope.verify(&[other.verifying_key()]), Err(NoteError::Unsigned));
        let bad = |envelope: Envelope| {
            assert!(matches!(envelope.verify(&[key.verifying_key()]), Err(NoteError::BadSignature(_))))
        };
        bad(Envelope { payload: STANDARD.encode(b"{ }"), ..envelope.clone() });
        bad(Envelope { payload_type: "text/plain".to_owned(), ..envelope.clone() });
    }
}
