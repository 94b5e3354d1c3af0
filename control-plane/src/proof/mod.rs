//! Keys, publication and witnesses of the log.

mod config;

pub use config::{RawPublish, RawWitness};
