//! What changes something over the API is on record in both sinks, where both must have it.

use crate::app::{App, Fault};
use crate::http::problem::Problem;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Refuses a change at once while the second sink is down. A change that was made and that the second has not in time is an
/// error too: it was made, and is on record in the store, and the second sink gets it when it is back.
pub(in crate::http) async fn both(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let Some(sinks) = app.sinks.clone() else { return next.run(request).await };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    if let Err(error) = sinks.check() {
        return Problem::from(Fault::from(error)).into_response();
    }
    let response = next.run(request).await;
    if !response.status().is_success() {
        return response;
    }
    match sinks.settled(&*app.store).await {
        Ok(()) => response,
        Err(error) => Problem::from(Fault::from(error)).into_response(),
    }
}
