//! Puts every change of the bundle that nobody asked for on record: what was found in the directory, and what was
//! refused. (What somebody asked for is on record before it takes effect, see `rollout.rs`.)

use super::App;
use super::rollout::{blocking, packed, version};
use crate::bundle::{Built, BundleStatus, Change};
use crate::clock;
use crate::storage::{BundleAct, BundleChange, Event, EventKind, StoreError};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Between two attempts to put a change on record.
const PAUSE: Duration = Duration::from_secs(1);
const ACTOR: &str = "portcullis";

/// Runs until the bundle's handle is gone.
pub async fn chronicle(app: Arc<App>, mut changes: mpsc::Receiver<Change>) {
    while let Some(change) = changes.recv().await {
        let change = match change {
            Change::Found { built, act, generation } => found(&app, built, act, generation).await,
            Change::Restored { status } => restored(&status),
            Change::Refused { errors, digest } => refused(&app.bundle.status(), &errors, digest.as_deref()),
        };
        commit(&app, change).await;
    }
}

async fn found(app: &App, built: Built, act: Option<BundleAct>, generation: u64) -> BundleChange {
    let bundle = &built.bundle;
    let event = |what: &str, actor: &str| {
        let detail = json!({
            "what": what, "name": bundle.name(), "version": bundle.version(), "digest": bundle.digest(),
            "generation": generation, "rules": bundle.rule_count(), "errors": [], "signed_by": built.signed_by,
        });
        Event { kind: EventKind::Bundle, actor: actor.to_owned(), detail }
    };
    let waits = act.is_none().then(|| event("bundle_waits", ACTOR));
    let events = act.iter().map(|act| event("bundle_active", &act.actor)).collect();
    let now = clock::unix_ms();
    let why = format!("found in {}", app.bundle.status().source.display());
    let files = Arc::clone(&built.files);
    // A bundle without files was installed by a program, not found.
    let archive = if files.is_empty() { None } else { blocking(move || packed(&files)).await.ok() };
    match archive {
        Some(archive) => BundleChange {
            version: Some((version(&built, "directory", ACTOR, &why, now), archive)),
            if_new: waits,
            activation: act,
            events,
            ..BundleChange::default()
        },
        None => BundleChange { events, ..BundleChange::default() },
    }
}

fn restored(status: &BundleStatus) -> BundleChange {
    let detail = json!({
        "what": "bundle_active", "name": status.name, "version": status.version, "digest": status.digest,
        "generation": status.generation, "rules": status.rules, "errors": [], "pinned": true,
    });
    only(Event { kind: EventKind::Bundle, actor: ACTOR.to_owned(), detail })
}

fn refused(status: &BundleStatus, errors: &[String], digest: Option<&str>) -> BundleChange {
    let detail = json!({
        "what": "bundle_refused", "name": status.name, "version": status.version, "digest": status.digest,
        "generation": status.generation, "rules": status.rules, "errors": errors, "refused_digest": digest,
    });
    only(Event { kind: EventKind::Bundle, actor: ACTOR.to_owned(), detail })
}

fn only(event: Event) -> BundleChange {
    BundleChange { events: vec![event], ..BundleChange::default() }
}

/// Again and again while the store takes nothing: a version that decided calls must be found later.
async fn commit(app: &App, change: BundleChange) {
    loop {
        match app.store.change_bundles(change.clone()).await {
            Ok(_) => return,
            Err(StoreError::Unavailable(_) | StoreError::Overloaded(_)) => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(%error, "a change of the bundle is not on record");
                return;
            }
        }
    }
}
