//! Captured text: reading it, and letting it go when its time is over.

use super::{App, Fault};
use crate::clock;
use crate::http::{TextView, TextsView};
use crate::storage::{Event, EventKind, StoreError};
use portcullis_audit::CapturedText;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Texts deleted in one write.
const SLICE: u32 = 500;

impl App {
    /// The captured texts of a decision; `None` when there is no such decision. That they are read is durable before.
    ///
    /// # Errors
    /// When the record cannot be read, or the reading cannot be put on record.
    pub async fn read_text(
        &self,
        decision_id: String,
        reader: &str,
        why: &str,
    ) -> Result<Option<TextsView>, Fault> {
        let Some(stored) = self.store.decision(decision_id).await? else { return Ok(None) };
        let record = stored.record;
        let id = record.decision_id.clone();
        if record.captured.is_empty() {
            return Ok(Some(TextsView { decision_id: id, texts: Vec::new() }));
        }
        if let Some(sinks) = &self.sinks {
            sinks.check()?;
        }
        let kinds: Vec<&str> = record.captured.iter().map(|told| told.kind.as_str()).collect();
        let detail = json!({ "what": "text_read", "decision_id": id, "kinds": kinds, "why": why });
        let event = Event { kind: EventKind::Admin, actor: reader.to_owned(), detail };
        self.store.commit_event(event).await?;
        if let Some(sinks) = &self.sinks {
            sinks.settled(&*self.store).await?;
        }
        let sealed = self.store.captured(id.clone()).await?;
        let texts = record.captured.into_iter().map(|told| {
            let opened = match sealed.iter().find(|sealed| sealed.kind == told.kind) {
                Some(sealed) => {
                    self.capturer.open(&record.call_id, sealed, &told).map_err(|error| error.to_string())
                }
                None => Err("its time is over: it was deleted".to_owned()),
            };
            let CapturedText { kind, bytes, cut, redacted, .. } = told;
            let (text, problem) = match opened {
                Ok(text) => (Some(text), None),
                Err(problem) => (None, Some(problem)),
            };
            TextView { kind, bytes, cut, redacted, text, problem }
        });
        Ok(Some(TextsView { decision_id: id, texts: texts.collect() }))
    }

    /// Deletes the texts of decisions made before that time, and says so on record. Gives how many.
    ///
    /// # Errors
    /// When the store does not take it; the next pass goes on.
    pub async fn drop_texts(&self, before_ms: u64) -> Result<u64, StoreError> {
        let mut dropped = 0;
        loop {
            let some = self.store.drop_captured(before_ms, SLICE).await?;
            dropped += some;
            if some < u64::from(SLICE) {
                break;
            }
        }
        if dropped > 0 {
            let detail = json!({ "what": "text_dropped", "texts": dropped, "before_ms": before_ms });
            let event = Event { kind: EventKind::Admin, actor: "portcullis".to_owned(), detail };
            self.store.commit_event(event).await?;
        }
        Ok(dropped)
    }
}

/// Deletes texts whose time is over, for ever.
pub async fn forget_texts(app: Arc<App>, keep: Duration) {
    loop {
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = app.drop_texts(clock::unix_ms().saturating_sub(keep_ms)).await {
            tracing::warn!(%error, "captured texts whose time is over could not be deleted; will try again");
        }
        tokio::time::sleep((keep / 20).clamp(Duration::from_secs(1), Duration::from_secs(15 * 60))).await;
    }
}
