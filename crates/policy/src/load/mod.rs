//! From values with places to the parts of a bundle.

pub(crate) mod condition;
pub(crate) mod files;
pub(crate) mod manifest;
pub(crate) mod operations;
pub(crate) mod rules;
