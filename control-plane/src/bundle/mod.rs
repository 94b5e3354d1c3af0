//! The active policy bundle: loaded from a directory or an archive and watched, or pinned over the API; swapped atomically.
//!
//! ```text
//! directory ── load ─▶ SourceFile… ── build: signature, compile ─▶ Bundle ── ActiveBundle ─▶ requests
//!     ▲ notify + poll ── watch ──┘    ▲                  └─ LoadError ─▶ status, log, metrics; the last good one stays
//! upload, stored version ── unpack ───┘  (app/rollout.rs: pinned, so that the directory waits)
//! ```

mod active;
mod archive;
mod build;
mod load;
mod report;
mod signature;
mod status;
mod watch;

pub use active::ActiveBundle;
pub use archive::{MAX_ARCHIVE_BYTES, pack, unpack};
pub use build::{BuildError, Built, build};
pub use load::load_directory;
pub(crate) use load::refused;
pub use signature::{BundleKey, SigningKey, Trust};
pub use status::{BundleStatus, Change, LastError, SourceStatus};
pub use watch::{BundleWatch, WatchOptions, watch, watch_into};
