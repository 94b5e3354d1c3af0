//! `/v1/audit/…`: the log, its proofs, its keys, exports and holds.

pub(super) mod exports;
pub(super) mod holds;
pub(super) mod log;
pub(super) mod reconciliations;
pub(super) mod records;
pub(super) mod retention;
pub(super) mod second;
pub(super) mod text;
pub(super) mod tiles;

pub use exports::ExportList;
pub use holds::{HoldList, HoldView, NewHold};
pub use log::{ConsistencyView, InclusionView, LogKeys, RotatedKey};
pub use retention::RetentionView;
pub use text::{TextView, TextsView};

use crate::app::App;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// All of it.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/audit/checkpoint", get(log::checkpoint))
        .route("/v1/audit/checkpoints", get(log::checkpoints))
        .route("/v1/audit/keys", get(log::keys))
        .route("/v1/audit/keys/rotate", post(log::rotate))
        .route("/v1/audit/records", get(records::records))
        .route("/v1/audit/records/{id}", get(records::record))
        .route("/v1/audit/proof/inclusion", get(log::inclusion))
        .route("/v1/audit/proof/consistency", get(log::consistency))
        .route("/v1/audit/exports", get(exports::exports))
        .route("/v1/audit/text/{decision_id}", get(text::text))
        .route("/v1/audit/reconciliations", post(reconciliations::record))
        .route("/v1/audit/holds", get(holds::list).post(holds::place))
        .route("/v1/audit/holds/{name}/release", post(holds::release))
        .route("/v1/audit/retention", get(retention::retention))
        .route("/v1/audit/log/checkpoint", get(log::checkpoint))
        .route("/v1/audit/log/tile/{*path}", get(tiles::tile))
}
