//! Changes of the active bundle, in the log and in the metrics.

use super::status::BundleStatus;

/// Tells what has changed.
pub(super) fn report(old: &BundleStatus, new: &BundleStatus) {
    if new.generation != old.generation {
        activated(old, new);
    }
    if let Some(pin) = new.pin.as_ref().filter(|_| new.pin != old.pin) {
        tracing::info!(digest = pin.digest, by = pin.actor, why = pin.why, "a policy bundle is pinned");
    }
    if new.pin.is_none() && old.pin.is_some() {
        tracing::info!("no policy bundle is pinned any more");
    }
    let refused = [(&old.last_error, &new.last_error), (&old.pin_error, &new.pin_error)];
    for error in refused.into_iter().filter(|(old, new)| old != new).filter_map(|(_, new)| new.as_ref()) {
        for diagnostic in error.diagnostics.iter().take(20) {
            tracing::error!(%diagnostic, source = %new.source.display(), "policy bundle refused");
        }
        if new.generation > 0 {
            let (name, digest) = (&new.name, &new.digest);
            tracing::error!(name, digest, "the last good policy bundle stays active");
        }
        metrics::counter!("portcullis_bundle_reloads_total", "result" => "refused").increment(1);
    }
    let waiting = |status: &BundleStatus| {
        let digest = status.directory.as_ref().map(|directory| directory.digest.clone());
        digest.filter(|digest| status.pin.is_some() && *digest != status.digest)
    };
    if let Some(digest) = waiting(new).filter(|digest| Some(digest) != waiting(old).as_ref()) {
        tracing::warn!(
            digest,
            "the directory holds another policy bundle than the pinned one; `portcullis policy unpin` makes it active"
        );
    }
    metrics::gauge!("portcullis_bundle_refused").set(if new.refused().is_some() { 1.0 } else { 0.0 });
}

fn activated(old: &BundleStatus, new: &BundleStatus) {
    for warning in &new.warnings {
        tracing::warn!(%warning, "policy bundle");
    }
    tracing::info!(
        name = new.name,
        version = new.version,
        digest = new.digest,
        rules = new.rules,
        generation = new.generation,
        "policy bundle active"
    );
    metrics::counter!("portcullis_bundle_reloads_total", "result" => "active").increment(1);
    if old.generation > 0 {
        info_gauge(old).set(0.0);
    }
    info_gauge(new).set(1.0);
    metrics::gauge!("portcullis_bundle_rules").set(f64::from(u32::try_from(new.rules).unwrap_or(u32::MAX)));
}

fn info_gauge(status: &BundleStatus) -> metrics::Gauge {
    let BundleStatus { name, version, digest, .. } = status.clone();
    metrics::gauge!("portcullis_bundle_info", "name" => name, "version" => version, "digest" => digest)
}
