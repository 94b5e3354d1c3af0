//! Records for other programs: files, object storage, collectors.

mod config;
pub mod target;

pub use config::RawExport;
