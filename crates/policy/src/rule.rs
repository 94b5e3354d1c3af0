//! One compiled rule.

use crate::about::About;
use crate::approval::{ApprovalDefaults, ApprovalSpec, ApprovalTerms};
use crate::decision::Effect;
use crate::predicate::Predicate;
use crate::source::report::Pos;
use crate::template::Template;
use crate::view::View;
use std::sync::Arc;
use std::time::Duration;

/// What a rule's `metadata` says: for people and their tools; decides nothing.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// A rule as it is evaluated. It holds for a call when all of `conditions` do.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) effect: Effect,
    pub(crate) about: About,
    pub(crate) shadow: bool,
    pub(crate) message: Option<Template>,
    /// With [`Effect::RequireApproval`]: what differs from the bundle's `approvals`.
    pub(crate) approval: Option<Box<ApprovalSpec>>,
    /// With [`Effect::Throttle`].
    pub(crate) retry_after: Option<Duration>,
    /// With [`Effect::Redact`]: what is put in place of what must not leave.
    pub(crate) redact_with: Option<String>,
    pub(crate) severity: Severity,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Metadata,
    /// Selectors first, then the written conditions.
    pub(crate) conditions: Vec<Predicate>,
    /// Its `operations` name `Unknown` in so many words.
    pub(crate) names_unknown: bool,
    pub(crate) source: Source,
}

/// Where a rule was written.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) path: Arc<str>,
    pub(crate) at: Pos,
}

/// How grave a match is, for whoever reads the records; decides nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `info`
    Info,
    /// `low`
    Low,
    /// `medium`, when a rule does not say.
    #[default]
    Medium,
    /// `high`
    High,
    /// `critical`
    Critical,
}

impl Severity {
    /// As rules write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a rule says of itself, for lists of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo<'b> {
    /// Its id.
    pub id: &'b str,
    /// What it does.
    pub effect: Effect,
    /// It is in shadow mode.
    pub shadow: bool,
    /// How grave a match is.
    pub severity: Severity,
    /// Its tags.
    pub tags: &'b [String],
    /// Its metadata.
    pub metadata: &'b Metadata,
    /// Its message for the caller, as written: with placeholders.
    pub message: Option<&'b str>,
    /// With [`Effect::Redact`]: what is put in place of what must not leave.
    pub redact_with: Option<&'b str>,
    /// File, relative to the bundle.
    pub path: &'b str,
    /// Line of its id in that file, from 1.
    pub line: u32,
    /// Column of its id in that line, in characters, from 1.
    pub column: u32,
}

/// After a throttle, where the rule does not say.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Rule {
    /// The message for the caller, with the call's values.
    pub(crate) fn message(&self, view: &View<'_>) -> Option<String> {
        self.message.as_ref().map(|message| message.fill(view))
    }

    /// With [`Effect::RequireApproval`]: what an approval must be like.
    pub(crate) fn approval(&self, view: &View<'_>, defaults: &ApprovalDefaults) -> Option<ApprovalTerms> {
        if self.effect != Effect::RequireApproval {
            return None;
        }
        let spec = self.approval.as_deref().cloned().unwrap_or_default();
        Some(spec.over(defaults).terms(&self.id, self.message(view).as_deref()))
    }

    /// With [`Effect::Throttle`]: seconds after which the call may come again.
    pub(crate) fn retry_after_seconds(&self) -> Option<u32> {
        let retry_after = self.retry_after.unwrap_or(RETRY_AFTER);
        (self.effect == Effect::Throttle).then(|| u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX))
    }

    pub(crate) fn info(&self) -> RuleInfo<'_> {
        RuleInfo {
            id: &self.id,
            effect: self.effect,
            shadow: self.shadow,
            severity: self.severity,
            tags: &self.tags,
            metadata: &self.metadata,
            message: self.message.as_ref().map(Template::source),
            redact_with: self.redact_with.as_deref(),
            path: &self.source.path,
            line: self.source.at.line,
            column: self.source.at.column,
        }
    }
}
