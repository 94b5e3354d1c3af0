//! The active policy bundle: loaded from a directory, watched, swapped atomically.
//!
//! ```text
//! directory ── load ─▶ SourceFile… ── portcullis_policy::compile ─▶ Bundle ── ActiveBundle ─▶ requests
//!     ▲ notify + poll ── watch ──┘                       └─ LoadError ─▶ status, log, metrics; the last good one stays
//! ```

mod active;
mod load;
mod watch;

pub use active::{ActiveBundle, BundleStatus, LastError};
pub use load::load_directory;
pub use watch::{BundleWatch, WatchOptions, watch};
