//! Bundle files to compiled policy to verdict.
//!
//! Pure: no I/O, no clock, no environment, no globals. Bytes in, [`Bundle`] or [`LoadError`] out; a [`Call`] in, a
//! [`Decision`] out.
//!
//! ```text
//! SourceFile ─ source/ ─▶ nodes with places ─ load/ ─▶ rule::Rule, directory ─ index ─▶ Bundle
//!                                                        Call ─ names, field ─▶ predicate ─▶ Decision
//! ```
//! The language is described in `docs/policy.md`.

mod about;
mod approval;
mod bits;
mod bundle;
mod call;
mod cedar;
mod charge;
mod check;
mod cidr;
mod decide;
mod decision;
mod diagnostic;
pub mod diff;
mod directory;
mod explain;
mod field;
mod fold;
mod glob;
mod hours;
mod identity;
mod index;
mod limit;
mod limits;
mod load;
mod names;
mod number;
mod output;
mod predicate;
mod price;
pub mod replay;
mod routes;
mod rule;
pub mod schema;
mod sequence;
mod source;
mod template;
pub mod testcase;
#[cfg(test)]
mod tests;
mod text;
mod tool_globs;
mod value;
mod view;

pub use approval::{ApprovalDefaults, ApprovalTerms};
pub use bundle::{Bundle, Inspects, SourceFile, compile};
pub use call::{
    Agent, Call, Counts, Credential, Model, Network, Request, Response, Seen, Text, Tool, ToolResult,
    UNKNOWN_OPERATION,
};
pub use charge::{LIMIT_PREFIX, UNPRICED_RULE};
pub use decide::UNKNOWN_OPERATION_RULE;
pub use decision::{Decision, Effect, MatchedRule};
pub use diagnostic::{Diagnostic, LoadError, Severity};
pub use explain::{ExplainedCondition, ExplainedPart, ExplainedRule, Explanation, Verity};
pub use field::{Field, FieldKind, fields, fields_markdown};
pub use identity::{Assurance, Claim, Principal};
pub use limit::{Charge, LimitSpec, Measure, Price, Usage};
pub use limits::{MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_FILES};
pub use load::files::{SIGNATURE_FILES, digest, too_large};
pub use routes::ROUTE_RULE;
pub use rule::{Metadata, RuleInfo, Severity as RuleSeverity};
pub use tool_globs::ToolGlobs;

/// The schema that Cedar policies are validated against, in Cedar's own schema syntax.
pub const CEDAR_SCHEMA: &str = portcullis_cedar::SCHEMA;
