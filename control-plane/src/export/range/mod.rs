//! A stretch of the log as files: `portcullis audit export`.
//!
//! ```text
//! source ─ pages ─▶ every leaf into the tree ─▶ a format ─▶ packed ─▶ a file, staged ─▶ target
//!                                                                       after each: the state of the export
//!                   the tree must lead to the checkpoint ─▶ frontier, checkpoint, consistency ─▶ manifest.json, last
//! ```
//! The end of the stretch and its checkpoint are taken at the beginning, and kept with the state: an export that was interrupted goes
//! on to the same files that it would have made.

mod files;
mod part;
mod run;
mod source;
mod state;
#[cfg(test)]
mod tests;

pub use files::Place;
pub use part::Packing;
pub use run::{Done, Plan, Progress, Split, run, stream};
pub use source::{Anchor, LogSource, Signer, Source, StoreSource};
