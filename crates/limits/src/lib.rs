//! Exact ledgers over sliding windows: reserve at the decision, settle at the outcome, release on failure.
//!
//! Pure: no I/O, no clock, no environment, no globals.
