//! One compiled rule.

use crate::decision::Effect;
use crate::predicate::Predicate;
use crate::source::report::Pos;
use std::sync::Arc;

/// What a rule's `metadata` says: for people and their tools; decides nothing.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// A rule as it is evaluated. It holds for a call when all of `conditions` do.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) effect: Effect,
    pub(crate) shadow: bool,
    pub(crate) message: Option<String>,
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
    /// Its message for the caller.
    pub message: Option<&'b str>,
    /// File, relative to the bundle.
    pub path: &'b str,
    /// Line in that file, from 1.
    pub line: u32,
    /// Column of its id in that line, in characters, from 1.
    pub column: u32,
}

impl Rule {
    pub(crate) fn info(&self) -> RuleInfo<'_> {
        RuleInfo {
            id: &self.id,
            effect: self.effect,
            shadow: self.shadow,
            severity: self.severity,
            tags: &self.tags,
            metadata: &self.metadata,
            message: self.message.as_deref(),
            path: &self.source.path,
            line: self.source.at.line,
            column: self.source.at.column,
        }
    }
}
