//! Its part of the configuration.

use serde::Deserialize;

/// As the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawRedaction {}
