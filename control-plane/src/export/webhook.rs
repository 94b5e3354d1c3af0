//! Signed batches for receivers of their own, such as a SIEM's collector.
//!
//! The body is `{"type":"audit.records","export":…,"origin":…,"first":…,"last":…,"records":[{"entry":…,"index":…,"record":…}],"checkpoint":…}`.
//! The header `idempotency-key` is `ORIGIN FIRST-LAST`, the same at every attempt; the signature is that of the approvals' webhooks.

use super::chunk::{Chunk, line};
use super::config::{Export, Receiver};
use super::follow::{Deliver, Delivered, Refusal};
use super::post::{Failed, Poster, in_parts};
use crate::clock;
use crate::storage::Logged;
use crate::webhooks::{DELIVERY_HEADER, SIGNATURE_HEADER, signature};
use std::pin::Pin;
use std::sync::Arc;

/// The header that names a batch, the same at every attempt.
const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// Posts batches.
pub(super) struct WebhookSink {
    export: Arc<Export>,
    secret: Arc<[u8]>,
    poster: Poster,
}

impl std::fmt::Debug for WebhookSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WebhookSink").field(&self.export).finish()
    }
}

impl WebhookSink {
    pub(super) fn new(export: Arc<Export>, receiver: &Receiver) -> Self {
        let poster = Poster::new(&receiver.url, receiver.ca.as_deref());
        WebhookSink { export, secret: receiver.secret.as_slice().into(), poster }
    }
}

impl Deliver for WebhookSink {
    fn deliver<'a>(
        &'a self,
        chunk: &'a Arc<Chunk>,
    ) -> Pin<Box<dyn Future<Output = Result<Delivered, Refusal>> + Send + 'a>> {
        let (chunk, export) = (Arc::clone(chunk), Arc::clone(&self.export));
        let (secret, poster) = (Arc::clone(&self.secret), self.poster.clone());
        Box::pin(async move {
            let posted = tokio::task::spawn_blocking(move || {
                let records: Vec<&Logged> = chunk.of_kinds(&export.kinds).collect();
                if records.is_empty() {
                    return Ok((0, 0));
                }
                in_parts(&records, &mut |part| post(&poster, &secret, &export, &chunk, part))
            })
            .await;
            let (bytes, rejected) = posted.map_err(|error| Refusal::from(error.to_string()))??;
            Ok(Delivered { bytes, rejected })
        })
    }
}

fn post(
    poster: &Poster,
    secret: &[u8],
    export: &Export,
    chunk: &Chunk,
    records: &[&Logged],
) -> Result<(u64, u64), Failed> {
    let index = |record: Option<&&Logged>| record.map_or(0, |record| record.index);
    let (first, last) = (index(records.first()), index(records.last()));
    let json = |text: &str| serde_json::Value::from(text);
    let lines: Vec<String> = records.iter().map(|record| line(record, true)).collect();
    let body = format!(
        "{{\"type\":\"audit.records\",\"export\":{},\"origin\":{},\"first\":{first},\"last\":{last},\"records\":[{}],\
         \"checkpoint\":{}}}",
        json(&export.name),
        json(&chunk.origin),
        lines.join(","),
        json(&chunk.head.note)
    );
    let name = format!("{first:012}-{last:012}");
    let headers = [
        (DELIVERY_HEADER, format!("{}-{name}", export.name)),
        (IDEMPOTENCY_HEADER, format!("{} {name}", chunk.origin)),
        (SIGNATURE_HEADER, signature(secret, clock::unix_ms() / 1_000, body.as_bytes())),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    poster.post(&headers, body.as_bytes())?;
    Ok((body.len() as u64, 0))
}
