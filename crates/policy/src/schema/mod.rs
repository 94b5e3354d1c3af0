//! JSON Schemas of the files of a bundle, for editors.

pub(crate) mod shape;
