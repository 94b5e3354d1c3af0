//! How exports are doing: for the API, metrics and retention.

use super::config::{Destination, Export};
use crate::clock;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// Every export that is configured.
#[derive(Debug, Default)]
pub struct Board(Mutex<Vec<Arc<Standing>>>);

/// How one export is doing.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) export: Arc<Export>,
    to: String,
    now: Mutex<Now>,
}

#[derive(Debug, Clone, Default)]
struct Now {
    state: ExportState,
    cursor: Option<u64>,
    oldest_ms: Option<u64>,
    failing_since_ms: Option<u64>,
    failures: u64,
    error: Option<String>,
    last_delivered_ms: Option<u64>,
    records: u64,
    bytes: u64,
    rejected: u64,
}

/// What an export does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// It has not read its place in the log yet.
    #[default]
    Starting,
    /// Everything is delivered, or waits for its chunk to fill.
    Waiting,
    /// A chunk is on its way.
    Delivering,
    /// The last attempt failed; it is tried again.
    Failing,
}

/// How an export is doing, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExportView {
    /// Its name.
    pub name: String,
    /// `files`, `otlp` or `webhook`.
    pub kind: String,
    /// Where it goes; of what may be a secret the host only.
    pub to: String,
    /// What it does.
    pub state: ExportState,
    /// Retention waits for it.
    pub required: bool,
    /// Records before this index are delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    /// Records in the log.
    pub size: u64,
    /// Records that it has not delivered.
    pub lag_records: u64,
    /// Age of the oldest record that it has read and not delivered, milliseconds.
    pub lag_ms: u64,
    /// Failed attempts since this process has started.
    pub failures: u64,
    /// Since when every attempt has failed, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since_ms: Option<u64>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it delivered last, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivered_ms: Option<u64>,
    /// Records delivered since this process has started.
    pub delivered_records: u64,
    /// Bytes delivered since this process has started.
    pub delivered_bytes: u64,
    /// Records that a collector refused for good.
    pub rejected_records: u64,
}

impl Board {
    pub(super) fn add(&self, export: Arc<Export>) -> Arc<Standing> {
        let to = shown(&export.to);
        let standing = Arc::new(Standing { export, to, now: Mutex::default() });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&standing));
        standing
    }

    /// All of them, in the order of the configuration, given the size of the log.
    #[must_use]
    pub fn views(&self, size: u64) -> Vec<ExportView> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|standing| standing.view(size)).collect()
    }
}

impl Standing {
    fn change(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.now.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn at(&self, cursor: u64) {
        self.change(|now| {
            now.cursor = Some(cursor);
            now.oldest_ms = None;
            now.state = ExportState::Waiting;
        });
    }

    pub(super) fn has(&self, oldest_ms: u64) {
        self.change(|now| now.oldest_ms = Some(oldest_ms));
    }

    pub(super) fn delivering(&self) {
        // What fails shows so until it is through.
        self.change(|now| {
            if now.state != ExportState::Failing {
                now.state = ExportState::Delivering;
            }
        });
    }

    pub(super) fn delivered(&self, records: u64, bytes: u64, rejected: u64) {
        self.change(|now| {
            now.state = ExportState::Waiting;
            now.last_delivered_ms = Some(clock::unix_ms());
            now.records += records;
            now.bytes += bytes;
            now.rejected += rejected;
        });
    }

    /// Everything goes well again; true when it did not before.
    pub(super) fn recovered(&self) -> bool {
        let mut was = false;
        self.change(|now| {
            was = now.failing_since_ms.take().is_some();
            now.error = None;
            if was {
                now.state = ExportState::Waiting;
            }
        });
        was
    }

    /// Something failed; true when that, or why, is news.
    pub(super) fn failed(&self, error: &str) -> bool {
        let mut news = false;
        self.change(|now| {
            news = now.error.as_deref().map(gist) != Some(gist(error));
            now.error = Some(error.to_owned());
            now.failing_since_ms = now.failing_since_ms.or(Some(clock::unix_ms()));
            now.failures += 1;
            now.state = ExportState::Failing;
        });
        news
    }

    fn view(&self, size: u64) -> ExportView {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kind = match &self.export.to {
            Destination::Files(_) => "files",
            Destination::Otlp(_) => "otlp",
            Destination::Webhook(_) => "webhook",
        };
        ExportView {
            name: self.export.name.clone(),
            kind: kind.to_owned(),
            to: self.to.clone(),
            state: now.state,
            required: self.export.required,
            cursor: now.cursor,
            size,
            lag_records: now.cursor.map_or(0, |cursor| size.saturating_sub(cursor)),
            lag_ms: now.oldest_ms.map_or(0, |oldest| clock::unix_ms().saturating_sub(oldest)),
            failures: now.failures,
            failing_since_ms: now.failing_since_ms,
            error: now.error,
            last_delivered_ms: now.last_delivered_ms,
            delivered_records: now.records,
            delivered_bytes: now.bytes,
            rejected_records: now.rejected,
        }
    }
}

/// What of an error stays the same over attempts: without how long it took, and without the document that a storage answers with, which
/// names each request.
fn gist(error: &str) -> String {
    let took = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with('s');
    let text = error.split('<').next().unwrap_or_default();
    text.split_whitespace().filter(|word| !took(word)).collect::<Vec<_>>().join(" ")
}

/// Paths of URLs may be secrets; those of files are not.
fn shown(to: &Destination) -> String {
    let host = |url: &str| {
        let uri: Option<http::Uri> = url.parse().ok();
        let host = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
        host.map(|(scheme, authority)| format!("{scheme}://{authority}")).unwrap_or_default()
    };
    match to {
        Destination::Files(files) => files.to.clone(),
        Destination::Otlp(otlp) => format!("otlp+{}", host(&otlp.url)),
        Destination::Webhook(receiver) => host(&receiver.url),
    }
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn the_same_failure_is_told_once() {
        let error = |took: &str, id: &str| {
            format!(
                "Error performing PUT http://h/k in {took} - Server returned non-2xx status code: 500 Oops: <Error><RequestId>{id}</RequestId>"
            )
        };
        assert_eq!(gist(&error("4.2ms", "A")), gist(&error("1.5s", "B")));
        assert_ne!(gist("the answer was 500"), gist("the answer was 503"));
        assert_ne!(gist("no answer in time"), gist("cannot be reached"));
    }
}
