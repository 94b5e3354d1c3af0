//! The public layout of the log (<https://c2sp.org/tlog-tiles>): `…/log/checkpoint`, `…/log/tile/…`.

use super::log::missing;
use crate::app::App;
use crate::http::auth::Admin;
use crate::http::problem::Problem;
use crate::proof::tile_bytes;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use portcullis_audit::log::TilePath;
use std::sync::Arc;

/// Clients may keep what never changes; a partial tile is superseded soon.
const FULL: &str = "private, max-age=31536000, immutable";
const PARTIAL: &str = "private, max-age=60";

/// A tile of hashes, or a bundle of entries.
#[utoipa::path(
    get, path = "/v1/audit/log/tile/{path}", tag = "audit", security(("admin" = [])),
    params(("path" = String, Path, description = "`<level>/<index>[.p/<width>]` or `entries/<index>[.p/<width>]`")),
    responses(
        (status = 200, description = "Hashes, 32 bytes each; or entries, each with its length in two bytes before it",
            body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "The log has no such tile yet", body = Problem),
    )
)]
pub(in crate::http) async fn tile(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let tile: TilePath = format!("tile/{path}")
        .parse()
        .map_err(|error| Problem::bad_request(format!("`tile/{path}`: {error}")))?;
    let size = app.store.head().borrow().size;
    if !tile.is_in(size) {
        return Err(missing(&format!("the log has {size} records, and no `{tile}` yet")));
    }
    let bytes = tile_bytes(app.store.as_ref(), &tile).await?;
    let keep = if tile.is_partial() { PARTIAL } else { FULL };
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, keep)], bytes)
        .into_response())
}
