//! What is neither a decision nor an outcome, and belongs on the record.

use serde::{Deserialize, Serialize};

/// The record of an approval, bundle, admin or gap event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventRecord {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// UUIDv7. Given by the store.
    pub event_id: String,
    /// `admin`, `bundle`, `gap` or `approval`.
    pub kind: String,
    /// Unix time in milliseconds. Given by the store.
    pub at_ms: u64,
    /// Who did it: a token's name, a gate's node id, `cli`, `portcullis`.
    pub actor: String,
    /// The particulars; `what` says which.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub detail: serde_json::Value,
}
