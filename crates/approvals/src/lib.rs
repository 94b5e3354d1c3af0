//! Approvals: what is bound to them, their states, and how those may change.
//!
//! Pure: no I/O, no clock, no environment, no globals.
