//! What is asked of a ledger, and what it answers.

use crate::Change;
use std::fmt;
use std::sync::Arc;

/// What one call wants of one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The limit's id.
    pub limit: Arc<str>,
    /// Whose count: calls with the same key share it. Empty for one count for all.
    pub key: Arc<str>,
    /// How much, in the limit's unit; more than [`crate::MAX_AMOUNT`] is taken as that. 0 takes nothing, but is refused
    /// like 1 when nothing is left.
    pub amount: u64,
    /// Most of it in any window.
    pub max: u64,
    /// Length of the window in milliseconds; used when the limit was not configured, see [`crate::Ledger::configure`].
    pub window_ms: u64,
    /// `false`: counted, and noted when over; never refused (shadow, `warn`, over with an approval).
    pub enforced: bool,
    /// For counts of calls: names the invocation of which this is an attempt (principal, invocation id, digest of the
    /// body). Attempts with the same name share one count, see [`crate::Ledger::reserve`]; `amount` is then taken as 1.
    pub retry_of: Option<Arc<str>>,
    /// The caller's own words, given back with the [`crate::Entry`]: what it needs to settle (measure, price).
    pub note: Arc<str>,
}

/// A reservation that was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reservation {
    /// `false`: this call holds its reservation already, nothing changed.
    pub fresh: bool,
    /// Limits that are not enforced and over which the call is.
    pub noted: Vec<Exceeded>,
    /// Limits that are not enforced and have too many keys to count this one.
    pub uncounted: Vec<Arc<str>>,
    /// To be stored with the decision.
    pub changes: Vec<Change>,
}

/// A limit over which a call would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose count.
    pub key: Arc<str>,
    /// Used in the window now, reservations included.
    pub used: u64,
    /// Most of it.
    pub max: u64,
    /// When as much as was wanted will fit if nothing else comes, in milliseconds from now; `None`: never, it is more
    /// than `max`.
    pub retry_after_ms: Option<u64>,
}

/// Nothing was reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The call would be over these enforced limits (at least one); `noted` as in [`Reservation`].
    Exceeded {
        /// Every enforced limit that it would be over, in the order of the wants.
        exceeded: Vec<Exceeded>,
        /// Limits that are not enforced and over which it would be.
        noted: Vec<Exceeded>,
    },
    /// The limit counts [`crate::MAX_KEYS`] keys already and cannot count another.
    Full {
        /// The limit.
        limit: Arc<str>,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded { exceeded, .. } => {
                for (place, one) in exceeded.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}limit `{}` has {} of {} used", one.limit, one.used, one.max)?;
                }
                Ok(())
            }
            Self::Full { limit } => {
                write!(f, "limit `{limit}` counts {} keys and cannot count more", crate::MAX_KEYS)
            }
        }
    }
}

impl std::error::Error for Refusal {}
