//! Records for other programs: files, object storage, collectors.

mod config;

pub use config::RawExport;
