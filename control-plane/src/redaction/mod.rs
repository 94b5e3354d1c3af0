//! What records leave out or blind, and captured text.

mod config;

pub use config::RawRedaction;
