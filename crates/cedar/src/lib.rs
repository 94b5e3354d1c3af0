//! Cedar policies of a bundle, validated strictly against a schema that we ship, evaluated beside the rules.
//!
//! Pure: no I/O, no clock, no environment, no globals.
