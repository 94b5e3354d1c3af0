//! From values with places to the parts of a bundle.

pub(crate) mod approvals;
pub(crate) mod cedar;
pub(crate) mod condition;
pub(crate) mod contradiction;
pub(crate) mod doubt;
pub(crate) mod extends;
pub(crate) mod files;
pub(crate) mod language;
pub(crate) mod limits;
pub(crate) mod manifest;
pub(crate) mod message;
pub(crate) mod operations;
pub(crate) mod operator;
pub(crate) mod output;
pub(crate) mod policy;
pub(crate) mod prices;
pub(crate) mod routes;
pub(crate) mod rule;
pub(crate) mod rules;
pub(crate) mod scope;
pub(crate) mod sequence;
pub(crate) mod units;
pub(crate) mod value;
mod words;
