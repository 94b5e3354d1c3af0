//! The log as its checkpoints and keys show it, and proofs about it.

use crate::app::App;
use crate::http::auth::Admin;
use crate::http::json::{Json, Query};
use crate::http::problem::Problem;
use crate::http::show_time;
use crate::storage::{Head, StoredCheckpoint};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::{Entry, Hash};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Checkpoints on a page.
const MAX_CHECKPOINTS: u32 = 1_000;

/// The newest checkpoint, as a signed note: it covers every record whose decision was answered before it was asked for.
#[utoipa::path(
    get, path = "/v1/audit/checkpoint", tag = "audit", security(("admin" = [])),
    responses((status = 200, description = "A signed note (C2SP tlog-checkpoint)", body = String, content_type = "text/plain"))
)]
pub(in crate::http) async fn checkpoint(State(app): State<Arc<App>>, _: Admin) -> Response {
    let head = Arc::clone(&app.store.head().borrow());
    note(&head.note)
}

pub(super) fn note(text: &str) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")],
        text.to_owned(),
    )
        .into_response()
}

/// Which checkpoints.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CheckpointsQuery {
    /// Only those of more records.
    after: Option<u64>,
    /// 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// Kept checkpoints.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::http) struct CheckpointsPage {
    /// Oldest first.
    checkpoints: Vec<CheckpointView>,
}

/// A kept checkpoint.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CheckpointView {
    /// Records that it covers.
    size: u64,
    /// When it was signed, RFC 3339.
    time: String,
    /// The signed note, with the lines of witnesses.
    note: String,
    /// How many witnesses have cosigned it.
    witnesses: usize,
}

impl From<StoredCheckpoint> for CheckpointView {
    fn from(stored: StoredCheckpoint) -> Self {
        let note = format!("{}{}", stored.note, stored.cosignatures.concat());
        let witnesses = stored.cosignatures.len();
        CheckpointView { size: stored.size, time: show_time(stored.time_ms), note, witnesses }
    }
}

/// Kept checkpoints: one a second while the log grows, and each that a witness has cosigned.
#[utoipa::path(
    get, path = "/v1/audit/checkpoints", tag = "audit", params(CheckpointsQuery), security(("admin" = [])),
    responses((status = 200, description = "Checkpoints", body = CheckpointsPage))
)]
pub(in crate::http) async fn checkpoints(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<CheckpointsQuery>,
) -> Result<Json<CheckpointsPage>, Problem> {
    let limit = params.limit.unwrap_or(100);
    if limit == 0 || limit > MAX_CHECKPOINTS {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_CHECKPOINTS}")));
    }
    let stored = app.store.checkpoints(params.after.unwrap_or(0), limit).await?;
    Ok(Json(CheckpointsPage { checkpoints: stored.into_iter().map(CheckpointView::from).collect() }))
}

/// Whose signatures count.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LogKeys {
    /// The log's name.
    pub origin: String,
    /// Verifier keys of signed-note, the one in use last.
    pub keys: Vec<String>,
}

/// The public keys of the log. Keep a copy elsewhere: whoever can change the store can change this answer.
#[utoipa::path(
    get, path = "/v1/audit/keys", tag = "audit", security(("admin" = [])),
    responses((status = 200, description = "Keys", body = LogKeys))
)]
pub(in crate::http) async fn keys(State(app): State<Arc<App>>, _: Admin) -> Json<LogKeys> {
    let keys = app.store.log_keys();
    let origin = keys.last().map(|key| key.name().to_owned()).unwrap_or_default();
    Json(LogKeys { origin, keys: keys.iter().map(ToString::to_string).collect() })
}

/// The new key.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RotatedKey {
    /// Verifier key of signed-note.
    pub key: String,
}

/// Makes a new key, which signs the log from now on. The checkpoint that covers the record of it is signed by both keys.
#[utoipa::path(
    post, path = "/v1/audit/keys/rotate", tag = "audit", security(("admin" = [])),
    responses((status = 200, description = "The public key", body = RotatedKey))
)]
pub(in crate::http) async fn rotate(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
) -> Result<Json<RotatedKey>, Problem> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no_randomness", error.to_string()))?;
    let key = app.store.rotate_log_key(seed, caller.name.to_string()).await?;
    Ok(Json(RotatedKey { key: key.to_string() }))
}

/// Which record is to be proved.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct InclusionQuery {
    /// A decision id (as in `x-portcullis-decision-id`) or event id; of a call id, its first record.
    id: Option<String>,
    /// Or its place in the log.
    index: Option<u64>,
    /// In the tree of that size; that of the newest checkpoint when absent.
    size: Option<u64>,
}

/// That a record is in the log.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InclusionView {
    /// Its place, from 0.
    pub index: u64,
    /// The size of the tree that it is proved to be in.
    pub size: u64,
    /// What is hashed: the leaf is `SHA-256(0x00 || canonical JSON of this)`.
    pub entry: Entry,
    /// The leaf, base64.
    pub leaf: String,
    /// The proof of RFC 6962 §2.1.1, base64, from the leaf up.
    pub hashes: Vec<String>,
    /// A checkpoint of that size, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// Proves that a record is in the log.
#[utoipa::path(
    get, path = "/v1/audit/proof/inclusion", tag = "audit", params(InclusionQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "The proof", body = InclusionView),
        (status = 404, description = "No such record in a tree of that size", body = Problem),
    )
)]
pub(in crate::http) async fn inclusion(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<InclusionQuery>,
) -> Result<Json<InclusionView>, Problem> {
    let index = match (params.id, params.index) {
        (Some(id), None) => {
            let found = app.store.log_find(id).await?;
            found.first().copied().ok_or_else(|| missing("there is no record of that id"))?
        }
        (None, Some(index)) => index,
        _ => return Err(Problem::bad_request("name the record by `id` or by `index`, not by both")),
    };
    // Taken after the record was found: it covers it.
    let head = Arc::clone(&app.store.head().borrow());
    let size = params.size.unwrap_or(head.size);
    if index >= size || size > head.size {
        return Err(missing(&format!(
            "record {index} is not in a tree of {size} records; the log has {}",
            head.size
        )));
    }
    let gone = || missing("there is no such record");
    let logged = app.store.log_records(index, 1, 0).await?.into_iter().next().ok_or_else(gone)?;
    let hashes = app.store.inclusion(index, size).await?.ok_or_else(gone)?;
    Ok(Json(InclusionView {
        index,
        size,
        leaf: STANDARD.encode(logged.entry.leaf()),
        entry: logged.entry,
        hashes: base64(&hashes),
        checkpoint: checkpoint_of(&app, &head, size).await?,
    }))
}

async fn checkpoint_of(app: &App, head: &Head, size: u64) -> Result<Option<String>, Problem> {
    if size == head.size {
        return Ok(Some(head.note.to_string()));
    }
    let kept = app.store.checkpoint_from(size).await?.filter(|kept| kept.size == size);
    Ok(kept.map(|kept| CheckpointView::from(kept).note))
}

/// Between which sizes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ConsistencyQuery {
    /// The smaller tree.
    from: u64,
    /// The larger one; that of the newest checkpoint when absent.
    to: Option<u64>,
}

/// That the log has only grown.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConsistencyView {
    /// The smaller size.
    pub from: u64,
    /// The larger size.
    pub to: u64,
    /// The proof of RFC 6962 §2.1.2, base64.
    pub hashes: Vec<String>,
    /// A checkpoint of the larger size, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// Proves that the log of one size begins with that of another.
#[utoipa::path(
    get, path = "/v1/audit/proof/consistency", tag = "audit", params(ConsistencyQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "The proof", body = ConsistencyView),
        (status = 404, description = "The log never had that size", body = Problem),
    )
)]
pub(in crate::http) async fn consistency(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(ConsistencyQuery { from, to }): Query<ConsistencyQuery>,
) -> Result<Json<ConsistencyView>, Problem> {
    let head = Arc::clone(&app.store.head().borrow());
    let to = to.unwrap_or(head.size);
    if from > to {
        return Err(Problem::bad_request("`from` must not be greater than `to`"));
    }
    if to > head.size {
        return Err(missing(&format!("the log has {} records", head.size)));
    }
    let hashes = app.store.consistency(from, to).await?;
    let hashes = hashes.ok_or_else(|| missing("the log never had that size"))?;
    let checkpoint = checkpoint_of(&app, &head, to).await?;
    Ok(Json(ConsistencyView { from, to, hashes: base64(&hashes), checkpoint }))
}

fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

pub(super) fn missing(detail: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_in_the_log", detail)
}
