//! The second place where records go before a call does.

mod config;

pub use config::RawSinks;
