//! Approvals: what is bound to them, their states, and how those may change.
//!
//! Pure: no I/O, no clock, no environment, no globals. Who asks when is a parameter, so every order of events can be
//! tested.
//!
//! ```text
//! Subject ─ canonical JSON ─ SHA-256 ─▶ digest      the call that a person says yes or no to
//!
//!             approve              consume
//!   pending ──────────▶ approved ──────────▶ consumed
//!      │ deny               │ expire
//!      ├──────▶ denied      ▼
//!      └─ expire ───────▶ expired
//! ```
//! A [`Grant`] is an approval in advance: so many calls of one principal that one rule asks about, within a time.

mod approval;
mod approver;
mod canonical;
mod error;
mod grant;
mod state;
mod subject;
#[cfg(test)]
mod tests;

pub use approval::{Approval, Context, Step, Transition};
pub use approver::Approver;
pub use canonical::canonical;
pub use error::ApprovalError;
pub use grant::{Grant, GrantState, GrantStep};
pub use state::{Act, State, next};
pub use subject::{Subject, Tool};

/// Longest reason that is taken, in characters.
pub const MAX_WHY: usize = 1_000;
