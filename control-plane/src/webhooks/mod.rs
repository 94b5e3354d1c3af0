//! Telling others of approvals: the outbox of the store, posted.
//!
//! ```text
//! a change of an approval ─ same transaction ─▶ deliveries ─ one dispatcher per webhook ─ POST, signed ─▶ 2xx: done
//!                                                   ▲                                          │
//!                                                   └───────── later, and later, for 24 h ─────┘
//! ```
//! At least once, of each approval in order, and whatever one webhook does, neither another nor a call waits for it.

mod agent;
mod config;
mod dispatch;
mod payload;
mod sign;
#[cfg(test)]
mod tests;

pub(crate) use agent::{agent, unreachable};
pub use config::{EVENTS, Format, RawWebhook, Webhook, WebhookError};
pub(crate) use config::{check_url, one_of};
pub use dispatch::Dispatcher;
pub use sign::{SIGNATURE_HEADER, signature};

/// The header that names a delivery, the same at every attempt: who has seen it may ignore it.
pub const DELIVERY_HEADER: &str = "x-portcullis-delivery";
