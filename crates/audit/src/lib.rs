//! Filled in below; see docs/architecture.md.
