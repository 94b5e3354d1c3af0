//! Verification: is this the log that was written?
//!
//! ```text
//! line or row ──▶ Digest (one record by itself; on every core) ──▶ Verifier (in order) ──▶ findings
//!                                             checkpoints, stored nodes ──▶┘
//! ```
//! A [`Digest`] says whether a record fits to its entry, and what its leaf hash is. The [`Verifier`] puts records in order,
//! builds the tree, compares its root with everything that was signed, and follows calls from decision to outcome. What does
//! not fit is a [`Finding`], with a stable [`Code`], the record, and a sentence.
//!
//! Memory: a window of at most 2,048 records, the frontier of the tree, about 20 bytes for each call that is open at that
//! point of the log, and what was found. It does not grow with the log.
//!
//! Deliberately absent: files, threads and clocks. Whoever calls brings the records and runs [`Digest::of_line`] where it likes.

mod calls;
mod digest;
mod engine;
mod facts;
mod finding;
mod line;
mod notes;
mod order;
mod ranges;
mod roots;
#[cfg(test)]
mod tests;
mod tile;

pub use digest::{Digest, MAX_WAIT_MS, Row};
pub use engine::{Progress, Summary, Verifier, count};
pub use facts::Gap;
pub use finding::{Code, Finding, Severity};
pub use line::{Line, LineError};
pub use notes::{check_checkpoint, check_cosignatures};
pub use roots::{Node, Whose};
