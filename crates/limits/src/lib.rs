//! Exact ledgers over sliding windows: reserve at the decision, settle at the outcome, release on failure.
//!
//! Pure: no I/O, no clock, no environment, no globals. Time is Unix time in milliseconds, given with every call. The ledger
//! knows nothing of policy: a limit is a name, a key, a number.
//!
//! ```text
//! reserve ──▶ open ──▶ settle   what the call really used takes the place of what was reserved
//!              ├─────▶ release  nothing was used
//!              └─────▶ keep     nobody knows: the reservation stands as used; a late outcome may still settle it
//! ```
//! **Windows** slide in 60 slices: what a call takes stands in the slice of its decision, and the use of a window is the sum
//! over all slices that touch it. So no window, wherever it starts, ever holds more than was allowed, and room comes back
//! slice by slice.
//!
//! **Durability** is the caller's: everything that changes a ledger returns [`Change`]s, to be stored in the transaction of
//! what caused them; [`Ledger::restore`] makes the same ledger of the rows again.

mod ledger;
mod outcome;
mod reserve;
mod retries;
mod rows;
mod slices;
mod stored;
mod sweep;
#[cfg(test)]
mod tests;
mod usage;
mod want;

pub use ledger::{Ledger, MAX_KEYS};
pub use outcome::Late;
pub use retries::{MAX_SHARED_ATTEMPTS, RETRY_MS};
pub use rows::{Change, Entry, GroupRow, OpenRow, Retry, Snapshot, UseRow};
pub use slices::{MAX_AMOUNT, SLICES, slice_ms};
pub use sweep::KEPT_MS;
pub use usage::Use;
pub use want::{Exceeded, Refusal, Reservation, Want};
