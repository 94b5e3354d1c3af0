//! Who really signed a call: SigV4 checked against the secret of a virtual AWS key.
//!
//! Only a gate that re-signs asks for this; there a caller must be `verified`, or it would borrow the gate's own
//! credential. Pure: secret and clock are parameters.

mod canonical;
mod sigv4;
#[cfg(test)]
mod tests;

pub use sigv4::{SignatureError, verify};
