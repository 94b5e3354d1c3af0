//! An approval in advance.

use crate::{ApprovalError, Approver, MAX_WHY};
use serde::{Deserialize, Serialize};

/// So many calls of one principal that one rule asks about, within a time, without asking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Grant {
    /// `grt_` and hex digits.
    pub id: String,
    /// The rule that would ask.
    pub rule: String,
    /// Who may make the calls.
    pub principal: String,
    /// Calls in all.
    pub uses: u64,
    /// Calls left.
    pub left: u64,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds.
    pub expires_at_ms: u64,
    /// Who granted it, as records show it.
    pub by: String,
    /// The name of the token that granted it.
    pub by_name: String,
    /// That token's principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_principal: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// Unix milliseconds; absent unless somebody took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at_ms: Option<u64>,
}

/// Whether a grant is good for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GrantState {
    /// It has uses left.
    Active,
    /// It has none left.
    Spent,
    /// Its time is over.
    Expired,
    /// Somebody took it back.
    Revoked,
}

/// Something that somebody does with a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantStep {
    /// One call is let out.
    Use,
    /// Somebody takes it back.
    Revoke,
}

/// Most uses of one grant.
const MAX_USES: u64 = 1_000_000;
/// Longest time of one grant: 90 days.
const MAX_TTL_MS: u64 = 90 * 86_400_000;

impl Grant {
    /// Checks a grant that is about to be made.
    ///
    /// # Errors
    /// [`ApprovalError::Invalid`].
    pub fn check(&self) -> Result<(), ApprovalError> {
        let invalid = |text: String| Err(ApprovalError::Invalid(text));
        if self.rule.is_empty() || self.principal.is_empty() {
            return invalid("`rule` and `principal` must not be empty".to_owned());
        }
        if !(1..=MAX_USES).contains(&self.uses) {
            return invalid(format!("`uses` must be 1 to {MAX_USES}"));
        }
        let ttl = self.expires_at_ms.saturating_sub(self.created_at_ms);
        if ttl == 0 || ttl > MAX_TTL_MS {
            return invalid("`ttl` must be 1s to 90d".to_owned());
        }
        if self.why.chars().count() > MAX_WHY {
            return invalid(format!("`why` is longer than {MAX_WHY} characters"));
        }
        Ok(())
    }

    /// What it is good for at `at_ms`.
    #[must_use]
    pub const fn state(&self, at_ms: u64) -> GrantState {
        if self.revoked_at_ms.is_some() {
            GrantState::Revoked
        } else if self.left == 0 {
            GrantState::Spent
        } else if at_ms >= self.expires_at_ms {
            GrantState::Expired
        } else {
            GrantState::Active
        }
    }

    /// Checks that whoever granted it may answer for the call that wants to use it.
    ///
    /// # Errors
    /// See [`Approver::check`].
    pub fn permits(
        &self,
        requester: &str,
        allow_self: bool,
        approvers: &[String],
    ) -> Result<(), ApprovalError> {
        let by = Approver { name: self.by_name.clone(), principal: self.by_principal.clone() };
        by.check(requester, allow_self, approvers)
    }

    /// The grant after a step at `at_ms`.
    ///
    /// # Errors
    /// [`ApprovalError::Consumed`] when none is left, [`ApprovalError::Expired`] when its time is over or it was taken back.
    pub fn step(&self, step: GrantStep, at_ms: u64) -> Result<Grant, ApprovalError> {
        match self.state(at_ms) {
            GrantState::Active => {}
            GrantState::Spent => return Err(ApprovalError::Consumed),
            GrantState::Expired | GrantState::Revoked => return Err(ApprovalError::Expired),
        }
        let mut after = self.clone();
        match step {
            GrantStep::Use => after.left = self.left.saturating_sub(1),
            GrantStep::Revoke => after.revoked_at_ms = Some(at_ms),
        }
        Ok(after)
    }
}
