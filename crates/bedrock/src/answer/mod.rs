//! Reading an answer while it passes.
//!
//! ```text
//! head ──▶ AnswerReader ─ JSON ──────────────────────────▶ Document ─┐
//!               │        ├ server-sent events ▶ Events ──▶ Document ─┼▶ Tally ─▶ AnswerSummary
//!   slice ──────┘        └ AWS event stream ─▶ Frames ───▶ Document ─┘
//! ```
//!
//! Nothing of an answer is kept but numbers and a few names: strings pass by unread, a frame's payload is read as it comes, its
//! headers are the only thing that waits for its rest. What a frame says counts when its checksum is right, and not before. What
//! is compressed with gzip or deflate is decompressed on its way here (`inflate`).

mod calls;
mod counts;
mod document;
mod events;
mod frames;
mod identity;
mod inflate;
mod places;
mod reader;
mod said;
mod sieve;
mod stream;

pub use counts::TokenUsage;
pub use identity::{IdentityCheck, error_type, identity_check, identity_check_of};
pub use reader::{AnswerFlaw, AnswerHead, AnswerReader, AnswerSummary};
pub use said::{GuardrailSaid, SeenCall};
pub use sieve::{AnswerForm, CallOrigin, CallProblem, Found, FoundCall, Sieve, SieveLimits, StreamEnding};
