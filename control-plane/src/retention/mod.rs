//! What is pruned when, and what is held.
//!
//! ```text
//! every hour: too old by its kind? ─ held? ─ taken by every required export? ─▶ the admin record `retention_pruned` ─▶ the bytes go, in slices
//! ```
//! The entry of a pruned record and its leaf stay: every proof, checkpoint and export holds as before.

mod board;
mod config;
mod hold;
mod pass;
#[cfg(test)]
mod tests;

pub use board::Board;
pub use config::{RawRetention, Retention};
pub use hold::HoldScope;
pub use pass::{Keeper, LastPass};
