//! Test cases: a call, and the verdict that it must get. Read from `tests/*.yaml` of a bundle; the format is described in
//! `docs/policy.md`.
//!
//! ```text
//! SourceFile ─ read ─▶ Case {CallSpec, Expect} ─ complete ─▶ Call ─ Bundle::decide ─▶ run::Report
//! ```

mod complete;
mod expect;
mod read;
mod run;
mod spec;
#[cfg(test)]
mod tests;

pub use expect::{Expect, Mismatch};
pub use read::{Case, CaseFile, read_call, read_cases};
pub use run::{CaseResult, Coverage, TestReport, run};
pub use spec::CallSpec;

pub use spec::keys_markdown;

pub(crate) use expect::EXPECT_KEYS;
pub(crate) use read::DECISION_WORDS;
#[cfg(test)]
pub(crate) use read::{CASE_KEYS, FILE_KEYS, VETO_CASE_KEYS, VETO_EXPECT_KEYS, VETO_FILE_KEYS};
pub(crate) use spec::CALL_KEYS;
