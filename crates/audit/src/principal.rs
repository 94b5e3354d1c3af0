//! Who a call is made by, and how sure that is.

use serde::{Deserialize, Serialize};

/// How sure the gate is of a principal. Before AWS answers, a SigV4 key is only a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Assurance {
    /// The caller says so; nobody has checked it.
    #[default]
    Claimed,
    /// AWS accepted the credential.
    Confirmed,
    /// AWS refused the credential.
    Rejected,
    /// The gate checked it itself.
    Verified,
}

/// What AWS's answer says of the caller's credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityAnswer {
    /// AWS accepted the credential.
    Accepted,
    /// AWS refused the credential.
    Refused,
    /// The answer does not say.
    Silent,
}

impl Assurance {
    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Assurance::Claimed => "claimed",
            Assurance::Confirmed => "confirmed",
            Assurance::Rejected => "rejected",
            Assurance::Verified => "verified",
        }
    }

    /// The assurance after AWS's answer. Only a claim moves: what the gate verified itself stays verified (in
    /// re-sign mode AWS judges the gateway's credential, not the caller's), and a first answer stands.
    #[must_use]
    pub const fn after(self, answer: IdentityAnswer) -> Assurance {
        match (self, answer) {
            (Assurance::Claimed, IdentityAnswer::Accepted) => Assurance::Confirmed,
            (Assurance::Claimed, IdentityAnswer::Refused) => Assurance::Rejected,
            (unchanged, _) => unchanged,
        }
    }
}

/// The principal of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Principal {
    /// Its name in the bundle's directory or of its virtual key; `anonymous` for a call without a credential.
    pub name: String,
    /// How sure that is.
    pub assurance: Assurance,
    /// Tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Roles or groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The name is one of the bundle's directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_claim_moves() {
        use Assurance::{Claimed, Confirmed, Rejected, Verified};
        use IdentityAnswer::{Accepted, Refused, Silent};
        let cases = [
            (Claimed, Accepted, Confirmed),
            (Claimed, Refused, Rejected),
            (Claimed, Silent, Claimed),
            (Confirmed, Refused, Confirmed),
            (Rejected, Accepted, Rejected),
            (Verified, Accepted, Verified),
            (Verified, Refused, Verified),
        ];
        for (before, answer, after) in cases {
            assert_eq!(before.after(answer), after, "{before:?} after {answer:?}");
        }
        println!("compared {} transitions of assurance", cases.len());
    }
}
