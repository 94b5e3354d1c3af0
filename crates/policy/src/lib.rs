//! Bundle files to compiled policy to verdict.
//!
//! Pure: no I/O, no clock, no environment, no globals. Bytes in, [`Bundle`] or [`LoadError`] out; a [`Call`] in, a
//! [`Decision`] out.
//!
//! The language is described in `docs/policy.md`.

mod bundle;
mod call;
mod decision;
mod diagnostic;
mod identity;

pub use bundle::{Bundle, SourceFile, compile};
pub use call::{Agent, Call, Credential, Model, Network, Request, Text, UNKNOWN_OPERATION};
pub use decision::{Decision, Effect, MatchedRule};
pub use diagnostic::{Diagnostic, LoadError, Severity};
pub use identity::{Assurance, Claim, Principal};
