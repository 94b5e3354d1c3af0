//! What an approval must be like: of a rule, or the bundle's `approvals`.

use std::time::Duration;

/// The terms of one approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalTerms {
    /// The rule that asks.
    pub rule: String,
    /// For the approver: the rule's message.
    pub message: Option<String>,
    /// A pending approval expires after this time.
    pub expires: Duration,
    /// What was approved may be used for this long.
    pub valid: Duration,
    /// Keep the call waiting at the gate for so long; `None`: refuse it with the approval's id at once.
    pub hold: Option<Duration>,
    /// Who asked may approve.
    pub allow_self: bool,
    /// Globs of the names of those who may approve; empty: everybody with an admin token.
    pub approvers: Vec<String>,
}

/// What approvals are like where a rule or a limit does not say: `approvals` of `bundle.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDefaults {
    /// A pending approval expires after this time; 24 hours.
    pub expires: Duration,
    /// What was approved may be used for this long; one hour.
    pub valid: Duration,
    /// Keep the call waiting at the gate for so long; `None`, as when nothing is said: refuse it at once.
    pub hold: Option<Duration>,
    /// Who asked may approve; `false`.
    pub allow_self: bool,
    /// Globs of the names of those who may approve; empty, as when nothing is said: everybody with an admin token.
    pub approvers: Vec<String>,
}

impl Default for ApprovalDefaults {
    fn default() -> Self {
        Self {
            expires: Duration::from_secs(24 * 3_600),
            valid: Duration::from_secs(3_600),
            hold: None,
            allow_self: false,
            approvers: Vec::new(),
        }
    }
}

/// What `approvals` of a bundle, or `approval` of a rule, says; the rest is the default's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ApprovalSpec {
    pub(crate) expires: Option<Duration>,
    pub(crate) valid: Option<Duration>,
    /// 0: do not hold.
    pub(crate) hold: Option<Duration>,
    pub(crate) allow_self: Option<bool>,
    pub(crate) approvers: Option<Vec<String>>,
}

impl ApprovalSpec {
    /// With what it does not say taken from the defaults.
    pub(crate) fn over(self, defaults: &ApprovalDefaults) -> ApprovalDefaults {
        ApprovalDefaults {
            expires: self.expires.unwrap_or(defaults.expires),
            valid: self.valid.unwrap_or(defaults.valid),
            hold: self.hold.map_or(defaults.hold, |hold| (!hold.is_zero()).then_some(hold)),
            allow_self: self.allow_self.unwrap_or(defaults.allow_self),
            approvers: self.approvers.unwrap_or_else(|| defaults.approvers.clone()),
        }
    }
}

impl ApprovalDefaults {
    /// The terms of an approval that this rule asks for.
    pub(crate) fn terms(&self, rule: &str, message: Option<&str>) -> ApprovalTerms {
        ApprovalTerms {
            rule: rule.to_owned(),
            message: message.map(str::to_owned),
            expires: self.expires,
            valid: self.valid,
            hold: self.hold,
            allow_self: self.allow_self,
            approvers: self.approvers.clone(),
        }
    }
}
