//! What is pruned when, and what is held.

mod config;

pub use config::RawRetention;
