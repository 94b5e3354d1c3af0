//! What runs beside the calls for the audit: the search index, publication, witnesses, exports, retention.

use crate::app::{App, forget_texts};
use crate::config::AuditConfig;
use crate::export::Follower;
use crate::proof::{Cosigner, Publisher};
use crate::retention::Keeper;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Starts all of it. Each task runs until it is aborted.
pub(super) fn spawn(app: &Arc<App>, config: &AuditConfig) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![tokio::spawn(Arc::clone(&app.search).follow(Arc::clone(&app.store)))];
    for witness in &config.witnesses {
        tasks.push(tokio::spawn(Cosigner::new(Arc::clone(app), witness.clone()).run()));
    }
    if let Some(publish) = &config.publish {
        tasks.push(tokio::spawn(Publisher::new(Arc::clone(app), publish.clone()).run()));
    }
    for export in &config.exports {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        tasks.push(tokio::spawn(Follower::of(app, export.clone(), environment.collect()).run()));
    }
    let required = config.exports.iter().filter(|export| export.required);
    let required = required.map(|export| export.name.clone()).collect();
    let keeper = Keeper::new(app, config.retention.clone(), required);
    if !config.retention.keep.is_empty() {
        tasks.push(tokio::spawn(keeper.run()));
    }
    tasks.push(tokio::spawn(forget_texts(Arc::clone(app), config.capture.keep)));
    if let Some(sinks) = &app.sinks {
        tasks.push(tokio::spawn(Arc::clone(sinks).run(Arc::clone(&app.store))));
    }
    tasks
}
