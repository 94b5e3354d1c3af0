//! Bundles over the admin API: see, upload, activate, roll back.

mod view;

pub use view::{BundleList, FileView, UploadView, VersionDetail, VersionView};

use super::auth::Admin;
use super::json::{self, Json, Query};
use super::problem::Problem;
use crate::app::{App, Motive, RolloutError};
use crate::bundle::{MAX_ARCHIVE_BYTES, unpack};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Deserialize;
use std::sync::Arc;

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1_000;

fn max_archive() -> usize {
    usize::try_from(MAX_ARCHIVE_BYTES).unwrap_or(usize::MAX)
}

/// The routes.
pub(super) fn router() -> Router<Arc<App>> {
    let large = || DefaultBodyLimit::max(max_archive());
    Router::new()
        .route("/v1/bundles", get(list).merge(post(upload).layer(large())))
        .route("/v1/bundles/validate", post(validate).layer(large()))
        .route("/v1/bundles/rollback", post(rollback))
        .route("/v1/bundles/pin", delete(unpin))
        .route("/v1/bundles/{digest}", get(version))
        .route("/v1/bundles/{digest}/archive", get(archive))
        .route("/v1/bundles/{digest}/activate", post(activate))
}

/// Which versions.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only versions whose digest begins like this.
    prefix: Option<String>,
    /// 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// Shows the active bundle, why another one is not active, and the versions, newest first.
#[utoipa::path(
    get, path = "/v1/bundles", tag = "bundles", params(ListQuery), security(("admin" = [])),
    responses((status = 200, description = "The bundles", body = BundleList))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<ListQuery>,
) -> Result<Json<BundleList>, Problem> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_LIMIT}")));
    }
    let prefix = params.prefix.unwrap_or_default().to_ascii_lowercase();
    if !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::bad_request("`prefix` is the beginning of a digest: hexadecimal digits"));
    }
    let versions = app.store.bundle_versions(prefix, limit).await?;
    Ok(Json(view::list(&app, versions)))
}

/// How to upload.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UploadQuery {
    /// The reason, for the record.
    why: Option<String>,
    /// `true`: make it active, and pin it.
    activate: Option<bool>,
}

/// Stores a bundle as a version: a `.tar.gz` or `.tar`. With `activate=true` it is in force when this answers. The same
/// files are the same version.
#[utoipa::path(
    post, path = "/v1/bundles", tag = "bundles", params(UploadQuery), security(("admin" = [])),
    request_body(content = Vec<u8>, content_type = "application/gzip"),
    responses(
        (status = 201, description = "Stored", body = UploadView),
        (status = 200, description = "It was stored already", body = UploadView),
        (status = 413, description = "Too large", body = Problem),
        (status = 422, description = "It does not load, or is not signed as it must be; nothing was stored", body = Problem),
    )
)]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Query(params): Query<UploadQuery>,
    request: Request,
) -> Result<Response, Problem> {
    // Before the body is read.
    let motive = Motive::new(&caller.name, params.why.as_deref().unwrap_or_default())?;
    let archive = json::raw(request, &app, max_archive()).await?;
    let (activate, doing) = (params.activate.unwrap_or(false), Arc::clone(&app));
    let uploaded = whole(async move { doing.upload_bundle(archive.into(), activate, &motive).await }).await?;
    let status = if uploaded.new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view::uploaded(&app, &uploaded.built, true, uploaded.new))).into_response())
}

/// Compiles a bundle as an upload would, and stores nothing.
#[utoipa::path(
    post, path = "/v1/bundles/validate", tag = "bundles", security(("admin" = [])),
    request_body(content = Vec<u8>, content_type = "application/gzip"),
    responses(
        (status = 200, description = "It loads", body = UploadView),
        (status = 422, description = "It does not load, or is not signed as it must be", body = Problem),
    )
)]
pub(super) async fn validate(
    State(app): State<Arc<App>>,
    _: Admin,
    request: Request,
) -> Result<Json<UploadView>, Problem> {
    let archive = json::raw(request, &app, max_archive()).await?;
    let built = app.validate_bundle(archive.into()).await?;
    Ok(Json(view::uploaded(&app, &built, false, false)))
}

/// Why something is done.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    /// The reason, for the record: 1 to 1,000 characters.
    #[serde(default)]
    why: String,
}

/// Makes a stored version active, and pins it: the directory waits until the pin is taken off.
#[utoipa::path(
    post, path = "/v1/bundles/{digest}/activate", tag = "bundles",
    params(("digest" = String, Path, description = "The version's digest, in full")),
    security(("admin" = [])), request_body = Why,
    responses(
        (status = 200, description = "It is in force", body = UploadView),
        (status = 404, description = "No such version", body = Problem),
        (status = 422, description = "It does not load any more; nothing has changed", body = Problem),
    )
)]
pub(super) async fn activate(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(digest): Path<String>,
    Json(body): Json<Why>,
) -> Result<Json<UploadView>, Problem> {
    let motive = Motive::new(&caller.name, &body.why)?;
    let doing = Arc::clone(&app);
    let built = whole(async move { doing.activate_bundle(&digest, &motive).await }).await?;
    Ok(Json(view::uploaded(&app, &built, true, false)))
}

/// Makes the version active, and pins it, that was active before the present one. Twice leads back.
#[utoipa::path(
    post, path = "/v1/bundles/rollback", tag = "bundles", security(("admin" = [])), request_body = Why,
    responses(
        (status = 200, description = "It is in force", body = UploadView),
        (status = 409, description = "Nothing was active before", body = Problem),
        (status = 422, description = "It does not load any more; nothing has changed", body = Problem),
    )
)]
pub(super) async fn rollback(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(body): Json<Why>,
) -> Result<Json<UploadView>, Problem> {
    let motive = Motive::new(&caller.name, &body.why)?;
    let doing = Arc::clone(&app);
    let built = whole(async move { doing.roll_back_bundle(&motive).await }).await?;
    Ok(Json(view::uploaded(&app, &built, true, false)))
}

/// Takes the pin off, and makes active what the directory holds.
#[utoipa::path(
    delete, path = "/v1/bundles/pin", tag = "bundles", params(Why), security(("admin" = [])),
    responses(
        (status = 200, description = "What the directory holds is in force", body = UploadView),
        (status = 409, description = "Nothing is pinned, or the directory has nothing that loads", body = Problem),
    )
)]
pub(super) async fn unpin(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Query(params): Query<Why>,
) -> Result<Json<UploadView>, Problem> {
    let motive = Motive::new(&caller.name, &params.why)?;
    let doing = Arc::clone(&app);
    let built = whole(async move { doing.unpin_bundle(&motive).await }).await?;
    Ok(Json(view::uploaded(&app, &built, true, false)))
}

/// Shows one version, with its files' names and sizes.
#[utoipa::path(
    get, path = "/v1/bundles/{digest}", tag = "bundles",
    params(("digest" = String, Path, description = "The version's digest, in full")), security(("admin" = [])),
    responses(
        (status = 200, description = "The version", body = VersionDetail),
        (status = 404, description = "No such version", body = Problem),
    )
)]
pub(super) async fn version(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(digest): Path<String>,
) -> Result<Json<VersionDetail>, Problem> {
    let (found, archive) = stored(&app, digest).await?;
    let files = tokio::task::spawn_blocking(move || unpack(&archive, "archive")).await;
    let files = files.ok().and_then(Result::ok).ok_or_else(|| {
        RolloutError::Internal(format!("the stored files of bundle {} cannot be read", found.digest))
    })?;
    let files = files.iter().map(FileView::from).collect();
    Ok(Json(VersionDetail { version: view::version(&app, found), files }))
}

/// Downloads one version's files, signatures included.
#[utoipa::path(
    get, path = "/v1/bundles/{digest}/archive", tag = "bundles",
    params(("digest" = String, Path, description = "The version's digest, in full")), security(("admin" = [])),
    responses(
        (status = 200, description = "A .tar.gz", body = Vec<u8>, content_type = "application/gzip"),
        (status = 404, description = "No such version", body = Problem),
    )
)]
pub(super) async fn archive(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(digest): Path<String>,
) -> Result<Response, Problem> {
    let (found, archive) = stored(&app, digest).await?;
    let short = found.digest.get(..12).unwrap_or_default();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"bundle-{short}.tar.gz\""));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    if let Ok(disposition) = disposition {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok((headers, archive).into_response())
}

/// Does it to the end, whoever hangs up meanwhile: a version that is pinned in the store and not in force would be on record
/// as the policy of calls that it has never seen.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, RolloutError>> + Send + 'static,
) -> Result<T, RolloutError> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        Err(RolloutError::Internal(format!("the change was not carried out: {error}")))
    })
}

async fn stored(app: &App, digest: String) -> Result<(crate::storage::BundleVersion, Vec<u8>), Problem> {
    let found = app.store.bundle_version(digest.to_ascii_lowercase()).await?;
    found.ok_or_else(|| RolloutError::NoSuchVersion(digest).into())
}
