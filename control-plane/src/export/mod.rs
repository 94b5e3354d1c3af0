//! Records for other programs: files, object storage, collectors.
//!
//! ```text
//! the log ─▶ a follower per export: cursor ─▶ a chunk, first..last ─▶ files │ OTLP │ webhook ─ taken ─▶ the cursor moves
//!                  ▲                                                    └─ not taken: again, later, for ever
//!                  └──────────── `audit.exports`
//! ```
//! At least once, without gaps: where a chunk ends is durable before it is sent, so that after a crash the very same chunk is
//! sent again under the same name. No call waits for any of it.

mod backoff;
mod board;
mod chunk;
mod config;
mod files;
mod follow;
pub mod formats;
mod otlp;
mod post;
pub mod range;
pub mod schema;
pub mod target;
#[cfg(test)]
pub(crate) mod tests;
mod webhook;

pub use board::{Board, ExportState, ExportView};
pub use chunk::{Chunk, Manifest, ManifestFile};
pub use config::{Compression, Destination, Export, Files, Flush, Otlp, RawExport, RawLock, Receiver};
pub(crate) use follow::cursor_names;
pub use follow::{Deliver, Delivered, Follower, Refusal};
