//! The control plane: decides calls, records them durably before it answers, and is operated through an admin
//! API and the `portcullis` command line.
//!
//! ```text
//! http/     adapters: extractors, routes, problem+json       cli/   the command line
//!   └▶ app/     one decision, one batch of outcomes, the reaper
//!        ├▶ bundle/    active policy, loaded and swapped
//!        ├▶ identity/  signature check of virtual keys
//!        ├▶ tokens/    who may talk to us
//!        ├▶ storage/   the Store trait and its embedded SQLite
//!        └▶ webhooks/  tells others of approvals, from the store's outbox
//! ```
//! Invariants: an answer `allow` leaves only after its record is durable ([`app`]); nothing outside [`http`]
//! knows HTTP, nothing outside [`storage`] knows SQL.

pub mod app;
pub mod bundle;
pub mod certs;
pub mod cli;
pub mod clock;
pub mod config;
pub mod export;
pub mod http;
pub mod identity;
pub mod object;
pub mod proof;
pub mod reconcile;
pub mod redaction;
pub mod retention;
pub mod search;
pub mod serve;
pub mod sinks;
pub mod storage;
pub mod telemetry;
pub mod tokens;
pub mod webhooks;
