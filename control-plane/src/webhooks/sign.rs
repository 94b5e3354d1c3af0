//! The signature of a delivery.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that carries [`signature`].
pub const SIGNATURE_HEADER: &str = "x-portcullis-signature";

/// `t=<seconds>,v1=<hex>`: HMAC-SHA256, keyed with the secret, over the decimal Unix time in seconds, a full stop, and the
/// body. The time is signed so that a receiver can refuse what is old.
#[must_use]
pub fn signature(secret: &[u8], unix_seconds: u64, body: &[u8]) -> String {
    // HMAC takes keys of any length (RFC 2104 §2); there is nothing that could fail.
    let mac = Hmac::<Sha256>::new_from_slice(secret).map(|mut mac| {
        mac.update(unix_seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        mac.finalize().into_bytes()
    });
    format!("t={unix_seconds},v1={}", mac.map(hex::encode).unwrap_or_default())
}
