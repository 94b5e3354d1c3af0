//! From values with places to the parts of a bundle.

pub(crate) mod approvals;
pub(crate) mod cedar;
pub(crate) mod condition;
pub(crate) mod files;
pub(crate) mod limits;
pub(crate) mod manifest;
pub(crate) mod operations;
pub(crate) mod prices;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod units;
