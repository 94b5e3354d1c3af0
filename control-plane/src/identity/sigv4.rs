//! Checks one signature.

use super::canonical;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use portcullis_protocol::Signing;
use sha2::{Digest, Sha256};

/// How far the clocks may be apart; AWS's own tolerance.
const SKEW_MS: i64 = 5 * 60 * 1000;
/// The longest life of a presigned request: that of a short-term Bedrock API key.
const LONGEST_LIFE_S: i64 = 12 * 60 * 60;
/// The signing names of Bedrock's services.
const SERVICES: &[&str] = &["bedrock", "bedrock-agentcore", "bedrock-mantle"];

/// Why a signature does not count. For the audit record; the caller only learns that it does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The gate could not hash the body (a bidirectional stream, or a body that did not arrive whole).
    #[error("the body was not hashed")]
    NoPayloadHash,
    /// `x-amz-content-sha256` is another hash than the body's, or waives it (`UNSIGNED-PAYLOAD`).
    #[error("`x-amz-content-sha256` is not the hash of the body")]
    PayloadMismatch,
    /// Not `date/region/service/aws4_request`.
    #[error("the credential scope is not `date/region/service/aws4_request`")]
    BadScope,
    /// Another AWS service's scope.
    #[error("the credential scope names a service that is not Bedrock's")]
    ForeignService,
    /// Not `yyyymmddThhmmssZ`, or another day than the scope's.
    #[error("the date is not in ISO 8601 basic format, or not the day of the credential scope")]
    BadDate,
    /// Older than five minutes, or than the life that a presigned request gives itself.
    #[error("the signature has expired")]
    Expired,
    /// More than five minutes ahead.
    #[error("the signature is not yet valid")]
    NotYetValid,
    /// A presigned request without `X-Amz-Expires`, or with one above twelve hours.
    #[error("`X-Amz-Expires` is missing or too long")]
    BadExpiry,
    /// Neither `host` nor `:authority` is signed, or the names are not in ascending order.
    #[error("the signed headers leave out the host, or are not sorted")]
    BadSignedHeaders,
    /// The right form, and another signature: wrong secret, or something was changed on the way.
    #[error("the signature is not that of this request")]
    Mismatch,
}

impl SignatureError {
    /// A stable code, such as `expired`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoPayloadHash => "no_payload_hash",
            Self::PayloadMismatch => "payload_mismatch",
            Self::BadScope => "bad_scope",
            Self::ForeignService => "foreign_service",
            Self::BadDate => "bad_date",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::BadExpiry => "bad_expiry",
            Self::BadSignedHeaders => "bad_signed_headers",
            Self::Mismatch => "mismatch",
        }
    }
}

/// Checks the signature of a request against the secret of the key that it names.
///
/// `method` is the request's, `now_ms` Unix time in milliseconds. The region of the scope is the caller's own idea (a
/// gateway signs anew for its own), so it is part of the signature, but any is taken.
///
/// # Errors
/// [`SignatureError`] when the request does not verify; then nothing about its caller is known.
pub fn verify(method: &str, signing: &Signing, secret: &str, now_ms: u64) -> Result<(), SignatureError> {
    check_payload(signing)?;
    check_signed_headers(signing)?;
    let scope = Scope::read(&signing.scope)?;
    let signed_at = check_date(signing, &scope, now_ms)?;

    let canonical = canonical::request(method, signing);
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{}\n{hash}", signing.date, signing.scope);
    let key = generate_signing_key(secret, signed_at.into(), scope.region, scope.service);
    let expected = calculate_signature(key, to_sign.as_bytes());
    if same(expected.as_bytes(), signing.signature.as_bytes()) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

/// `20261121/us-east-1/bedrock/aws4_request`.
struct Scope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Scope<'a> {
    fn read(scope: &'a str) -> Result<Self, SignatureError> {
        let parts: Vec<&str> = scope.split('/').collect();
        let [date, region, service, "aws4_request"] = parts.as_slice() else {
            return Err(SignatureError::BadScope);
        };
        let plausible = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if region.is_empty() || !region.bytes().all(plausible) {
            return Err(SignatureError::BadScope);
        }
        if !SERVICES.contains(service) {
            return Err(SignatureError::ForeignService);
        }
        Ok(Self { date, region, service })
    }
}

fn check_payload(signing: &Signing) -> Result<(), SignatureError> {
    if signing.payload_sha256.len() != 64 {
        return Err(SignatureError::NoPayloadHash);
    }
    let mut claimed = signing.headers.iter().filter(|(name, _)| name == "x-amz-content-sha256");
    if claimed.any(|(_, hash)| hash.trim() != signing.payload_sha256) {
        return Err(SignatureError::PayloadMismatch);
    }
    Ok(())
}

fn check_signed_headers(signing: &Signing) -> Result<(), SignatureError> {
    let names = || signing.headers.iter().map(|(name, _)| name.as_str());
    let host = names().any(|name| name == "host" || name == ":authority");
    if host && names().is_sorted() { Ok(()) } else { Err(SignatureError::BadSignedHeaders) }
}

/// When it was signed, if that counts now.
fn check_date(signing: &Signing, scope: &Scope<'_>, now_ms: u64) -> Result<Timestamp, SignatureError> {
    let date = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &signing.date);
    let zoned = date.and_then(|date| date.to_zoned(TimeZone::UTC)).map_err(|_| SignatureError::BadDate)?;
    if signing.date.len() != 16 || signing.date.get(..8) != Some(scope.date) {
        return Err(SignatureError::BadDate);
    }
    let signed_at = zoned.timestamp();
    let age_ms = i64::try_from(now_ms).unwrap_or(i64::MAX).saturating_sub(signed_at.as_millisecond());
    if age_ms < -SKEW_MS {
        return Err(SignatureError::NotYetValid);
    }
    if age_ms > life_ms(signing)? { Err(SignatureError::Expired) } else { Ok(signed_at) }
}

fn life_ms(signing: &Signing) -> Result<i64, SignatureError> {
    if canonical::parameter(&signing.query, "X-Amz-Algorithm").is_none() {
        return Ok(SKEW_MS);
    }
    let expires =
        canonical::parameter(&signing.query, "X-Amz-Expires").and_then(|text| text.parse::<i64>().ok());
    let expires = expires.filter(|seconds| (1..=LONGEST_LIFE_S).contains(seconds));
    expires.map(|seconds| seconds * 1000).ok_or(SignatureError::BadExpiry)
}

/// Compares in a time that depends on the lengths only.
fn same(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |different, (a, b)| different | (a ^ b));
    a.len() == b.len() && std::hint::black_box(different) == 0
}
