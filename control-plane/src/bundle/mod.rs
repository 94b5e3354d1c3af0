//! The active policy bundle: loaded from a directory, watched, swapped atomically.

mod active;

pub use active::{ActiveBundle, BundleStatus, LastError};
