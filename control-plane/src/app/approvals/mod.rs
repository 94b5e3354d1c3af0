//! Approvals, free of HTTP: what people do with them, and what keeps them tidy. How a call gets one is
//! [`super::decide`]'s business.

mod expiry;
mod holds;
mod subject;

pub use expiry::Expiry;
pub(super) use holds::Holds;
pub(super) use subject::asked;

use super::App;
use crate::clock;
use crate::storage::{ApprovalQuery, StoreError, StoredApproval};
use crate::tokens::Caller;
use portcullis_approvals::{Approval, ApprovalError, Approver, Grant, Step};
use serde::{Deserialize, Serialize};

/// What approvals need besides the store.
#[derive(Debug, Default)]
pub struct Desk {
    /// Where people answer, for messages: `{id}` stands for the approval's id.
    pub link: Option<String>,
    pub(super) holds: Holds,
}

/// Why nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It cannot be done.
    #[error(transparent)]
    Refused(#[from] ApprovalError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A grant to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// The rule whose question is answered in advance.
    pub rule: String,
    /// Whose calls.
    pub principal: String,
    /// How many calls.
    pub uses: u64,
    /// For how long, such as `8h`; at most `90d`.
    pub ttl: String,
    /// Why.
    #[serde(default)]
    pub why: String,
}

impl Desk {
    /// The place where this approval is answered.
    #[must_use]
    pub fn link_of(&self, id: &str) -> Option<String> {
        self.link.as_ref().map(|link| {
            if link.contains("{id}") {
                link.replace("{id}", id)
            } else {
                format!("{}/{id}", link.trim_end_matches('/'))
            }
        })
    }
}

/// An answer to an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

impl App {
    /// Answers an approval.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing has changed then, but that an approval whose time is over is `expired` now.
    pub async fn answer(
        &self,
        id: &str,
        answer: Answer,
        caller: &Caller,
        why: String,
    ) -> Result<Approval, AnswerError> {
        let by = approver(caller);
        let step = match answer {
            Answer::Approve => Step::Approve { by, why },
            Answer::Deny => Step::Deny { by, why },
        };
        Ok(self.store.step(id.to_owned(), step, clock::unix_ms()).await??)
    }

    /// Finds approvals, and whether there are more.
    ///
    /// # Errors
    /// The store's.
    pub async fn approvals(
        &self,
        mut query: ApprovalQuery,
    ) -> Result<(Vec<StoredApproval>, bool), StoreError> {
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        query.limit = query.limit.saturating_add(1);
        let mut found = self.store.approvals(query).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        Ok((found, more))
    }

    /// Makes a grant.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub async fn grant(&self, wish: NewGrant, caller: &Caller) -> Result<Grant, AnswerError> {
        let by = approver(caller);
        let now_ms = clock::unix_ms();
        let ttl_ms = crate::config::duration_ms(&wish.ttl).ok_or_else(|| {
            ApprovalError::Invalid(format!("`ttl`: `{}` is no duration; write 30m, 8h or 7d", wish.ttl))
        })?;
        let mut random = [0; 10];
        getrandom::fill(&mut random)
            .map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))?;
        let grant = Grant {
            id: format!("grt_{}", hex::encode(random)),
            rule: wish.rule,
            principal: wish.principal,
            uses: wish.uses,
            left: wish.uses,
            created_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(ttl_ms),
            by: by.shown(),
            by_name: by.name.clone(),
            by_principal: by.principal.clone(),
            why: wish.why,
            revoked_at_ms: None,
        };
        grant.check()?;
        if let Some(bundle) = self.bundle.current() {
            let terms = bundle.approval_of(&grant.rule).ok_or_else(|| {
                let rule = &grant.rule;
                ApprovalError::Invalid(format!("no rule `{rule}` of the active bundle asks for an approval"))
            })?;
            // Checked again when a call uses it: the bundle may be another by then.
            grant.permits(&grant.principal, terms.allow_self, &terms.approvers)?;
        }
        self.store.add_grant(grant.clone()).await?;
        Ok(grant)
    }

    /// Takes a grant back.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub async fn revoke_grant(&self, id: &str, caller: &Caller) -> Result<Grant, AnswerError> {
        Ok(self.store.revoke_grant(id.to_owned(), approver(caller), clock::unix_ms()).await??)
    }
}

fn approver(caller: &Caller) -> Approver {
    Approver { name: caller.name.to_string(), principal: caller.principal.as_deref().map(str::to_owned) }
}
