//! Cedar policies of a bundle, validated strictly against a schema that we ship, evaluated beside the rules.
//!
//! Pure: no I/O, no clock, no environment, no globals. Texts in, [`Policies`] or [`Finding`]s out; a [`Request`] in,
//! [`Hit`]s out: every policy that is satisfied, whatever its effect, so that the caller can weigh them against rules.
//!
//! What differs from Cedar's own authorizer, because the gate fails closed:
//! * nothing is denied for want of a permit: that is for the bundle's default to say;
//! * a `forbid` that cannot be evaluated counts as satisfied ([`Hit::error`]), a `permit` does not;
//! * a call may name several resources: a `forbid` needs one of them, the permits must cover all of them.

mod evaluate;
mod finding;
mod hierarchy;
mod load;
mod request;
mod schema;
mod scope;
mod shape;
#[cfg(test)]
mod tests;
mod text;

pub use evaluate::{Hit, Policies};
pub use finding::Finding;
pub use hierarchy::{Hierarchy, HierarchyError};
pub use load::{Effect, MAX_FILE_BYTES, MAX_POLICIES, PolicyInfo, Source, compile};
pub use request::{Argument, Kind, Model, Request, Resource};
pub use schema::{SCHEMA, actions};
pub use text::{Written, written};
