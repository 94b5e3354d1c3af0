//! From bytes to values with places.

pub(crate) mod node;
pub(crate) mod read;
pub(crate) mod report;
