//! `gateway.yaml` to an Envoy bootstrap. Pure: text in, text out.
//!
//! ```text
//! gateway.yaml ──parse──▶ raw::Gateway ──validate──▶ Config ──render──▶ bootstrap.yaml
//!                         (shape, unknown            (meaning: what is     (deterministic, commented;
//!                          keys, line)                left is sound)        one function per Envoy section)
//! ```
//! Deliberately absent: a switch that renders a bootstrap without the gate.

pub mod config;
pub mod hosts;
mod render;

pub use config::{Config, ConfigError};
pub use render::render;

/// How many bytes of one body Envoy holds for the gate at least (32 MiB): above the largest body that the gate may accept, so that
/// the gate, and not Envoy with an answer that no SDK understands, refuses what is too large.
pub const BUFFER_LIMIT_BYTES: u64 = 32 * 1024 * 1024;

/// The largest `max_body_bytes` and `max_held_answer_bytes`: leaves Envoy room for the slice in flight.
pub const MAX_BODY_LIMIT_BYTES: u64 = 31 * 1024 * 1024;

/// The room that Envoy needs beyond what the gate may hold: for the slice in flight, and for last words.
pub const BUFFER_MARGIN_BYTES: u64 = BUFFER_LIMIT_BYTES - MAX_BODY_LIMIT_BYTES;

/// How many bytes of answers Envoy takes from a connection at a time (512 KiB). Envoy adds a slice to what it holds before the gate
/// sees it, and gives up the answer itself if that is more than [`BUFFER_LIMIT_BYTES`]; so what the gate may hold, and a slice, must
/// fit. It also bounds the memory that the filter takes for a slice, and how long one answer keeps a worker from the others.
pub const ANSWER_SLICE_BYTES: u64 = 512 * 1024;

/// The path of the self-test call. The route table answers it with `421 leaked`, which is what comes back if the filter did
/// not hold the headers.
pub const SELF_TEST_PATH: &str = "/.portcullis/selftest";
