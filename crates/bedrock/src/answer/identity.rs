//! What an answer's head says of the caller's identity, and its error.

use crate::credential::CredentialKind;

/// What AWS's answer says of the caller's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityCheck {
    /// AWS accepted the credential.
    Confirmed,
    /// AWS refused the credential.
    Rejected,
    /// The answer does not say.
    Silent,
}

/// The errors by which AWS refuses a credential.
/// Source: AWS "Common error types", and the service-specific spellings that SDKs look for.
const REJECTED: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidTokenException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// The errors that a Bedrock service gives about a call's content: it reads that only after authentication.
///
/// Absent on purpose: `AccessDeniedException`, which AWS gives both for a denied action and, with bearer keys, for a
/// key that is not valid (its message tells, and messages are not read); `ValidationException`,
/// `ThrottlingException` and the 5xx errors, which may be given before anything is checked: a forged key must not
/// become a confirmed one by a malformed call.
const CONFIRMED: &[&str] = &[
    "ConflictException",
    "DependencyFailedException",
    "ModelErrorException",
    "ModelNotReadyException",
    "ModelStreamErrorException",
    "ModelTimeoutException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
];

/// Reads the identity check out of a status and an error type (without namespace or suffix).
///
/// Conservative: an answer without a known error type, or one that may come before authentication, is silent.
/// [`identity_check_of`] can say more where the form of the credential is known.
#[must_use]
pub fn identity_check(status: u16, error_type: Option<&str>) -> IdentityCheck {
    match (status, error_type) {
        (400..=499, Some(error)) if REJECTED.contains(&error) => IdentityCheck::Rejected,
        (400..=499, Some(error)) if CONFIRMED.contains(&error) => IdentityCheck::Confirmed,
        // Whatever its stream said later.
        (200..=299, _) => IdentityCheck::Confirmed,
        _ => IdentityCheck::Silent,
    }
}

/// The same for a credential of a known form: a SigV4 caller to whom an action is denied was authenticated first.
#[must_use]
pub fn identity_check_of(kind: CredentialKind, status: u16, error_type: Option<&str>) -> IdentityCheck {
    match (kind, status, error_type) {
        (CredentialKind::None, ..) => IdentityCheck::Silent,
        (CredentialKind::Sigv4 | CredentialKind::Presigned, 403, Some("AccessDeniedException")) => {
            IdentityCheck::Confirmed
        }
        _ => identity_check(status, error_type),
    }
}

/// Takes namespace (`ns#`) and suffix (`:http://…`) off an `x-amzn-errortype` value.
#[must_use]
pub fn error_type(raw: &str) -> &str {
    let name = raw.split_once(':').map_or(raw, |(name, _)| name);
    name.rsplit_once('#').map_or(name, |(_, name)| name).trim()
}
