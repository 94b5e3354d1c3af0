//! What an answer's head says.

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

/// Reads the identity check out of a status and an error type (without namespace or suffix).
#[must_use]
pub fn identity_check(status: u16, error_type: Option<&str>) -> IdentityCheck {
    let _ = (status, error_type);
    IdentityCheck::Silent
}

/// Takes namespace (`ns#`) and suffix (`:http://…`) off an `x-amzn-errortype` value.
#[must_use]
pub fn error_type(raw: &str) -> &str {
    raw
}
