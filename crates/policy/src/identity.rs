//! Who calls: a claim, looked up in the bundle's directory of principals.

use std::fmt;

/// How sure it is that the caller is who the credential says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assurance {
    /// AWS rejected the credential.
    Rejected,
    /// The credential says so; nobody has checked it yet.
    #[default]
    Claimed,
    /// AWS accepted the credential.
    Confirmed,
    /// The gate checked it itself.
    Verified,
}

impl Assurance {
    /// `rejected`, `claimed`, `confirmed` or `verified`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Claimed => "claimed",
            Self::Confirmed => "confirmed",
            Self::Verified => "verified",
        }
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a call says of its caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claim<'a> {
    /// AWS access key id of the credential.
    pub access_key_id: Option<&'a str>,
    /// Account decoded from the credential.
    pub account_hint: Option<&'a str>,
    /// Lower-case hex SHA-256 of a bearer secret.
    pub secret_sha256: Option<&'a str>,
    /// Form of the credential, see [`crate::Credential::kind`].
    pub kind: &'a str,
    /// Principal that the control plane itself has verified (a virtual key). Wins over everything else.
    pub verified: Option<&'a str>,
    /// Peer address.
    pub source_ip: Option<&'a str>,
}

/// Who calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Principal {
    /// Name in the directory; else `aws:ACCOUNT:ACCESS_KEY_ID` (`unknown` for an account that the key does not
    /// reveal), `api-key:` + 12 hex digits of the secret's SHA-256, or `anonymous`.
    pub name: String,
    /// How sure that is.
    pub assurance: Assurance,
    /// Tenant, by the directory.
    pub tenant: Option<String>,
    /// Roles, by the directory.
    pub roles: Vec<String>,
    /// The name is one of the bundle's directory.
    pub known: bool,
}
