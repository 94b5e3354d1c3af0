//! The harness of the end-to-end tests: real Envoy, real filter, real control plane, real SDKs; the fake is Bedrock.
//!
//! Every process listens on ports that the kernel picks, logs into a directory of its own, and dies with the test
//! process. Nothing sleeps: what is waited for is a condition with a deadline ([`wait::until`]).

#![allow(clippy::indexing_slicing, reason = "a test harness: an index that is not there is a failed test")]

pub mod api;
pub mod binaries;
pub mod bundle;
#[allow(missing_docs, reason = "small test clients, named for what they do")]
pub mod client;
pub mod control_plane;
pub mod disk;
pub mod envoy;
pub mod fake;
pub mod javascript;
pub mod process;
pub mod python;
pub mod sandbox;
pub mod stack;
pub mod stub;
pub mod wait;

pub use stack::{Builder, Shared, Stack};
