//! The data plane: what gates ask and report.

use super::auth::Gate;
use super::json::{self, Json};
use super::problem::Problem;
use crate::app::App;
use crate::telemetry::Phase;
use axum::extract::{Request, State};
use portcullis_protocol::{
    DecisionAnswer, DecisionRequest, Inspection, InspectionAnswer, OutcomeAck, OutcomeBatch,
};
use std::sync::Arc;
use std::time::Instant;

/// Decides a call. Its record is durable before this answers, unless the verdict is `need_text` or `hold`. A question with
/// `held` is answered when a person has answered, or when the time is up.
#[utoipa::path(
    post, path = "/v1/decisions", tag = "data plane", security(("data" = [])),
    request_body = DecisionRequest,
    responses(
        (status = 200, description = "The verdict; its record is durable", body = DecisionAnswer),
        (status = "default", description = "No verdict: the gate refuses the call", body = Problem),
    )
)]
pub(super) async fn decide(
    State(app): State<Arc<App>>,
    _: Gate,
    request: Request,
) -> Result<Json<DecisionAnswer>, Problem> {
    let bytes = json::body(request, &app).await?;
    let started = Instant::now();
    let question: DecisionRequest =
        json::parse(&bytes).inspect_err(|_| app.telemetry.fault("bad_question"))?;
    drop(bytes);
    app.telemetry.phase(Phase::Parse, started.elapsed());
    // A person takes longer than any bucket.
    let waits = question.held.is_some();
    let answer = app.decide(question).await?;
    if !waits {
        app.telemetry.phase(Phase::Total, started.elapsed());
    }
    Ok(Json(answer))
}

/// Decides what was found in an answer while it passes: a tool call, or a stretch of its text. The record is durable before
/// this answers; text that no rule concerns has none. With `held` it is answered when a person has answered, or when the time
/// is up.
#[utoipa::path(
    post, path = "/v1/inspections", tag = "data plane", security(("data" = [])),
    request_body = Inspection,
    responses(
        (status = 200, description = "The verdict", body = InspectionAnswer),
        (status = 404, description = "There is no such decision", body = Problem),
        (status = "default", description = "No verdict: the gate ends the answer", body = Problem),
    )
)]
pub(super) async fn inspect(
    State(app): State<Arc<App>>,
    _: Gate,
    request: Request,
) -> Result<Json<InspectionAnswer>, Problem> {
    let bytes = json::body(request, &app).await?;
    let question: Inspection = json::parse(&bytes).inspect_err(|_| app.telemetry.fault("bad_question"))?;
    drop(bytes);
    Ok(Json(app.inspect(question).await?))
}

/// Takes what became of calls. All of the batch is durable when this answers; repeats change nothing.
#[utoipa::path(
    post, path = "/v1/outcomes", tag = "data plane", security(("data" = [])),
    request_body = OutcomeBatch,
    responses(
        (status = 200, description = "All of it is durable", body = OutcomeAck),
        (status = "default", description = "Nothing was taken: send it again", body = Problem),
    )
)]
pub(super) async fn outcomes(
    State(app): State<Arc<App>>,
    _: Gate,
    Json(batch): Json<OutcomeBatch>,
) -> Result<Json<OutcomeAck>, Problem> {
    Ok(Json(app.take_outcomes(batch).await?))
}
