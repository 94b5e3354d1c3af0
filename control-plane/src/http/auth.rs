//! Extractors that let in only who has the right token. They run before the body is read.

use super::problem::Problem;
use crate::app::App;
use crate::clock;
use crate::tokens::{Caller, Kind};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::sync::Arc;

/// A gate.
#[derive(Debug)]
pub(super) struct Gate;

/// Whoever asks about the tool calls of agents: an agent, or whoever may ask for all of them as a gate may.
#[derive(Debug)]
pub(super) struct Guarded(pub(super) Caller);

/// An administrator.
#[derive(Debug)]
pub(super) struct Admin(pub(super) Caller);

fn authenticate(parts: &Parts, app: &App, kinds: &[Kind]) -> Result<Caller, Problem> {
    let mut values = parts.headers.get_all(AUTHORIZATION).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(Problem::bad_request("more than one `authorization` header was sent"));
    }
    let value = value.map(|value| value.as_bytes());
    app.keys.tokens.authenticate(value, kinds, clock::unix_ms()).map_err(|denied| {
        app.telemetry.fault("unauthenticated");
        denied.into()
    })
}

impl FromRequestParts<Arc<App>> for Gate {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        authenticate(parts, app, &[Kind::Data]).map(|_| Gate)
    }
}

impl FromRequestParts<Arc<App>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        authenticate(parts, app, &[Kind::Admin]).map(Admin)
    }
}

impl FromRequestParts<Arc<App>> for Guarded {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        authenticate(parts, app, &[Kind::Agent, Kind::Data]).map(Guarded)
    }
}
